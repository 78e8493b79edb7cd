"""Cases of hostile or odd inputs, with the result that facehub must give.

The `expected` of a case is FACE, FACES, NONE, ANY (no error, and any number of faces), or a part of
the message of the expected error.
"""

from __future__ import annotations

import re
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FACE, FACES, NONE, ANY = "face", "faces", "none", "any"
OUTCOMES = (FACE, FACES, NONE, ANY)
DAMAGED = "damaged or incomplete"
NO_PICTURE = "not a picture in a supported format"
NO_GALLERY = "damaged or not a facehub gallery"
LIMIT_BYTES = 2_000_000_000  # peak resident memory


def one_in(n: int, cases: list[Any]) -> pytest.MarkDecorator:
    """Give a test each n-th case as `case`; the other cases are slow tests."""
    return pytest.mark.parametrize(
        "case",
        [
            pytest.param(case, id=case.name, marks=[pytest.mark.slow] if number % n else [])
            for number, case in enumerate(cases)
        ],
    )


@dataclass(frozen=True)
class Case:
    """A picture file, or something else at its path.

    Attributes:
        name: unique, for test ids.
        file: file name.
        content: makes the bytes; None if `place` makes the file.
        expected: see the docstring of the module.
        place: puts something other than a regular file at a path; such a case cannot be uploaded.
        browser: whether a browser accepts the name and the type of the file.
    """

    name: str
    file: str
    content: Callable[[], bytes] | None
    expected: str
    place: Callable[[Path], object] | None = None
    browser: bool = True

    @property
    def fails(self) -> bool:
        """Whether an error is expected."""
        return self.expected not in OUTCOMES

    def write(self, folder: Path) -> Path:
        """Write the case to `folder`, which may hold other cases, and return its path."""
        own = folder / self.name.replace(" ", "_")
        own.mkdir(exist_ok=True)
        path = own / self.file
        if self.place is not None:
            self.place(path)
        elif self.content is not None:
            path.write_bytes(self.content())
        return path


@dataclass(frozen=True)
class ZipCase:
    """A zip for the enrolment of the Identify tab.

    Attributes:
        name: unique, for test ids.
        content: makes the bytes.
        people: names of the enrolled people, in order.
        failures: texts, each of which must be a part of some message.
        n_failures: number of messages; None for one per text in `failures`.
    """

    name: str
    content: Callable[[], bytes]
    people: tuple[str, ...]
    failures: tuple[str, ...] = ()
    n_failures: int | None = None

    def write(self, folder: Path) -> Path:
        """Write the zip to `folder`, and return its path."""
        path = folder / f"{self.name.replace(' ', '_')}.zip"
        path.write_bytes(self.content())
        return path


@dataclass(frozen=True)
class GalleryCase:
    """A gallery file.

    Attributes:
        name: unique, for test ids.
        content: makes the bytes, given the fingerprint of the weights.
        expected: a part of the message of the error, or None for a valid gallery.
        people: names in a valid gallery.
        usable: whether a valid gallery fits the weights that ship.
    """

    name: str
    content: Callable[[str], bytes]
    expected: str | None = NO_GALLERY
    people: tuple[str, ...] = ()
    usable: bool = True

    def write(self, folder: Path, fingerprint: str) -> Path:
        """Write the gallery to `folder`, and return its path."""
        path = folder / f"{self.name.replace(' ', '_')}.safetensors"
        path.write_bytes(self.content(fingerprint))
        return path


@contextmanager
def limits(seconds: float, memory: int) -> Iterator[Cost]:
    """Fail if the body takes more processor time or memory than one input may.

    Args:
        seconds: processor time of this process and of those that it waits for.
        memory: bytes by which peak resident memory may grow; checked on Linux only.
    """
    cost = Cost()
    before, start = _resident(reset=True), _processor_time()
    yield cost
    cost.seconds, cost.memory = _processor_time() - start, _resident() - before
    assert cost.seconds < seconds
    assert cost.memory < memory


@dataclass
class Cost:
    """Processor time and memory that an input took; zero until it is done."""

    seconds: float = 0.0
    memory: int = 0


def _processor_time() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _resident(*, reset: bool = False) -> int:
    """Return the peak resident memory of this process since the last reset, 0 if unknown."""
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not status.exists():
        return 0
    if reset:
        clear.write_text("5")
    peak = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
    assert peak is not None
    return 1024 * int(peak[1])


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise `TimeoutError` in the main thread if the body takes longer, even in a system call."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
