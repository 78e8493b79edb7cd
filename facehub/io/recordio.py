"""InsightFace's RecordIO: `train.rec`, as MXNet wrote it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from facehub.errors import ArchiveError, ImageDecodeError

_MAGIC = 0xCED7230A
_HEADER = struct.Struct("<IfQQ")  # flag, label, id, id2


class RecordSource:
    """A `train.rec`; `train.idx` and `property` are not needed.

    Records without a payload are left out: number 0, first or last, which describes the data set,
    and those that describe identities. Names are made: the label, and the record's number.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offsets: dict[str, int] = {}
        self.ignored: dict[str, str] = {}
        try:
            self._read_index(path)
        except OSError as error:
            raise ArchiveError(f"{path} cannot be read: {error.strerror or error}.") from error
        except (ValueError, OverflowError, IndexError) as error:  # a label that is no number
            raise ArchiveError(f"{path} is damaged: a record has no label.") from error
        self.names = sorted(self.offsets)

    def _read_index(self, path: Path) -> None:
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

    def read(self, name: str) -> bytes:
        """The encoded picture."""
        try:
            return self._read(name)
        except (OSError, ArchiveError) as error:
            raise ImageDecodeError(f"The record cannot be read: {error}") from error

    def _read(self, name: str) -> bytes:
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
                raise ArchiveError(f"{self.path} is damaged: its last record is cut short")
            if kind in (0, 3):
                return offset


def _frame(head: bytes, path: Path) -> tuple[int, int]:
    """(kind, length) of a part: 0 a whole record, 1 its first part, 2 a middle one, 3 the last."""
    if len(head) < 8:
        raise ArchiveError(f"{path} is damaged: its last record is cut short")
    magic, word = struct.unpack("<II", head)
    if magic != _MAGIC:
        raise ArchiveError(f"{path} is damaged or not a RecordIO file")
    return word >> 29, word & (1 << 29) - 1


def _label(data: bytes, path: Path) -> tuple[np.ndarray, int, int]:
    """(labels, record number, where the payload starts)."""
    if len(data) < _HEADER.size:
        raise ArchiveError(f"{path} is damaged: a record is shorter than its head")
    flag, label, number, _ = _HEADER.unpack_from(data)
    start = _HEADER.size
    if flag == 0:
        return np.array([label]), number, start
    count = min(flag, (len(data) - start) // 4)
    return np.frombuffer(data, "<f4", count, start), number, start + 4 * flag
