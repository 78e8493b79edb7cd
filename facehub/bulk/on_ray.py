"""Run the stage on several machines, in Ray Data actors with a detector and a network each."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from facehub.bulk.shards import Shard, shard_bytes
from facehub.bulk.stage import Stage, outcomes_of
from facehub.errors import FaceHubError
from facehub.io.files import write_atomically
from facehub.io.sources import Picture, Source
from facehub.model.runtime import THREADS_VARIABLE

RESTARTS = 3  # of an actor, and retries of a shard, before the run fails


def run_shards_on_ray(
    shards: Sequence[Shard],
    load: Callable[[], Stage],
    folder: Path,
    *,
    address: str,
    workers: int | None = None,
    report: Callable[[int], None] = lambda _: None,
) -> None:
    """Process shards in a Ray cluster, and write each to its file on this machine.

    A failed actor is restarted and its shard is repeated. Every machine needs access to facehub,
    the weights and the photos, at the same paths or by URL. Embeddings (biometric data) pass
    through Ray's object store and between the machines: restrict access to them.

    Args:
        shards: the shards to process.
        load: creates the stage in each actor; must be picklable.
        folder: output folder, on this machine.
        address: address of the cluster, "host:6379" say; "local" starts one here.
        workers: number of actors; None: one per core of the cluster.
        report: called with the number of finished photos.

    Raises:
        FaceHubError: Ray is not installed, or the work fails.
    """
    ray = _ray()
    sources: dict[int, Source] = {id(p.source): p.source for s in shards for p in s.pictures}
    numbers = {key: number for number, key in enumerate(sources)}
    photos = {shard.file: len(shard.pictures) for shard in shards}
    rows = [
        {
            "file": shard.file,
            "sources": [numbers[id(p.source)] for p in shard.pictures],
            "names": [p.name for p in shard.pictures],
        }
        for shard in shards
    ]
    done = 0
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Ray prints to stdout
            for row in _results(ray, rows, load, list(sources.values()), address, workers):
                if row["error"] is not None:
                    raise FaceHubError(row["error"])
                _write(folder / row["file"], row["content"])
                done += photos[row["file"]]
                report(done)
    except FaceHubError:
        raise
    except Exception as error:  # Ray's errors have no common base class
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise FaceHubError(f"Ray at {address} failed: {reason[-1]}") from error
    finally:
        ray.shutdown()


def _results(
    ray: Any,
    rows: list[dict[str, Any]],
    load: Callable[[], Stage],
    sources: list[Source],
    address: str,
    workers: int | None,
) -> Iterator[dict[str, Any]]:
    """Yield the actors' results as they finish."""
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    size = min(workers or int(ray.cluster_resources()["CPU"]), len(rows))
    results = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        _Actor,
        fn_constructor_args=(load, sources),
        compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=1),
        num_cpus=1,
        max_restarts=RESTARTS,
        max_task_retries=RESTARTS,
    )
    yield from results.iter_rows()


def _ray() -> Any:
    """The modules `ray` and `ray.data`."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise FaceHubError("Several machines need Ray: pip install 'facehub[ray]'.") from error
    return ray


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content, private=True)
    except OSError as error:
        reason = error.strerror or error
        raise FaceHubError(f"{path.parent} cannot be written: {reason}.") from error


class _Actor:
    """Processes one shard at a time.

    Args:
        load: creates the stage.
        sources: sources of the photos.
    """

    def __init__(self, load: Callable[[], Stage], sources: Sequence[Source]) -> None:
        self._sources = sources
        os.environ[THREADS_VARIABLE] = "1"  # one actor per core
        self._stage: Stage | FaceHubError
        try:
            self._stage = load()
        except FaceHubError as error:
            self._stage = error

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        pairs = zip(row["sources"], row["names"], strict=True)
        pictures = [Picture(self._sources[source], name, name) for source, name in pairs]
        try:
            if isinstance(self._stage, FaceHubError):
                raise self._stage
            outcomes = list(outcomes_of(self._stage, [p.read for p in pictures]))
        except FaceHubError as error:  # a retry would not help
            return {"file": row["file"], "content": b"", "error": str(error)}
        return {"file": row["file"], "content": shard_bytes(outcomes), "error": None}
