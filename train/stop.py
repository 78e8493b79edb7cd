"""Stop on SIGTERM, as SLURM and `torchrun` send it, with a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from facehub.errors import FaceHubError


class StoppedError(FaceHubError):
    """The run was asked to stop; it has written a checkpoint and can be resumed."""


class StopRequest:
    """A flag that SIGTERM sets.

    Attributes:
        made: whether this process was asked to stop.
    """

    def __init__(self) -> None:
        self.made = False


@contextmanager
def on_sigterm() -> Iterator[StopRequest]:
    """Set a flag on SIGTERM instead of ending the process; works only in the main thread."""
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
