"""Shards: the results of a run of photos, in a Parquet file that is written atomically.

A shard's name identifies its photos and how they were embedded. So a resumed run finds its finished
shards, and never those of other photos or weights.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facehub import errors
from facehub.bulk.stage import EmbeddedPhoto, Outcome
from facehub.errors import FaceHubError
from facehub.io.files import remove_parts, write_atomically
from facehub.io.remote import is_address
from facehub.io.sources import Picture
from facehub.results import EmbeddedFace, Face, QualityIssue

SHARD_SIZE = 256  # photos: some 20 seconds of one core
_NAME = re.compile(r"\d{6}-[0-9a-f]{32}\.parquet")


@dataclass(frozen=True)
class Shard:
    """A run of photos that are processed together.

    Attributes:
        file: name of its output file.
        pictures: the photos.
    """

    file: str
    pictures: Sequence[Picture]


def plan_shards(pictures: Sequence[Picture], key: str, size: int = SHARD_SIZE) -> list[Shard]:
    """Divide photos into shards.

    Args:
        pictures: in the order of the results.
        key: how they are embedded, see `StageConfig.key`.
        size: number of photos per shard.
    """
    return [
        _shard(number, pictures[start : start + size], key)
        for number, start in enumerate(range(0, len(pictures), size))
    ]


def _shard(number: int, pictures: Sequence[Picture], key: str) -> Shard:
    digest = hashlib.sha256(key.encode())
    for picture in pictures:
        path = picture.path if is_address(picture.path) else os.path.abspath(picture.path)
        digest.update(b"\0" + os.fsencode(path))
    return Shard(f"{number:06d}-{digest.hexdigest()[:32]}.parquet", pictures)


def remove_shards(folder: Path) -> None:
    """Remove all shards, including unfinished ones of killed processes."""
    remove_parts(folder)
    for path in folder.iterdir():
        if _NAME.fullmatch(path.name):
            path.unlink(missing_ok=True)


def write_shard(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write a shard atomically, readable by its owner only.

    Args:
        path: the file.
        outcomes: outcome of each photo, in order.

    Raises:
        OSError: the file cannot be written.
    """
    write_atomically(path, shard_bytes(outcomes), private=True)


def shard_bytes(outcomes: Sequence[Outcome]) -> bytes:
    """Serialise a shard's outcomes to Parquet."""
    pa, pq = arrow()
    rows: list[dict[str, Any]] = []
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, FaceHubError):
            rows.append({"photo": number, "error": type(outcome).__name__, "message": str(outcome)})
        elif outcome:
            rows += [{"photo": number, **_face_row(face)} for face in outcome]
        else:
            rows.append({"photo": number})
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, _schema(pa)), buffer, compression="zstd")
    return buffer.getvalue()


def is_finished(path: Path) -> bool:
    """Whether a shard exists and is complete."""
    pa, pq = arrow()
    try:
        pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return False
    return True


def read_shard(path: Path, shard: Shard) -> Iterator[EmbeddedPhoto]:
    """Read the photos of a shard, in order. Their faces have no crop and no landmarks.

    Raises:
        OSError: the file cannot be read.
    """
    _, pq = arrow()
    faces: dict[int, list[EmbeddedFace]] = {}
    failures: dict[int, FaceHubError] = {}
    for row in pq.read_table(io.BytesIO(path.read_bytes())).to_pylist():
        if row["error"] is not None:
            failures[row["photo"]] = getattr(errors, row["error"])(row["message"])
        elif row["embedding"] is not None:
            faces.setdefault(row["photo"], []).append(_face(row))
    for number, picture in enumerate(shard.pictures):
        yield EmbeddedPhoto(picture.path, faces.get(number, ()), failures.get(number))


def arrow() -> tuple[Any, Any]:
    """The modules `pyarrow` and `pyarrow.parquet`.

    Raises:
        FaceHubError: they are not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise FaceHubError(
            "Several processes and Parquet files need pyarrow: pip install 'facehub[bulk]'."
        ) from error
    return pyarrow, pyarrow.parquet


def _schema(pa: Any) -> Any:
    numbers = ("inter_eye", "yaw", "pitch", "roll")
    return pa.schema(
        [
            ("photo", pa.int32()),  # number in the shard
            ("embedding", pa.binary()),  # float32, little endian
            ("box", pa.list_(pa.float64())),
            ("pupils", pa.list_(pa.float32())),
            ("matrix", pa.list_(pa.float32())),
            *((name, pa.float64()) for name in numbers),
            ("issues", pa.list_(pa.string())),
            ("error", pa.string()),
            ("message", pa.string()),
        ]
    )


def _face_row(embedded: EmbeddedFace) -> dict[str, Any]:
    face = embedded.face
    return {
        "embedding": embedded.embedding.astype("<f4").tobytes(),
        "box": face.box,
        "pupils": face.pupils.ravel().tolist(),
        "matrix": face.matrix.ravel().tolist(),
        "inter_eye": face.inter_eye,
        "yaw": face.yaw,
        "pitch": face.pitch,
        "roll": face.roll,
        "issues": [issue.value for issue in embedded.issues],
    }


def _face(row: dict[str, Any]) -> EmbeddedFace:
    x0, y0, x1, y1 = row["box"]
    face = Face(
        crop=np.empty((0, 0, 3), np.uint8),
        box=(x0, y0, x1, y1),
        pupils=np.array(row["pupils"], np.float32).reshape(2, 2),
        inter_eye=row["inter_eye"],
        yaw=row["yaw"],
        pitch=row["pitch"],
        roll=row["roll"],
        matrix=np.array(row["matrix"], np.float32).reshape(2, 3),
        landmarks=np.empty((0, 2), np.float32),
    )
    embedding = np.frombuffer(row["embedding"], "<f4").astype(np.float32)
    return EmbeddedFace(face, embedding, tuple(map(QualityIssue, row["issues"])))
