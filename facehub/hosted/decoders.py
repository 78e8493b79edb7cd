"""Processes that decode pictures; one that takes too long is killed and replaced.

A malicious picture can keep a codec busy, and a thread inside a codec cannot be stopped. Everything
after decoding takes bounded time, because the numbers of pixels and faces are capped.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from facehub.errors import ImageDecodeError, ImageError
from facehub.hosted.decoding import ANSWER, CONTENT, ERROR, PATH, PIXELS, REQUEST
from facehub.hosted.errors import ImageTooSlowError, TimedOutError
from facehub.io.images import MAX_BYTES, MAX_PIXELS, ImageSource, read_pixels

SECONDS = 10.0  # time limit per picture; 40 megapixels take about one second
PATIENCE = 0.5  # CPU seconds after which a picture counts as slow and yields to others
_SCHED = 2  # combined with a process id, the id of its CPU clock (Linux)
_TICK = 0.05  # seconds between two checks
_PIPE = 2**20  # bytes in a pipe, if its size can be set

# The package's own `__init__` would load all of facehub: twice the memory, three times as slow.
_MAIN = """
import sys, types
package = types.ModuleType("facehub")
package.__path__ = [sys.argv[1]]
sys.modules["facehub"] = package
from facehub.hosted.decoding import main
main(int(sys.argv[2]))
"""


class Decoders:
    """A pool of decoder processes, started on demand. Thread-safe.

    Args:
        count: largest number of processes; more pictures wait. If a picture waits, the slow picture
            that has been running for longest is abandoned.
        seconds: time limit per picture.
        patience: CPU seconds after which a picture counts as slow: its process then runs at the
            lowest priority. Time spent waiting for a busy CPU does not count.
    """

    def __init__(self, count: int, *, seconds: float = SECONDS, patience: float = PATIENCE) -> None:
        self._count, self._seconds, self._patience = count, seconds, patience
        self._changed = threading.Condition()
        self._idle: list[_Process] = []
        self._jobs: list[_Job] = []
        self._waiting = 0
        self._closed = False
        self._watchdog: threading.Thread | None = None

    def start(self, count: int) -> None:
        """Start `count` processes now, so the first pictures need not wait for them."""
        with self._changed:
            while len(self._idle) + len(self._jobs) < min(count, self._count):
                self._idle.append(_Process(self._seconds))

    def read(self, source: ImageSource, until: float = float("inf")) -> np.ndarray:
        """Decode a picture in a process; arrays and PIL images are only checked.

        Args:
            source: see `load_image`.
            until: `time.monotonic()` at which decoding is abandoned.

        Returns:
            uint8 (H, W, 3), RGB, as from `read_pixels`.

        Raises:
            ImageTooSlowError: decoding takes too long.
            TimedOutError: no process was free in time.
            ImageError: the picture cannot be used.
        """
        if isinstance(source, np.ndarray | Image.Image):
            return read_pixels(source)
        kind, content = _request(source)
        with self._job(until) as job:
            try:
                job.begin(self._seconds)
                return job.process.ask(kind, content)
            except (OSError, ValueError, EOFError):
                job.broken = True
                if job.given_up:
                    raise ImageTooSlowError("The picture takes too long to decode.") from None
                raise ImageDecodeError("The picture cannot be decoded.") from None

    def close(self) -> None:
        """Kill all processes; pictures being decoded are abandoned."""
        with self._changed:
            self._closed = True
            for job in self._jobs:
                job.give_up()
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for process in idle:
            process.end()

    @contextmanager
    def _job(self, until: float) -> Iterator[_Job]:
        job = self._begin(until)
        try:
            yield job
        except BaseException:
            job.broken |= job.process.ended
            raise
        finally:
            with self._changed:
                self._jobs.remove(job)
                good = not (job.broken or job.given_up or job.slow or self._closed)
                if not good:
                    job.process.end()
                if not self._closed:  # a slow process cannot regain its priority: replace it
                    self._idle.append(job.process if good else _Process(self._seconds))
                self._changed.notify_all()

    def _begin(self, until: float) -> _Job:
        with self._changed:
            self._waiting += 1
            try:
                while not self._closed and not self._idle and len(self._jobs) >= self._count:
                    left = until - time.monotonic()
                    if left <= 0:
                        raise TimedOutError("The server is busy: this took too long.")
                    self._changed.wait(min(left, 60.0))
            finally:
                self._waiting -= 1
            if self._closed:
                raise TimedOutError("The server is closing.")
            process = self._idle.pop() if self._idle else _Process(self._seconds)
            now = time.monotonic()
            job = _Job(process, now, until)
            self._jobs.append(job)
            if self._watchdog is None:
                self._watchdog = threading.Thread(
                    target=self._watch, name="facehub-decoders", daemon=True
                )
                self._watchdog.start()
            self._changed.notify_all()
            return job

    def _watch(self) -> None:
        """Abandon pictures that take too long; return when no job is left."""
        with self._changed:
            while self._jobs:
                now = time.monotonic()
                for job in self._jobs:
                    if now >= job.until:
                        job.give_up()
                    elif not job.slow and job.took() >= self._patience:
                        job.make_way()
                slow = [job for job in self._jobs if job.slow and not job.given_up]
                freed = len(self._idle) + sum(job.given_up for job in self._jobs)
                if self._waiting > freed and slow:
                    min(slow, key=lambda job: job.started).give_up()
                self._changed.wait(_TICK)
            self._watchdog = None


@dataclass(eq=False)
class _Job:
    """A picture being decoded.

    Attributes:
        process: the process that decodes it.
        started: `time.monotonic()` of the start.
        until: `time.monotonic()` at which it is abandoned.
        before: CPU seconds that the process had used at the start; None until then.
        slow: whether its priority was lowered.
        given_up: whether its process was killed.
        broken: whether its process is unusable.
    """

    process: _Process
    started: float
    until: float
    before: float | None = None
    slow: bool = False
    given_up: bool = False
    broken: bool = False

    def begin(self, seconds: float) -> None:
        """Wait until the process is ready, then start the clock."""
        self.process.wait()
        self.until = min(self.until, time.monotonic() + seconds)
        self.before = self.process.seconds()

    def took(self) -> float:
        """CPU seconds used so far; 0 before `begin`."""
        return 0.0 if self.before is None else self.process.seconds() - self.before

    def make_way(self) -> None:
        self.slow = True
        self.process.lower_priority()

    def give_up(self) -> None:
        self.given_up = True
        self.process.kill()


class _Process:
    """One process, for one picture at a time."""

    def __init__(self, seconds: float) -> None:
        package = Path(__file__).parents[1]
        command = [sys.executable, "-c", _MAIN, str(package), str(int(seconds) + 1)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._popen = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=environment,
        )
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        # Without buffers, the pipes are raw.
        self._requests = cast(RawIOBase, self._popen.stdin)
        self._answers = cast(RawIOBase, self._popen.stdout)
        self._ready = False
        for pipe in (self._requests, self._answers):
            _widen(pipe)

    def wait(self) -> None:
        """Wait until the process is ready.

        Raises:
            EOFError: the process has ended.
        """
        if not self._ready:
            self._read(memoryview(bytearray(1)))
            self._ready = True

    def seconds(self) -> float:
        """CPU seconds that the process has used; wall-clock time if the system cannot tell."""
        try:
            return time.clock_gettime(~self._popen.pid << 3 | _SCHED)
        except (OSError, AttributeError):
            return time.monotonic()

    @property
    def ended(self) -> bool:
        return self._popen.poll() is not None

    def ask(self, kind: int, content: bytes) -> np.ndarray:
        """Send a request; return pixels, uint8 (H, W, 3), RGB.

        Raises:
            ImageError: the process reports it.
            OSError, ValueError, EOFError: the process has ended, or its answer is invalid.
        """
        self._write(REQUEST.pack(kind, len(content)))
        self._write(content)
        head = bytearray(ANSWER.size)
        self._read(memoryview(head))
        kind, first, second = ANSWER.unpack(head)
        if kind == PIXELS and 0 < first * second <= MAX_PIXELS:
            pixels = np.empty((first, second, 3), np.uint8)
            self._read(pixels.data.cast("B"))
            return pixels
        if kind == ERROR and first <= 100 and second <= 10_000:
            text = bytearray(first + second)
            self._read(memoryview(text))
            kinds = {kind.__name__: kind for kind in _kinds(ImageError)}
            raise kinds.get(text[:first].decode(errors="replace"), ImageDecodeError)(
                text[first:].decode(errors="replace")
            )
        raise ValueError("no answer")

    def lower_priority(self) -> None:
        with suppress(OSError, AttributeError):  # the process has ended, or not Unix
            os.setpriority(os.PRIO_PROCESS, self._popen.pid, 19)

    def kill(self) -> None:
        self._popen.kill()

    def end(self) -> None:
        """Kill the process if it still runs, and release its pipes."""
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._requests, self._answers):
            with suppress(OSError):
                pipe.close()

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            left = left[self._requests.write(left) or 0 :]

    def _read(self, into: memoryview) -> None:
        while into:
            count = self._answers.readinto(into)
            if not count:
                raise EOFError
            into = into[count:]


def _request(source: ImageSource) -> tuple[int, bytes]:
    """Convert a source to (kind, content) of a request."""
    if isinstance(source, str | os.PathLike):
        return PATH, os.fsencode(os.path.abspath(source))
    if isinstance(source, bytes | bytearray | memoryview):
        content = bytes(source)
    elif hasattr(source, "read"):
        try:
            content = source.read(MAX_BYTES + 1)
        except (OSError, ValueError):
            raise ImageDecodeError("The picture cannot be read.") from None
    else:
        content = b""
    return CONTENT, content[: MAX_BYTES + 1]


def _kinds(base: type[ImageError]) -> Iterator[type[ImageError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _kinds(kind)


def _widen(pipe: RawIOBase) -> None:
    """Enlarge a pipe, which saves context switches for large pictures."""
    try:
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
    except (ImportError, AttributeError, OSError):  # not Linux, or the user has too many pipes
        pass
