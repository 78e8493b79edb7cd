"""Write tables of results as CSV, JSON lines or Parquet: atomically, readable by the owner only."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from facehub.bulk.shards import arrow
from facehub.errors import FaceHubError
from facehub.io.files import AtomicFile

SUFFIXES = (".csv", ".jsonl", ".parquet")
_ROW_GROUP = 4096  # rows per Parquet row group

Row = Mapping[str, Any]
Kind = Literal["text", "integer", "number", "numbers", "words", "candidates"]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: key in JSON lines, name in Parquet.
        kind: type of values other than None. "numbers" is a float32 array or a list of floats,
            "words" a list of strings, "candidates" a list of `Candidate.to_dict()`.
        parts: for "numbers", the CSV columns that it is split into.
    """

    name: str
    kind: Kind
    parts: tuple[str, ...] = ()


PHOTO = (Column("photo", "text"), Column("face", "integer"))
GEOMETRY = (
    Column("box", "numbers", ("box_x0", "box_y0", "box_x1", "box_y1")),
    *(Column(name, "number") for name in ("inter_eye", "yaw", "pitch", "roll")),
    Column("issues", "words"),
)
ERROR = (Column("error", "text"), Column("message", "text"))


class TableWriter(Protocol):
    """Writes rows; the file appears with `commit`."""

    def write(self, rows: Iterable[Row]) -> None:
        """Add rows; a missing key is None."""

    def commit(self) -> None:
        """Move the file into place."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_table(
    path: Path, columns: Sequence[Column], metadata: Mapping[str, str] | None = None
) -> TableWriter:
    """Open a table for writing.

    Args:
        path: `.csv`, `.jsonl` or `.parquet`; its folder must exist.
        columns: columns of the table.
        metadata: stored in the schema of a Parquet file; ignored in other formats.

    Raises:
        FaceHubError: the suffix is unknown, the file cannot be written, or pyarrow is missing.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        known = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise FaceHubError(f"{path} must end with {known}.")
    if suffix == ".parquet":
        arrow()
    try:
        file = AtomicFile(path, private=True)
    except OSError as error:
        raise FaceHubError(f"{path} cannot be written: {error.strerror or error}.") from error
    if suffix == ".parquet":
        return _ParquetWriter(file, columns, metadata or {})
    return _CsvWriter(file, columns) if suffix == ".csv" else _JsonWriter(file, columns)


class _Writer:
    def __init__(self, file: AtomicFile, columns: Sequence[Column]) -> None:
        self._file, self._columns = file, columns

    def write(self, rows: Iterable[Row]) -> None:
        raise NotImplementedError

    def commit(self) -> None:
        self._file.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.__exit__()


class _JsonWriter(_Writer):
    """One JSON object per line."""

    def write(self, rows: Iterable[Row]) -> None:
        for row in rows:
            values = {c.name: _plain(c, row.get(c.name)) for c in self._columns}
            self._file.file.write(json.dumps(values).encode() + b"\n")


class _CsvWriter(_Writer):
    """UTF-8 with a header. Words are separated by spaces, candidates are JSON."""

    def __init__(self, file: AtomicFile, columns: Sequence[Column]) -> None:
        super().__init__(file, columns)
        self._text = io.TextIOWrapper(file.file, "utf-8", newline="", write_through=True)
        self._csv = csv.writer(self._text)
        self._csv.writerow(part for c in columns for part in c.parts or (c.name,))

    def write(self, rows: Iterable[Row]) -> None:
        for row in rows:
            cells: list[Any] = []
            for column in self._columns:
                value = _plain(column, row.get(column.name))
                if column.parts:
                    cells += [None] * len(column.parts) if value is None else value
                elif value is None or column.kind in ("integer", "number"):
                    cells.append(value)
                elif column.kind == "words":
                    cells.append(" ".join(value))
                elif column.kind == "candidates":
                    cells.append(json.dumps(value))
                else:
                    cells.append(_utf8(value))
            self._csv.writerow(cells)

    def commit(self) -> None:
        self._text.flush()
        super().commit()


class _ParquetWriter(_Writer):
    def __init__(
        self, file: AtomicFile, columns: Sequence[Column], metadata: Mapping[str, str]
    ) -> None:
        super().__init__(file, columns)
        self._pa, parquet = arrow()
        fields = [(column.name, self._type(column)) for column in columns]
        self._schema = self._pa.schema(
            fields, metadata={f"facehub.{k}": v for k, v in metadata.items()}
        )
        self._parquet = parquet.ParquetWriter(file.file, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def _type(self, column: Column) -> Any:
        pa = self._pa
        candidate = [("name", pa.string()), ("similarity", pa.float64())]
        candidate += [("example", pa.int32()), ("source", pa.string())]
        candidate += [("fpir", pa.float64()), ("extrapolated", pa.bool_())]
        return {
            "text": pa.string(),
            "integer": pa.int32(),
            "number": pa.float64(),
            "numbers": pa.list_(pa.float32(), len(column.parts) or -1),
            "words": pa.list_(pa.string()),
            "candidates": pa.list_(pa.struct(candidate)),
        }[column.kind]

    def write(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._rows.append({c.name: self._value(c, row.get(c.name)) for c in self._columns})
            if len(self._rows) >= _ROW_GROUP:
                self._flush()

    def commit(self) -> None:
        self._flush()
        self._parquet.close()
        super().commit()

    def __exit__(self, *_: object) -> None:
        self._parquet.close()
        super().__exit__()

    def _flush(self) -> None:
        if self._rows:
            self._parquet.write_table(self._pa.Table.from_pylist(self._rows, self._schema))
            self._rows = []

    @staticmethod
    def _value(column: Column, value: Any) -> Any:
        if column.kind == "text" and value is not None:
            return _utf8(value)
        return value


def _plain(column: Column, value: Any) -> Any:
    """Convert to Python numbers; nine digits reproduce a float32 exactly."""
    if value is None or column.kind != "numbers":
        return value
    return [float(f"{number:.9g}") for number in value]


def _utf8(text: str) -> str:
    """Escape surrogates: file names may hold bytes that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
