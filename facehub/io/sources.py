"""Data sets as people have them: a folder, a zip, or InsightFace RecordIO; a picture at a time."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

import numpy as np

from facehub.errors import ImageDecodeError
from facehub.io.images import SUFFIXES, load_image

_MAGIC = 0xCED7230A
_HEADER = struct.Struct("<IfQQ")  # flag, label, id, id2


class Source(Protocol):
    """A labelled data set.

    Attributes:
        names: "IDENTITY/IMAGE" of every picture, sorted.
        ignored: why, for each picture outside a sub-folder, other file in one, and empty folder.
    """

    names: list[str]
    ignored: dict[str, str]

    def read(self, name: str) -> bytes:
        """The encoded picture."""
        ...


def open_source(path: Path) -> Source:
    """Open a folder or zip with one sub-folder per identity, or a folder or file of RecordIO.

    Args:
        path: folder, `.zip`, `train.rec`, or a folder that holds `train.rec`.

    Raises:
        ValueError: it is none of these, is damaged, or holds no picture.
    """
    source: Source
    if path.suffix == ".rec" or (path / "train.rec").is_file():
        source = RecordSource(path if path.suffix == ".rec" else path / "train.rec")
    elif path.is_dir():
        source = FolderSource(path)
    elif zipfile.is_zipfile(path):
        source = ZipSource(path)
    else:
        raise ValueError(f"{path} is not a folder, a zip or a RecordIO data set")
    if not source.names:
        raise ValueError(f"{path} holds no picture in a sub-folder")
    return source


def read_picture(source: Source, name: str) -> np.ndarray:
    """Decode a picture: uint8 (H, W, 3), RGB.

    Raises:
        ImageError: it cannot be read or decoded.
    """
    try:
        data = source.read(name)
    except Exception as error:  # a damaged archive makes zipfile raise almost anything
        raise ImageDecodeError(f"The picture cannot be read: {error}.") from error
    return load_image(data)


def identity_of(name: str) -> str:
    """The folder part of a picture's name."""
    return name.rpartition("/")[0]


def empty_identities(source: Source, kept: Iterable[str]) -> dict[str, str]:
    """Reasons for "IDENTITY/": those of which not one picture was kept."""
    everyone = {identity_of(name) for name in (*source.names, *source.ignored)} - {""}
    return {f"{i}/": "no picture left" for i in sorted(everyone - {identity_of(n) for n in kept})}


class FolderSource:
    """A folder with one sub-folder per identity."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names, self.ignored = _sort_out(
            path.relative_to(root).as_posix() + "/" * path.is_dir() for path in root.rglob("*")
        )

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()


class ZipSource:
    """A zip with one folder per identity."""

    def __init__(self, path: Path) -> None:
        self.archive = zipfile.ZipFile(path)
        self.names, self.ignored = _sort_out(self.archive.namelist())

    def read(self, name: str) -> bytes:
        return self.archive.read(name)


class RecordSource:
    """InsightFace's `train.rec`, as MXNet wrote it; `train.idx` and `property` are not needed.

    Records without a payload are left out: number 0, first or last, which describes the data set,
    and those that describe identities. Names are made: the label, and the record's number.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offsets: dict[str, int] = {}
        self.ignored: dict[str, str] = {}
        with path.open("rb") as file:
            size = path.stat().st_size
            offset = 0
            while offset < size:
                file.seek(offset)
                start, offset = offset, self._skip(file, offset, size)
                file.seek(start + 8)
                labels, number, payload = _label(file.read(64), path)
                name = f"{int(labels[0]):07d}/{number:08d}"
                if name in self.offsets:
                    name += f"-{start}"
                if offset - start - 8 > payload:
                    self.offsets[name] = start
                elif len(labels) == 1:  # several labels describe the data set or an identity
                    self.ignored[name] = "a record without a picture"
        self.names = sorted(self.offsets)

    def read(self, name: str) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offsets[name])
            parts = []
            while True:
                kind, length = _frame(file.read(8), self.path)
                parts.append(file.read(length))
                file.seek(-length % 4, 1)
                if kind in (0, 3):  # whole, or the last part
                    break
        # A record is split where its data holds the magic number, which is left out.
        data = struct.pack("<I", _MAGIC).join(parts)
        return data[_label(data, self.path)[2] :]

    def _skip(self, file: BinaryIO, offset: int, size: int) -> int:
        """Where the next record starts."""
        while True:
            file.seek(offset)
            kind, length = _frame(file.read(8), self.path)
            offset += 8 + length + (-length % 4)
            if offset > size + 3:
                raise ValueError(f"{self.path} is damaged: its last record is cut short")
            if kind in (0, 3):
                return offset


def _frame(head: bytes, path: Path) -> tuple[int, int]:
    """(kind, length) of a part: 0 a whole record, 1 its first part, 2 a middle one, 3 the last."""
    if len(head) < 8:
        raise ValueError(f"{path} is damaged: its last record is cut short")
    magic, word = struct.unpack("<II", head)
    if magic != _MAGIC:
        raise ValueError(f"{path} is damaged or not a RecordIO file")
    return word >> 29, word & (1 << 29) - 1


def _label(data: bytes, path: Path) -> tuple[np.ndarray, int, int]:
    """(labels, record number, where the payload starts)."""
    if len(data) < _HEADER.size:
        raise ValueError(f"{path} is damaged: a record is shorter than its head")
    flag, label, number, _ = _HEADER.unpack_from(data)
    start = _HEADER.size
    if flag == 0:
        return np.array([label]), number, start
    count = min(flag, (len(data) - start) // 4)
    return np.frombuffer(data, "<f4", count, start), number, start + 4 * flag


def _sort_out(entries: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """`names` and `ignored` of a `Source` from its files, and its folders, which end with "/"."""
    entries = sorted(set(entries))
    parents = {identity_of(entry.rstrip("/")) for entry in entries}
    parents |= {str(above) for parent in parents for above in PurePosixPath(parent).parents}
    names, ignored = [], {}
    for entry in entries:
        is_picture = PurePosixPath(entry).suffix.lower() in SUFFIXES
        if entry.endswith("/"):
            if entry[:-1] not in parents:
                ignored[entry] = "an empty folder"
        elif "/" in entry and is_picture:
            names.append(entry)
        elif "/" in entry:
            ignored[entry] = "not the name of a JPEG, PNG or WebP picture"
        elif is_picture:
            ignored[entry] = "not in a sub-folder"
    return names, ignored
