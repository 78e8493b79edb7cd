"""Parse text files of pairs: LFW's format, or two pictures and 0 or 1."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from train.evaluation.pairs import Pair

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HEADING = re.compile(r"[A-Za-z_ ]*[A-Za-z][A-Za-z_ ]*\d?")  # "name", "image 1", "same_person"
Line = tuple[int, list[str]]  # line number, columns


class PairsError(ValueError):
    """A file of pairs has an unknown format, or its lines contradict its header."""


def read_text(path: Path) -> str:
    """Read a text file, see `decode_text`.

    Raises:
        PairsError: the file is not text.
        OSError: the file cannot be read.
    """
    return decode_text(path.read_bytes(), str(path))


def decode_text(content: bytes, where: str) -> str:
    """Decode text in UTF-8 or UTF-16, with or without a byte order mark.

    Args:
        content: content of the file.
        where: the file, for messages.

    Raises:
        PairsError: the content is not text.
    """
    encoding = "utf-8-sig"
    if content.startswith(_UTF16):
        encoding = "utf-16"
    elif b"\0" in content[:2] and len(content) > 1:  # a Latin letter, without a byte order mark
        encoding = "utf-16-be" if content[0] == 0 else "utf-16-le"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise PairsError(f"{where} is not a text file in UTF-8 or UTF-16") from error
    if "\0" in text:
        raise PairsError(f"{where} is not a text file")
    return text


def is_lfw(text: str) -> bool:
    """Whether pairs have LFW's format: people and the numbers of their pictures."""
    return _is_lfw(_lines(text))


def parse_pairs(text: str, where: str) -> list[Pair]:
    """Parse LFW's `pairs.txt`, or lines of `FIRST SECOND 1` for one person and 0 for two.

    Columns are separated by tabs, commas or white space; with tabs and commas, names may contain
    spaces. LFW's format may start with the number of folds and the number of genuine pairs per
    fold, or with the latter alone; the numbers of genuine and impostor pairs must then match.
    Either format may start with column names.

    Args:
        text: content of the file.
        where: the file, for messages.

    Raises:
        PairsError: a line has neither format, or the counts do not match the first line.
    """
    lines = _lines(text)
    lfw = _is_lfw(lines)
    numbers = _head(lines)
    if numbers or (lines and _is_heading(lines[0][1])):
        lines = lines[1:]
    parse = _lfw_pair if lfw else _pair
    pairs = [parse(columns, f"{where}, line {number}") for number, columns in lines]
    if numbers:
        _check_counts(pairs, numbers, where)
    return pairs


def _lines(text: str) -> list[Line]:
    """Split the text into non-empty lines."""
    return [
        (number, _columns(line))
        for number, line in enumerate(re.split("\r\n|\n|\r", text), 1)
        if line.strip(" \t,")
    ]


def _columns(line: str) -> list[str]:
    if "\t" in line:
        columns = line.split("\t")
    elif "," in line:
        columns = next(csv.reader([line]))
    else:
        columns = line.split()
    columns = [column.strip() for column in columns]
    while len(columns) > 1 and not columns[-1]:  # spreadsheets pad short lines
        columns.pop()
    return columns


def _head(lines: Sequence[Line]) -> list[int]:
    """[folds, genuine pairs per fold], or the latter alone; [] without a header."""
    columns = lines[0][1] if lines else []
    is_head = len(columns) <= 2 and all(map(str.isdecimal, columns))
    return [int(column) for column in columns] if is_head else []


def _is_heading(columns: Sequence[str]) -> bool:
    return len(columns) >= 3 and all(map(_HEADING.fullmatch, columns))


def _is_lfw(lines: Sequence[Line]) -> bool:
    if _head(lines):
        return True
    parsed = [columns for _, columns in lines if _numbered(columns)]
    # "Ann 2 1" may also be two pictures and a label.
    return any(len(columns) != 3 or columns[2] not in ("0", "1") for columns in parsed)


def _numbered(columns: Sequence[str]) -> Sequence[str]:
    """The columns if they are NAME I J or NAME I NAME J, else ()."""
    if len(columns) == 3 and all(map(str.isdecimal, columns[1:])):
        return columns
    if len(columns) == 4 and columns[1].isdecimal() and columns[3].isdecimal():
        return columns
    return ()


def _lfw_pair(columns: list[str], where: str) -> Pair:
    match _numbered(columns):
        case [name, i, j] if name:
            return Pair(_lfw_name(name, i), _lfw_name(name, j), True)
        case [name, i, other, j] if name and other:
            return Pair(_lfw_name(name, i), _lfw_name(other, j), False)
    raise PairsError(f"{where}: not a pair in LFW's format: {_quoted(columns)}")


def _lfw_name(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"


def _pair(columns: list[str], where: str) -> Pair:
    match columns:
        case [first, second, ("0" | "1") as same] if first and second:
            return Pair(_posix(first), _posix(second), same == "1")
    raise PairsError(
        f"{where}: not two pictures and 0 or 1: {_quoted(columns)} (names with spaces need tabs or "
        "commas between the columns)"
    )


def _check_counts(pairs: Sequence[Pair], numbers: Sequence[int], where: str) -> None:
    folds, each = (1, *numbers) if len(numbers) == 1 else numbers
    same = sum(pair.same for pair in pairs)
    if (same, len(pairs) - same) != (folds * each, folds * each):
        raise PairsError(
            f"{where}, line 1: it announces {folds * each:,} pairs of one person and as many of "
            f"two, but there are {same:,} and {len(pairs) - same:,}. If the pairs are right, "
            "remove the line"
        )


def _posix(name: str) -> str:
    """Normalise a name: "./a\\b.jpg" gives "a/b.jpg"."""
    return PurePosixPath(name.replace("\\", "/")).as_posix()


def _quoted(columns: Iterable[str]) -> str:
    return repr(" ".join(columns))[:80]
