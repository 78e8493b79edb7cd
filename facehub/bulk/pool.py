"""Process shards in several processes. If one dies, finished shards are kept."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facehub.bulk.shards import Shard, write_shard
from facehub.bulk.stage import Outcome, Stage, outcomes_of
from facehub.errors import FaceHubError, ImageError
from facehub.io.sources import Picture, Source
from facehub.model.runtime import THREADS_VARIABLE, default_threads

ATTEMPTS = 2  # at a shard whose process dies; then its photos are tried one by one
_POLL = 0.5  # seconds between two reports
_DIED = "The process that searched this picture died; the picture may need too much memory."
_NO_START = (
    "The worker processes die at the start, possibly for lack of memory: try fewer (--workers 1)."
)

Report = Callable[[int], None]  # called with the number of finished photos
Item = tuple[int, str]  # a photo: number of its source, name there


def run_shards(
    shards: Sequence[Shard],
    load: Callable[[], Stage],
    folder: Path,
    *,
    workers: int,
    report: Report = lambda _: None,
) -> None:
    """Process shards and write each to its file; written shards are kept after any failure.

    A process that dies (for lack of memory, say) is replaced, and its shard is repeated. A photo
    that kills every process gets an error.

    Args:
        shards: the shards to process.
        load: creates the stage in each process; must be picklable.
        folder: output folder.
        workers: number of processes.
        report: called regularly with the number of finished photos.

    Raises:
        FaceHubError: a process cannot start, or a shard cannot be written.
    """
    _Run(shards, load, folder, workers, report).run()


class _Run:
    def __init__(
        self,
        shards: Sequence[Shard],
        load: Callable[[], Stage],
        folder: Path,
        workers: int,
        report: Report,
    ) -> None:
        self._waiting = deque(shards)
        self._folder, self._workers, self._report = folder, workers, report
        self._load = load
        self._context = multiprocessing.get_context("spawn")
        sources = {id(p.source): p.source for shard in shards for p in shard.pictures}
        self._sources: list[Source] = list(sources.values())
        self._numbers = {key: number for number, key in enumerate(sources)}
        self._deaths: Counter[str] = Counter()
        self._finished = 0  # photos

    def run(self) -> None:
        while self._waiting:
            suspect = next((s for s in self._waiting if self._deaths[s.file] >= ATTEMPTS), None)
            try:
                if suspect is None:
                    self._run_pool()
                else:
                    self._run_one_by_one(suspect)
                    self._waiting.remove(suspect)
                    self._count(suspect)
            except OSError as error:
                reason = error.strerror or error
                raise FaceHubError(f"{self._folder} cannot be written: {reason}.") from error

    def _run_pool(self) -> None:
        """Process shards until all are finished or a process dies."""
        pool = _Pool(self._context, self._workers, self._load, self._sources)
        running: dict[Future[None], Shard] = {}
        before, finished = self._finished, 0
        with pool:
            try:
                while self._waiting or running:
                    while self._waiting and len(running) <= self._workers:  # one more is queued
                        shard = self._waiting[0]
                        path, items = str(self._folder / shard.file), self._items(shard)
                        future = pool.executor.submit(_do_shard, path, items)
                        running[future] = self._waiting.popleft()
                    done, _ = wait(running, timeout=_POLL, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                        finished += len(running[future].pictures)
                        self._count(running.pop(future))
                    self._report(before + max(finished, pool.done))
            except BrokenProcessPool:
                for future, shard in running.items():
                    if future.done() and future.exception() is None:
                        self._count(shard)
                    else:
                        self._deaths[shard.file] += 1
                        self._waiting.append(shard)

    def _run_one_by_one(self, shard: Shard) -> None:
        """Find the photos that kill a process, and write the shard."""
        outcomes: list[Outcome] = []
        items = self._items(shard)
        while len(outcomes) < len(items):
            with _Pool(self._context, 1, self._load, self._sources) as pool:
                try:
                    pool.executor.submit(_begin).result()
                except BrokenProcessPool as error:
                    raise FaceHubError(_NO_START) from error
                try:
                    while len(outcomes) < len(items):
                        item = items[len(outcomes)]
                        outcomes.append(pool.executor.submit(_do_photo, item).result())
                        self._report(self._finished + len(outcomes))
                except BrokenProcessPool:
                    outcomes.append(ImageError(_DIED))
        write_shard(self._folder / shard.file, outcomes)

    def _count(self, shard: Shard) -> None:
        self._finished += len(shard.pictures)
        self._report(self._finished)

    def _items(self, shard: Shard) -> list[Item]:
        return [(self._numbers[id(p.source)], p.name) for p in shard.pictures]


class _Pool:
    """Processes that stop at the next photo when the `with` block ends.

    They share numbers without a lock, because a killed process could hold a lock for ever.
    """

    def __init__(
        self, context: Any, workers: int, load: Callable[[], Stage], sources: list[Source]
    ) -> None:
        self._shared = context.RawArray("q", 1 + workers)  # stop flag; photos done by each
        self.executor = ProcessPoolExecutor(
            workers,
            context,
            initializer=_start,
            initargs=(load, sources, self._shared, default_threads() // workers or 1),
        )

    @property
    def done(self) -> int:
        """Number of processed photos."""
        return sum(self._shared[1:])

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._shared[0] = 1
        self.executor.shutdown(cancel_futures=True)


# --- in a worker process --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Worker:
    """State of a worker process."""

    stage: Stage | FaceHubError
    sources: Sequence[Source]
    shared: Any  # see `_Pool`
    slot: int  # index of its number in `shared`


_worker: _Worker | None = None


def _start(load: Callable[[], Stage], sources: Sequence[Source], shared: Any, threads: int) -> None:
    global _worker
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl+C
    os.environ[THREADS_VARIABLE] = str(threads)
    stage: Stage | FaceHubError
    try:
        stage = load()
    except FaceHubError as error:  # the first shard raises it in the parent
        stage = error
    number = int(multiprocessing.current_process().name.rpartition("-")[2])  # SpawnProcess-7
    _worker = _Worker(stage, sources, shared, 1 + number % (len(shared) - 1))


def _exit_with_parent() -> None:
    """Exit if the parent is killed; otherwise the worker would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _begin() -> None:
    """Do nothing; returns once the worker has started."""


def _do_shard(path: str, items: Sequence[Item]) -> None:
    write_shard(Path(path), list(_outcomes(items)))


def _do_photo(item: Item) -> Outcome:
    (outcome,) = _outcomes([item])
    return outcome


def _outcomes(items: Iterable[Item]) -> Iterator[Outcome]:
    worker = _worker
    assert worker is not None
    if isinstance(worker.stage, FaceHubError):
        raise worker.stage
    pictures = [Picture(worker.sources[source], name, name) for source, name in items]
    for outcome in outcomes_of(worker.stage, [picture.read for picture in pictures]):
        if worker.shared[0]:
            raise FaceHubError("The run was stopped.")
        worker.shared[worker.slot] += 1
        yield outcome
