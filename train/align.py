"""Align a raw data set with the library's own aligner, on all cores."""

from __future__ import annotations

import csv
import io
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from facehub.alignment import align_faces, central_face
from facehub.errors import ImageError
from facehub.files import write_atomically
from facehub.images import load_image
from train.sources import Source, open_source

FAILURES = "failures.csv"
QUALITY = 95  # of the WebP files
_CHUNK = 64

_source: Source | None = None  # of a worker process


def align(source: Path, target: Path, workers: int | None = None) -> dict[str, int]:
    """Write `target/IDENTITY/IMAGE.webp` for every picture; goes on where it was interrupted.

    Of several faces the one nearest the middle is taken. What failed is listed, with the reason, in
    `target/failures.csv`, and tried again by the next call.

    Args:
        source: folder, zip or RecordIO, see `open_source`.
        target: folder to make.
        workers: processes; None for one per core.

    Returns:
        Counts: aligned, already_there, no_face, unreadable.
    """
    names = open_source(source).names
    target.mkdir(parents=True, exist_ok=True)
    missing = [name for name in names if not _output(target, name).exists()]
    chunks = [missing[i : i + _CHUNK] for i in range(0, len(missing), _CHUNK)]
    failures: list[tuple[str, str]] = []
    with (
        ProcessPoolExecutor(
            workers or os.cpu_count(),
            multiprocessing.get_context("spawn"),
            initializer=_open,
            initargs=(source,),
        ) as pool,
        tqdm(total=len(missing), unit="img") as progress,
    ):
        for failed, count in pool.map(_align_chunk, chunks, [target] * len(chunks)):
            failures += failed
            progress.update(count)
    text = io.StringIO()
    csv.writer(text).writerows([("picture", "reason"), *failures])
    write_atomically(target / FAILURES, text.getvalue().encode())
    no_face = sum(reason == "no face" for _, reason in failures)
    return {
        "aligned": len(missing) - len(failures),
        "already_there": len(names) - len(missing),
        "no_face": no_face,
        "unreadable": len(failures) - no_face,
    }


def _open(path: Path) -> None:
    global _source
    _source = open_source(path)


def _align_chunk(names: list[str], target: Path) -> tuple[list[tuple[str, str]], int]:
    assert _source is not None
    failures = []
    for name in names:
        try:
            image = load_image(_source.read(name))
        except ImageError as error:
            failures.append((name, str(error)))
            continue
        faces = align_faces(image)
        if not faces:
            failures.append((name, "no face"))
            continue
        buffer = io.BytesIO()
        Image.fromarray(central_face(faces, image.shape).crop).save(buffer, "WEBP", quality=QUALITY)
        output = _output(target, name)
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, buffer.getvalue())
    return failures, len(names)


def _output(target: Path, name: str) -> Path:
    return target / Path(name).with_suffix(".webp")
