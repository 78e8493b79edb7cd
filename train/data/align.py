"""Align a raw data set with the library's own aligner, on all cores."""

from __future__ import annotations

import csv
import io
import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path, PurePosixPath

from PIL import Image
from tqdm import tqdm

from facehub.detect.base import FaceDetector
from facehub.detect.mediapipe import MediaPipeDetector
from facehub.errors import ImageError, NoFaceError
from facehub.io.files import write_atomically
from facehub.io.sources import Source, empty_identities, open_source, read_picture
from facehub.rotated import align_faces
from facehub.select import select_face
from facehub.template import DEFAULT_TEMPLATE, AlignmentTemplate

FAILURES = "failures.csv"
QUALITY = 95  # of the WebP files
_CHUNK = 64
_NO_FACE = "no face"


@dataclass(frozen=True)
class _Worker:
    """State of a worker process."""

    pictures: Source
    detector: FaceDetector
    target: Path
    template: AlignmentTemplate


_worker: _Worker | None = None  # set in worker processes


def align(
    source: Path,
    target: Path,
    workers: int | None = None,
    template: AlignmentTemplate = DEFAULT_TEMPLATE,
) -> dict[str, int]:
    """Write `target/IDENTITY/IMAGE.webp` for every picture; an interrupted call can be resumed.

    Of several faces, the one nearest the centre is used. `target/failures.csv` lists failed and
    skipped pictures with the reason; the next call retries failed ones.

    Args:
        source: folder, zip or RecordIO, see `open_source`.
        target: folder to create.
        workers: number of processes; None: one per core.
        template: positions of the landmarks in the crop.

    Returns:
        Counts: aligned, already_there, no_face, unreadable, ignored (by name; and empty folders),
        empty (identities without a picture).
    """
    pictures = open_source(source)
    target.mkdir(parents=True, exist_ok=True)
    outputs = _outputs(pictures.names)
    missing = [pair for pair in outputs.items() if not (target / pair[1]).exists()]
    chunks = [missing[i : i + _CHUNK] for i in range(0, len(missing), _CHUNK)]
    failures: list[tuple[str, str]] = []
    with (
        ProcessPoolExecutor(
            workers or os.cpu_count(),
            multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(source, target, template),
        ) as pool,
        tqdm(total=len(missing), unit="img") as progress,
    ):
        for failed, count in pool.map(_align_chunk, chunks):
            failures += failed
            progress.update(count)
    empty = empty_identities(pictures, outputs.keys() - dict(failures).keys())
    left_out = {**pictures.ignored, **empty}
    text = io.StringIO()
    csv.writer(text).writerows([("picture", "reason"), *failures, *left_out.items()])
    write_atomically(target / FAILURES, text.getvalue().encode())
    no_face = sum(reason == _NO_FACE for _, reason in failures)
    return {
        "aligned": len(missing) - len(failures),
        "already_there": len(outputs) - len(missing),
        "no_face": no_face,
        "unreadable": len(failures) - no_face,
        "ignored": len(pictures.ignored),
        "empty": len(empty),
    }


def read_failures(target: Path) -> dict[str, str]:
    """What `align` left out, with the reasons; "IDENTITY/" for one without a picture."""
    with (target / FAILURES).open(encoding="utf-8", newline="") as file:
        return {row["picture"]: row["reason"] for row in csv.DictReader(file)}


def _start_worker(source: Path, target: Path, template: AlignmentTemplate) -> None:
    global _worker
    _worker = _Worker(open_source(source), MediaPipeDetector(), target, template)
    Finalize(None, _worker.detector.close, exitpriority=0)  # when the process ends


def _align_chunk(pairs: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], int]:
    """Align (picture, output file) pairs; return failures with reasons, and the number of pairs."""
    assert _worker is not None
    failures = []
    for name, output in pairs:
        try:
            crop = _central_crop(_worker, name)
        except ImageError as error:
            failures.append((name, str(error)))
        except NoFaceError:
            failures.append((name, _NO_FACE))
        else:
            path = _worker.target / output
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, crop)
    return failures, len(pairs)


def _central_crop(worker: _Worker, name: str) -> bytes:
    """Align the face nearest the centre, and encode it as WebP."""
    image = read_picture(worker.pictures, name)
    faces = align_faces(image, worker.detector, template=worker.template)
    crop = faces[select_face(faces, image.shape, "central")].crop
    buffer = io.BytesIO()
    Image.fromarray(crop).save(buffer, "WEBP", quality=QUALITY)
    return buffer.getvalue()


def _outputs(names: list[str]) -> dict[str, str]:
    """The output file of each picture: 1.webp, or 1.jpg.webp if there is also a 1.png."""
    stems = {name: str(PurePosixPath(name).with_suffix("")) for name in names}
    count = Counter(stems.values())
    return {name: f"{stem if count[stem] == 1 else name}.webp" for name, stem in stems.items()}
