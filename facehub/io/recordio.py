"""Read InsightFace's RecordIO data sets: `train.rec`, written by MXNet."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from facehub.errors import ArchiveError, ImageDecodeError

_MAGIC = 0xCED7230A
_HEADER = struct.Struct("<IfQQ")  # flag, label, id, id2


class RecordSource:
    """The pictures of a `train.rec`, named "LABEL/RECORD NUMBER".

    The `property` file is not needed; `train.idx`, if there is one, must agree. Records without a
    payload are skipped: record 0 (first or last in the file), which describes the data set, and
    those that describe identities. Zeros after the last record are skipped if the index confirms
    that no record is missing.

    Args:
        path: the `.rec` file.

    Raises:
        ArchiveError: the file cannot be read, or is damaged; the message says at which record and
            byte.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offsets: dict[str, int] = {}
        self.ignored: dict[str, str] = {}
        try:
            self._read_records(path, _read_index(path.with_suffix(".idx")))
        except OSError as error:
            raise ArchiveError(f"{path} cannot be read: {error.strerror or error}.") from error
        self.names = sorted(self.offsets)

    def _read_records(self, path: Path, index: dict[int, str]) -> None:
        has_index = bool(index)
        with path.open("rb") as file:
            size = path.stat().st_size
            start = count = 0
            while start < size:
                try:
                    end = self._read_record(file, start, size)
                except ArchiveError as error:
                    reason = str(error)
                    if _is_zeros(file, start):
                        if has_index and not index:
                            self.ignored[f"byte {start}"] = "zeros behind the last record"
                            return
                        reason = f"only zeros; if that is padding: truncate -s {start} {path}"
                    where = f"{path} is damaged at its record {count + 1}, byte {start}"
                    raise ArchiveError(f"{where}: {reason}.") from error
                if has_index and index.pop(start, None) is None:
                    raise _wrong_index(path, start, "lists none, but there is one")
                start, count = end, count + 1
        if index:
            raise _wrong_index(path, min(index), f"lists record {index[min(index)]}")

    def _read_record(self, file: BinaryIO, start: int, size: int) -> int:
        """Register one record; return the offset of the next."""
        end = self._skip(file, start, size)
        file.seek(start + 8)
        labels, number, payload = _label(file.read(64))
        if not len(labels) or not float(labels[0]).is_integer():
            label = f"the label {labels[0]}" if len(labels) else "no label"
            raise ArchiveError(f"{label} instead of a whole number")
        name = f"{int(labels[0]):07d}/{number:08d}"
        if name in self.offsets:
            name += f"-{start}"
        if end - start - 8 > payload:
            self.offsets[name] = start
        elif len(labels) == 1:  # a record with several labels describes the data set or an identity
            self.ignored[name] = "a record without a picture"
        return end

    def read(self, name: str) -> bytes:
        """Read one encoded picture.

        Raises:
            ImageDecodeError: the record cannot be read.
        """
        try:
            return self._read(name)
        except (OSError, ArchiveError) as error:
            raise ImageDecodeError(f"The record cannot be read: {error}") from error

    def _read(self, name: str) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offsets[name])
            parts = []
            while True:
                kind, length = _frame(file.read(8))
                parts.append(file.read(length))
                file.seek(-length % 4, 1)
                if kind in (0, 3):  # whole, or the last part
                    break
        # The format splits a record wherever its data holds the magic number, and drops the number.
        data = struct.pack("<I", _MAGIC).join(parts)
        return data[_label(data)[2] :]

    def _skip(self, file: BinaryIO, offset: int, size: int) -> int:
        """Return the offset of the next record."""
        while True:
            file.seek(offset)
            kind, length = _frame(file.read(8))
            offset += 8 + length + (-length % 4)
            if offset > size + 3:
                raise ArchiveError("the file ends within it")
            if kind in (0, 3):
                return offset


def _frame(head: bytes) -> tuple[int, int]:
    """Parse (kind, length); kinds: 0 whole record, 1 first part, 2 middle part, 3 last part."""
    if len(head) < 8:
        raise ArchiveError("the file ends within it")
    magic, word = struct.unpack("<II", head)
    if magic != _MAGIC:
        raise ArchiveError("it does not start with RecordIO's magic number")
    return word >> 29, word & (1 << 29) - 1


def _label(data: bytes) -> tuple[np.ndarray, int, int]:
    """Parse (labels, record number, offset of the payload)."""
    if len(data) < _HEADER.size:
        raise ArchiveError("it is shorter than its header")
    flag, label, number, _ = _HEADER.unpack_from(data)
    start = _HEADER.size
    if flag == 0:
        return np.array([label]), number, start
    count = min(flag, (len(data) - start) // 4)
    return np.frombuffer(data, "<f4", count, start), number, start + 4 * flag


def _wrong_index(path: Path, offset: int, what: str) -> ArchiveError:
    return ArchiveError(
        f"{path.with_suffix('.idx')} does not belong to {path}: at byte {offset} it {what}. "
        "Remove the index to read without it."
    )


def _is_zeros(file: BinaryIO, offset: int) -> bool:
    """Whether the rest of the file holds only zeros."""
    file.seek(offset)
    while block := file.read(1 << 20):
        if any(block):
            return False
    return True


def _read_index(path: Path) -> dict[int, str]:
    """Read {byte offset: record number}; empty if there is no index."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise ArchiveError(f"{path} is not a text file.") from error
    index = {}
    for number, line in enumerate(text.splitlines(), 1):
        match line.split():
            case [record, offset] if offset.isdecimal():
                index[int(offset)] = record
            case [_, *_]:
                raise ArchiveError(
                    f"{path}, line {number}: expected a record number and an offset: {line!r:.80}"
                )
    return index
