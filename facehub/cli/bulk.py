"""Embed many photos for a command: in this process, or in several that keep finished shards."""

from __future__ import annotations

import argparse
import functools
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from facehub.bulk.stage import EmbeddedPhoto, StageConfig
from facehub.cli.arguments import UsageError, whole_number
from facehub.cli.output import line, progress
from facehub.cli.photos import STDIN
from facehub.detect.base import Search
from facehub.io.locks import remove_unheld
from facehub.io.sources import Picture
from facehub.model.runtime import default_threads
from facehub.pipeline import FaceRecognizer
from facehub.quality import ADVICE
from facehub.results import QualityIssue
from facehub.select import FacePolicy

if TYPE_CHECKING:
    from tqdm import tqdm

    from facehub.bulk.run import Engine

MANY = 512  # photos; fewer are done sooner in one process
_EVERY = 60.0  # seconds between two lines of progress without a terminal
PARTS_SUFFIX = ".parts"
_TEMPORARY = "facehub-parts-"


def add_bulk_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the commands that take many photos."""
    group = parser.add_argument_group("many photos")
    group.add_argument(
        "--workers",
        type=whole_number(),
        metavar="N",
        help=f"processes (default: one per core from {MANY} photos on); needs facehub[bulk]",
    )
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        help='work in a Ray cluster, such as "host:6379", instead of processes here ("local" '
        "starts one); needs facehub[ray]",
    )
    group.add_argument(
        "--parts",
        type=Path,
        metavar="FOLDER",
        help="where finished work is kept: after an interruption the same command resumes; "
        f"removed at the end (default: beside the output, *{PARTS_SUFFIX})",
    )


@contextmanager
def embedded_photos(
    pictures: Sequence[Picture],
    recognizer: FaceRecognizer,
    args: argparse.Namespace,
    *,
    search: Search,
    policy: FacePolicy | None = None,
    output: Path | None = None,
) -> Iterator[tuple[Iterator[EmbeddedPhoto], bool]]:
    """Find and embed the faces of many photos, with progress on standard error.

    Args:
        pictures: the photos.
        recognizer: embeds them in this process; other processes load the same weights.
        args: the command line.
        search: see `FaceDetector.find`.
        policy: which face each photo is about; None for all.
        output: file beside which finished work is kept, if there is one.

    Yields:
        The photos, in order; and whether other processes have finished all of them.
    """
    config = StageConfig(
        recognizer.fingerprint,
        args.weights,
        args.device,
        getattr(recognizer.embedder, "precision", "auto").replace("file", "auto"),
        search,
        policy,
    )
    workers = args.workers
    from_stdin = any(picture.path == STDIN for picture in pictures)
    if from_stdin and (workers or args.ray or args.parts):
        raise UsageError(
            f"{STDIN} is read by this process alone: leave out --workers, --ray and --parts.",
            args.command,
        )
    many = args.parts or (len(pictures) >= MANY and find_spec("pyarrow"))
    if workers is None and many and not from_stdin:
        workers = default_threads()
    if workers is None and args.ray is None:
        outcomes = config.stage(recognizer)(picture.read for picture in pictures)
        tracked = progress(outcomes, len(pictures), args)
        photos = (EmbeddedPhoto.of(p.path, o) for p, o in zip(pictures, tracked, strict=True))
        yield _warn_of_crowds(photos), False
        return
    from facehub.bulk.run import embed_photos  # slow to import, and not needed for a few photos

    engine = _engine(args, workers)
    with (
        _parts(args.parts, output) as folder,
        embed_photos(pictures, config, folder, engine, _Progress(args)) as finished,
    ):
        yield _warn_of_crowds(finished), True


def _warn_of_crowds(photos: Iterable[EmbeddedPhoto]) -> Iterator[EmbeddedPhoto]:
    """Pass photos on; name on standard error those of which not all faces were searched."""
    for photo in photos:
        if photo.faces and QualityIssue.TOO_MANY_FACES in photo.faces[0].issues:
            warning = ADVICE[QualityIssue.TOO_MANY_FACES]
            print(line(f"warning: {photo.path}: {warning}"), file=sys.stderr)
        yield photo


def _engine(args: argparse.Namespace, workers: int | None) -> Engine:
    if args.ray is not None:
        from facehub.bulk.on_ray import run_shards_on_ray

        return functools.partial(run_shards_on_ray, address=args.ray, workers=args.workers)
    from facehub.bulk.pool import run_shards

    return functools.partial(run_shards, workers=workers or 1)


@contextmanager
def _parts(given: Path | None, output: Path | None) -> Iterator[Path]:
    """The folder for finished shards; after an error, name it if it keeps any."""
    if given is None and output is None:
        for left in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY}*"):  # of killed processes
            remove_unheld(left)
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY) as temporary:
            yield Path(temporary)
        return
    folder = given or Path(f"{output}{PARTS_SUFFIX}")
    try:
        yield folder
    except BaseException:
        kept = len(list(folder.glob("*.parquet"))) if os.path.isdir(folder) else 0
        if kept:
            print(
                line(
                    f"{folder} keeps finished work (embeddings: biometric data); run the same "
                    "command to resume, or remove the folder"
                ),
                file=sys.stderr,
            )
        raise


class _Progress:
    """Show rate and time left: a bar on a terminal, else one line a minute."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._quiet = args.json
        self._bar: tqdm[None] | None = None
        self._total = self._there = 0
        self._start = self._said = time.monotonic()

    def begin(self, total: int, there: int) -> None:
        self._total, self._there = total, there
        self._start = self._said = time.monotonic()
        if self._quiet:
            return
        if there:
            print(f"already finished: {there:,} of {total:,}", file=sys.stderr)
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=there, unit="photo", smoothing=0.05)

    def report(self, done: int) -> None:
        if self._bar is not None:
            self._bar.update(self._there + done - self._bar.n)
        elif not self._quiet and time.monotonic() - self._said >= _EVERY and done:
            self._said = time.monotonic()
            print(self._line(done), file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def _line(self, done: int) -> str:
        rate = done / (time.monotonic() - self._start)
        seconds = (self._total - self._there - done) / rate
        left = timedelta(seconds=round(seconds))
        return f"{self._there + done:,} of {self._total:,} photos, {rate:.1f} a second, {left} left"
