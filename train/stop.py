"""Stopping on SIGTERM, as SLURM and `torchrun` ask for it, without losing what was learned."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from facehub.errors import FaceHubError


class StoppedError(FaceHubError):
    """The run was asked to stop; its checkpoint is written and it can go on from there."""


class StopRequest:
    """Whether this process was asked to stop.

    Attributes:
        made: it was.
    """

    def __init__(self) -> None:
        self.made = False


@contextmanager
def on_sigterm() -> Iterator[StopRequest]:
    """Take note of SIGTERM in place of ending at once; only the main thread can."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(*_: object) -> None:
        request.made = True

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)
