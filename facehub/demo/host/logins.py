"""Slow down who guesses passwords."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FREE = 5  # failures before a client must wait
LONGEST = 300.0  # seconds
FORGOTTEN = 900.0  # seconds after which failures count no longer
CLIENTS = 10_000  # remembered


class Logins:
    """Failed logins by client; used by the event loop only.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, when last
        self._trying: set[str] = set()

    def wait(self, client: str) -> float:
        """Seconds for which a client may not try, one attempt at a time; 0 when it may."""
        if client in self._trying:
            return 1.0
        count, last = self._failures.get(client, (0, 0.0))
        if count < FREE:
            return 0.0
        return max(0.0, last + min(LONGEST, 2.0 ** (count - FREE + 1)) - self._clock())

    @contextmanager
    def attempt(self, client: str) -> Iterator[None]:
        """The body is the client's one attempt."""
        self._trying.add(client)
        try:
            yield
        finally:
            self._trying.discard(client)

    def fail(self, client: str) -> None:
        """Count a failure."""
        now = self._clock()
        count, last = self._failures.pop(client, (0, now))
        self._failures[client] = (1 if now - last > FORGOTTEN else count + 1, now)
        if len(self._failures) > CLIENTS:
            self._failures.popitem(last=False)
