"""What `facehub embed` does."""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np

from facehub.bulk.stage import EmbeddedPhoto
from facehub.bulk.table import (
    ERROR,
    GEOMETRY,
    PHOTO,
    Column,
    Row,
    TableWriter,
    open_table,
)
from facehub.cli.bulk import embedded_photos
from facehub.cli.faces import check_folder, load_recognizer
from facehub.cli.output import counted, failures_json, line, print_json, report_failures
from facehub.cli.photos import find_photos
from facehub.errors import FaceHubError
from facehub.io.files import write_atomically
from facehub.pipeline import FaceRecognizer

NPZ = ".npz"


def run_embed(args: argparse.Namespace) -> int:
    """`facehub embed`."""
    check_folder(args.output)
    photos = find_photos(args.photos)
    photos.report_ignored(args)
    recognizer = load_recognizer(args)
    failures = list(photos.failures)
    faces = without = done = 0
    with ExitStack() as stack:
        embedded, _ = stack.enter_context(
            embedded_photos(
                photos.pictures, recognizer, args, search="thorough", output=args.output
            )
        )
        table = stack.enter_context(_table(args.output, recognizer))
        for photo in embedded:
            table.write(_rows(photo))
            faces += len(photo.faces)
            if photo.error is not None:
                failures.append((photo.path, photo.error))
                continue
            done += 1
            without += not photo.faces
        if done:  # else keep an existing file
            try:
                table.commit()
            except OSError as error:
                raise FaceHubError(f"{args.output} cannot be written: {error.strerror}.") from error
    if args.json:
        print_json(
            output=str(args.output),
            photos=len(photos.pictures),
            faces=faces,
            without_face=without,
            failed=failures_json(failures),
            ignored=photos.ignored_json(),
        )
    else:
        read = counted(len(photos.pictures), "photo")
        print(f"{counted(faces, 'face')} from {read} ({without} without a face)")
        if done:
            print(line(f"{args.output}: embeddings are biometric data; guard it like the photos"))
    return report_failures(failures, done=done, incomplete=photos.incomplete)


def _table(output: Path, recognizer: FaceRecognizer) -> TableWriter:
    size, fingerprint = recognizer.spec.embedding_size, recognizer.fingerprint
    if output.suffix.lower() == NPZ:
        return _NpzWriter(output, size, fingerprint)
    embedding = Column("embedding", "numbers", tuple(f"embedding_{i}" for i in range(size)))
    columns = (*PHOTO, *GEOMETRY, embedding, *ERROR)
    return open_table(output, columns, {"fingerprint": fingerprint})


def _rows(photo: EmbeddedPhoto) -> Iterator[Row]:
    """One row for each face; one row for a photo without a face or with an error."""
    if photo.error is not None:
        error = type(photo.error).__name__
        yield {"photo": photo.path, "error": error, "message": str(photo.error)}
    elif not photo.faces:
        yield {"photo": photo.path}
    for number, face in enumerate(photo.faces, 1):
        place = {"photo": photo.path, "face": number}
        yield {**place, **face.to_dict(), "box": face.face.box, "embedding": face.embedding}


class _NpzWriter:
    """Writes an .npz file with the arrays `names`, `boxes`, `embeddings` and `fingerprint`."""

    def __init__(self, path: Path, size: int, fingerprint: str) -> None:
        self._path, self._size, self._fingerprint = path, size, fingerprint
        self._names: list[str] = []
        self._boxes: list[tuple[float, ...]] = []
        self._embeddings: list[np.ndarray] = []

    def write(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if row.get("embedding") is not None:
                self._names.append(row["photo"])
                self._boxes.append(row["box"])
                self._embeddings.append(row["embedding"])

    def commit(self) -> None:
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            names=np.array(self._names, dtype=str),
            boxes=np.array(self._boxes, np.float32).reshape(-1, 4),
            embeddings=np.array(self._embeddings, np.float32).reshape(-1, self._size),
            fingerprint=np.array(self._fingerprint),
        )
        write_atomically(self._path, buffer.getvalue(), private=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...
