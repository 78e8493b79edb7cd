"""Find and embed the faces of many photos in several processes; runs can be resumed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from facehub.bulk.shards import (
    SHARD_SIZE,
    Shard,
    arrow,
    is_finished,
    plan_shards,
    read_shard,
    remove_shards,
)
from facehub.bulk.stage import EmbeddedPhoto, Stage
from facehub.errors import FaceHubError
from facehub.io.files import remove_parts
from facehub.io.locks import hold_folder
from facehub.io.sources import Picture


class Config(Protocol):
    """How photos are embedded, see `StageConfig`."""

    @property
    def key(self) -> str:
        """Equal for configurations with comparable results."""

    def load(self) -> Stage:
        """Create the stage in another process."""


class Engine(Protocol):
    """Processes shards and writes each to its file, see `facehub.bulk.pool.run_shards`."""

    def __call__(
        self,
        shards: Sequence[Shard],
        load: Callable[[], Stage],
        folder: Path,
        *,
        report: Callable[[int], None],
    ) -> None: ...


class Progress(Protocol):
    """Receives the progress of a run."""

    def begin(self, total: int, there: int) -> None:
        """Called at the start.

        Args:
            total: number of photos.
            there: number of photos finished by an earlier run.
        """

    def report(self, done: int) -> None:
        """Called with the number of photos finished by this run."""

    def end(self) -> None:
        """Called when the run ends or fails."""


@contextmanager
def embed_photos(
    pictures: Sequence[Picture],
    config: Config,
    folder: Path,
    engine: Engine,
    progress: Progress,
    *,
    shard_size: int = SHARD_SIZE,
) -> Iterator[Iterator[EmbeddedPhoto]]:
    """Find and embed the faces of many photos; resume an interrupted call.

    `folder` keeps finished shards until the `with` block ends without an error. They hold
    embeddings: biometric data, readable by the owner only.

    Args:
        pictures: the photos.
        config: how they are embedded.
        folder: created if missing; its parent must exist.
        engine: processes the shards.
        progress: receives the progress.
        shard_size: number of photos per shard.

    Yields:
        All photos, in order. Their faces have no crop and no landmarks.

    Raises:
        FaceHubError: the folder cannot be used, or another process uses it.
    """
    arrow()  # fails early if pyarrow is missing
    shards = plan_shards(pictures, config.key, shard_size)
    with ExitStack() as stack:
        with _in_words(folder):
            stack.enter_context(_locked(folder))
            remove_parts(folder)
            missing = [shard for shard in shards if not is_finished(folder / shard.file)]
        progress.begin(len(pictures), len(pictures) - sum(len(s.pictures) for s in missing))
        try:
            if missing:
                engine(missing, config.load, folder, report=progress.report)
        finally:
            progress.end()
        yield (photo for shard in shards for photo in read_shard(folder / shard.file, shard))
        with _in_words(folder):
            remove_shards(folder)
            if not any(folder.iterdir()):
                folder.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder; the lock ends with this process, even if it is killed."""
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        held = hold_folder(folder)
    except BlockingIOError as error:
        raise FaceHubError(
            f"Another process uses {folder}; wait for it, or name another folder."
        ) from error
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


@contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FaceHubError(f"{folder} cannot be used: {error.strerror or error}.") from error
