"""Many photos to their faces, in several processes, so that an interruption loses little."""

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
        """Equal for configurations that give comparable results."""

    def load(self) -> Stage:
        """Make the stage in another process."""


class Engine(Protocol):
    """Works on shards and writes each to its file, see `facehub.bulk.pool.run_shards`."""

    def __call__(
        self,
        shards: Sequence[Shard],
        load: Callable[[], Stage],
        folder: Path,
        *,
        report: Callable[[int], None],
    ) -> None: ...


class Progress(Protocol):
    """Told how far the work is."""

    def begin(self, total: int, there: int) -> None:
        """So many photos in all, and so many of them finished by an earlier run."""

    def report(self, done: int) -> None:
        """So many photos done by this run."""

    def end(self) -> None:
        """The work is done, or has failed."""


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
    """Find and embed the faces of many photos; goes on where an earlier call was interrupted.

    What is finished is kept in `folder` until the `with` block ends without an error. It holds
    embeddings: biometric data, readable by the owner only.

    Args:
        pictures: the photos.
        config: how they are embedded.
        folder: made where it is missing; its parent must exist.
        engine: does the work.
        progress: told how far it is.
        shard_size: photos that are finished together.

    Yields:
        All photos, in order. Their faces have no crop and no landmarks.

    Raises:
        FaceHubError: the folder cannot be used, or another process works in it.
    """
    arrow()  # before the work
    shards = plan_shards(pictures, config.key, shard_size)
    with ExitStack() as stack:
        with _in_words(folder):
            stack.enter_context(_locked(folder))
            remove_parts(folder)  # else there may be nothing left to write
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
    """For this process alone: the lock ends with the process, however it ends."""
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        held = hold_folder(folder)
    except BlockingIOError as error:
        raise FaceHubError(
            f"Another process works in {folder}; wait for it, or name another folder."
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
