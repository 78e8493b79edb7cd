"""Attributes of pictures or people: CelebA's own file, or a CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facehub.io.formats import SUFFIXES
from train.evaluation.pairs_text import read_text

CELEBA_COLUMNS = ("Male", "Young", "Eyeglasses")  # the default if a file has all of them
MAX_VALUES = 20  # largest number of values of a column that is taken as categories by default
_SIGNS = {"-1": "no", "1": "yes"}


@dataclass(frozen=True, eq=False)
class Attributes:
    """Categories by name.

    Attributes:
        file: name of the file.
        columns: "Male", "skin_tone", ...
        rows: {picture without suffix, or person: one value per column}; "" for unknown.
    """

    file: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]

    def of(self, names: Sequence[str]) -> list[tuple[str, ...] | None]:
        """Look up the values of each picture; None if the file does not name it.

        The file may name pictures, with or without folder and suffix, or people, by the pictures'
        folders. The interpretation that finds most pictures is used. Names without folders are
        tried only if they are unique.

        Args:
            names: "IDENTITY/IMAGE.webp".

        Raises:
            ValueError: the file names none of the pictures.
        """
        stems = [_stem(name) for name in names]
        folders = [stem.rpartition("/")[0] for stem in stems]
        readings = [stems]
        for depth in (2, 1):
            ends = ["/".join(stem.split("/")[-depth:]) for stem in stems]
            if len(set(ends)) == len(set(stems)):
                readings.append(ends)
        readings += [folders, [folder.rpartition("/")[2] for folder in folders]]
        found = [[self.rows.get(key) for key in keys] for keys in readings]
        best = max(found, key=lambda values: sum(value is not None for value in values))
        if all(value is None for value in best):
            example = next(iter(self.rows))
            raise ValueError(
                f"{self.file} names none of the pictures nor their folders: its first name is "
                f"{example!r}, the first picture is {names[0]!r}"
            )
        return best


def read_attributes(path: Path, columns: Sequence[str] | None = None) -> Attributes:
    """Read CelebA's `list_attr_celeba.txt` or `.csv`, or another CSV.

    Args:
        path: a CSV with a header, separated by commas, semicolons or tabs; its first column names
            pictures or people. Columns of -1 and 1 become "no" and "yes".
        columns: columns to read; None: CelebA's Male, Young and Eyeglasses, or, in other files, all
            columns with at most `MAX_VALUES` different values.

    Raises:
        ValueError: the file is damaged, names something twice, or lacks the columns.
        OSError: the file cannot be read.
    """
    header, lines = _celeba(path) or _csv(path)
    if len(set(header)) < len(header):
        raise ValueError(f"{path} has two columns of one name")
    rows: dict[str, list[str]] = {}
    for number, line in lines:
        if len(line) != len(header) + 1:
            raise ValueError(
                f"{path}, line {number}: {len(line)} values for {len(header) + 1} columns"
            )
        key = _stem(line[0].strip())
        if key in rows:
            raise ValueError(f"{path}, line {number}: {line[0]!r} is there twice")
        rows[key] = [value.strip() for value in line[1:]]
    if not rows:
        raise ValueError(f"{path} holds no attributes")
    values = dict(zip(header, map(set, zip(*rows.values(), strict=True)), strict=True))
    chosen = _choose(values, columns, path)
    places = [header.index(column) for column in chosen]
    signs = [_SIGNS if values[column] <= _SIGNS.keys() else {} for column in chosen]
    return Attributes(
        path.name,
        tuple(chosen),
        {
            key: tuple(sign.get(row[i], row[i]) for i, sign in zip(places, signs, strict=True))
            for key, row in rows.items()
        },
    )


def _choose(
    values: dict[str, set[str]], columns: Sequence[str] | None, path: Path
) -> Sequence[str]:
    if columns:
        unknown = [column for column in columns if column not in values]
        if unknown:
            raise ValueError(f"{path} has no column {unknown[0]!r}, but: {', '.join(values)}")
        return list(dict.fromkeys(columns))
    if values.keys() >= set(CELEBA_COLUMNS):
        return CELEBA_COLUMNS
    found = [column for column, different in values.items() if len(different) <= MAX_VALUES]
    if not found:
        raise ValueError(f"{path} has no column of {MAX_VALUES} or fewer categories; name some")
    return found


_Table = tuple[list[str], list[tuple[int, list[str]]]]  # header without the key; numbered rows


def _celeba(path: Path) -> _Table | None:
    """Parse CelebA's format: the number of pictures, the attributes' names, a row per picture."""
    lines = read_text(path).splitlines()
    if len(lines) < 2 or not lines[0].strip().isdecimal():
        return None
    rows = [(i, line.split()) for i, line in enumerate(lines[2:], 3) if line.strip()]
    if len(rows) != int(lines[0]):
        raise ValueError(f"{path} has {len(rows)} of {int(lines[0])} rows: it is cut off")
    return lines[1].split(), rows


def _csv(path: Path) -> _Table:
    text = read_text(path)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from error
    if not rows or len(rows[0][1]) < 2:
        raise ValueError(f"{path} does not begin with the names of two columns or more")
    return [column.strip() for column in rows[0][1][1:]], rows[1:]


def _stem(name: str) -> str:
    name = PurePosixPath(name.replace("\\", "/")).as_posix()
    beginning, dot, suffix = name.rpartition(".")
    return beginning if dot and dot + suffix.lower() in SUFFIXES else name
