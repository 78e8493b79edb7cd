"""Long work of one session, which a button can end."""

from __future__ import annotations

import threading
from typing import Self


class Work:
    """What one session is busy with."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Gradio copies a state's first value for each session, which starts idle."""
        return type(self)()

    def start(self) -> threading.Event:
        """Begin work that `stop` ends; work that was begun earlier goes on to its end."""
        self._stop = threading.Event()
        return self._stop

    def stop(self) -> None:
        """End the work that was begun last, after the photo that is being read."""
        self._stop.set()
