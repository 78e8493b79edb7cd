"""What a hostile or odd input is, and what facehub must make of it.

A case's `expected` is FACE, FACES, NONE or ANY (no error, whatever is found), or a part of the
message of the error that it must raise.
"""

from __future__ import annotations

import re
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FACE, FACES, NONE, ANY = "face", "faces", "none", "any"
OUTCOMES = (FACE, FACES, NONE, ANY)
DAMAGED = "damaged or incomplete"
NO_PICTURE = "not a picture in a supported format"
NO_GALLERY = "damaged or not a facehub gallery"
LIMIT_BYTES = 2_000_000_000  # resident, at the peak


@dataclass(frozen=True)
class Case:
    """A picture file, or something in its place.

    Attributes:
        name: unique, for test ids.
        file: file name.
        content: makes the bytes, or None where `place` does all.
        expected: see the module.
        place: puts something else than a regular file at a path; such a case cannot be uploaded.
        browser: the name can be given to a browser, and it does not refuse the type by itself.
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
        """Make it in `folder`, which may hold other cases; returns its path."""
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
        people: who is enrolled, in order.
        failures: parts of messages, each of which some message must hold.
        n_failures: how many messages there are; None for one per part.
    """

    name: str
    content: Callable[[], bytes]
    people: tuple[str, ...]
    failures: tuple[str, ...] = ()
    n_failures: int | None = None

    def write(self, folder: Path) -> Path:
        """Make it in `folder`."""
        path = folder / f"{self.name.replace(' ', '_')}.zip"
        path.write_bytes(self.content())
        return path


@dataclass(frozen=True)
class GalleryCase:
    """A gallery file.

    Attributes:
        name: unique, for test ids.
        content: makes the bytes for a fingerprint.
        expected: a part of the error's message, or None for a gallery that is sound.
        people: names in a sound one.
        usable: whether a sound one fits the weights that ship.
    """

    name: str
    content: Callable[[str], bytes]
    expected: str | None = NO_GALLERY
    people: tuple[str, ...] = ()
    usable: bool = True

    def write(self, folder: Path, fingerprint: str) -> Path:
        """Make it in `folder`."""
        path = folder / f"{self.name.replace(' ', '_')}.safetensors"
        path.write_bytes(self.content(fingerprint))
        return path


@contextmanager
def limits(seconds: float, memory: int) -> Iterator[Cost]:
    """Fail where the body takes more of either than one input may.

    Args:
        seconds: processor time of this process and of those that it waits for.
        memory: bytes that the resident memory may grow by at its peak, where Linux says it.
    """
    cost = Cost()
    before, start = _resident(reset=True), _processor_time()
    yield cost
    cost.seconds, cost.memory = _processor_time() - start, _resident() - before
    assert cost.seconds < seconds
    assert cost.memory < memory


@dataclass
class Cost:
    """What an input took; zero until it is done."""

    seconds: float = 0.0
    memory: int = 0


def _processor_time() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _resident(*, reset: bool = False) -> int:
    """The peak of this process's resident memory since it was last reset."""
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
    """Raise `TimeoutError` in the main thread where the body takes longer, a system call too."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
