"""Owners of sessions: only the owner may use one, and no client's sessions crowd out another's."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from gradio.state_holder import StateHolder

CAPACITY = 10_000  # sessions that are remembered; most hold no gallery
UNKNOWN = "?"  # the client of sessions that nobody has claimed: single calls of the API


@dataclass(frozen=True)
class Owner:
    """Whoever began a session.

    Attributes:
        client: where the requests come from; sessions are counted by client.
        secret: what later requests must carry: login and cookie, else the client.
    """

    client: str
    secret: str = field(repr=False)


class Sessions:
    """The owners of sessions, by the hash that the browser chooses for each.

    Args:
        capacity: number of owners; see `crowded_out`.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._owners: OrderedDict[str, Owner] = OrderedDict()
        self._lock = threading.Lock()

    def claim(self, session: str, owner: Owner) -> bool:
        """Whether a session belongs to `owner`, who gets it if nobody has it yet."""
        with self._lock:
            held = self._owners.setdefault(session, owner)
            if held.secret != owner.secret:
                return False
            self._owners.move_to_end(session)
            while len(self._owners) > self._capacity:
                del self._owners[self._crowded_out(self._owners)]
            return True

    def crowded_out(self, sessions: Iterable[str]) -> str:
        """The session to forget: the least recently used of the client who has most of them.

        Args:
            sessions: at least one, the least recently used first.
        """
        with self._lock:
            return self._crowded_out(sessions)

    def forget(self, session: str) -> None:
        """Let anybody claim it again."""
        with self._lock:
            self._owners.pop(session, None)

    def _crowded_out(self, sessions: Iterable[str]) -> str:
        clients = {session: self._client(session) for session in sessions}
        (most, _), *_ = Counter(clients.values()).most_common(1)
        return next(session for session, client in clients.items() if client == most)

    def _client(self, session: str) -> str:
        owner = self._owners.get(session)
        return UNKNOWN if owner is None else owner.client


_by_holder: WeakKeyDictionary[StateHolder, Sessions] = WeakKeyDictionary()


def sessions_of(holder: StateHolder) -> Sessions:
    """The owners of the sessions in a page's `StateHolder`."""
    return _by_holder.setdefault(holder, Sessions())


def update_fairly(self: StateHolder, session_id: str) -> None:
    """Replaces `StateHolder.update`, which evicts the least recently used session of anybody."""
    with self.lock:
        if session_id in self.session_data:
            self.session_data.move_to_end(session_id)
        while len(self.session_data) > self.capacity:
            gone = sessions_of(self).crowded_out(self.session_data)
            del self.session_data[gone]
            self.time_last_used.pop(gone, None)
            sessions_of(self).forget(gone)
