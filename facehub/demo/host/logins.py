"""Slow down clients that guess passwords."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FREE = 5  # failures before a client must wait
LONGEST = 300.0  # seconds
FORGOTTEN = 900.0  # seconds after which failures no longer count
CLIENTS = 10_000  # remembered


class Logins:
    """Failed logins by client; used by the event loop only.

    Args:
        clock: gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = (
            OrderedDict()
        )  # count, time of the last
        self._trying: set[str] = set()

    def wait(self, client: str) -> float:
        """Seconds that a client must wait; 0 if it may try now. It has one attempt at a time."""
        if client in self._trying:
            return 1.0
        count, last = self._failures.get(client, (0, 0.0))
        if count < FREE:
            return 0.0
        return max(0.0, last + min(LONGEST, 2.0 ** (count - FREE + 1)) - self._clock())

    @contextmanager
    def attempt(self, client: str) -> Iterator[None]:
        """Hold the client's one attempt for the length of the body."""
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
