"""What `facehub verify --pairs` does: many pairs from a CSV file, in one start."""

from __future__ import annotations

import argparse
import csv
import functools
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from facehub.cli.faces import load_recognizer
from facehub.cli.output import EXIT_BAD_INPUT, EXIT_PARTLY, EXIT_YES, line, print_issues, progress
from facehub.cli.photos import STDIN, naming, read_photo
from facehub.errors import FaceHubError
from facehub.io.formats import SUFFIXES
from facehub.io.remote import is_address
from facehub.pipeline import FaceRecognizer
from facehub.results import Decision, EmbeddedFace, QualityIssue, VerificationResult
from facehub.verification import compare_faces

COLUMNS = ("first", "second")
_MAX_BYTES = 256 * 2**20  # of the file
_WORDS = {
    Decision.SAME: "same person",
    Decision.UNCERTAIN: "uncertain",
    Decision.DIFFERENT: "different people",
    Decision.CANNOT_TELL: "cannot tell",
    Decision.UNCALIBRATED: "uncalibrated",
}


@dataclass(frozen=True)
class Pair:
    """A row of the file.

    Attributes:
        row: number of its line, from 1, as an editor shows it.
        first: path or address of a photo.
        second: of another.
    """

    row: int
    first: str
    second: str


@dataclass
class Pairs:
    """A file of pairs.

    Attributes:
        pairs: its rows.
        failures: number and error of each row that holds no pair.
        header: the row that was taken for the columns' names, if there is one.
    """

    pairs: list[Pair] = field(default_factory=list)
    failures: list[tuple[int, FaceHubError]] = field(default_factory=list)
    header: list[str] | None = None


def run_pairs(args: argparse.Namespace) -> int:
    """`facehub verify --pairs`."""
    found = read_pairs(args.pairs)
    failures = list(found.failures)
    recognizer = load_recognizer(args)
    results: list[tuple[Pair, VerificationResult]] = []
    compare = functools.partial(
        compare_faces,
        spec=recognizer.spec,
        policy=args.faces,
        threshold=args.threshold,
        reject_issues=args.reject,
    )
    faces = _faces_of_pairs(found.pairs, recognizer)
    for pair, first, second in progress(faces, len(found.pairs), args):
        try:
            results.append((pair, compare(_checked(first), _checked(second))))
        except FaceHubError as error:
            failures.append((pair.row, error))
        else:
            if not args.json:
                _print(*results[-1])
    failures.sort(key=lambda failure: failure[0])
    if args.json:
        _print_json(results, failures, found.header)
    elif found.header is not None and not _has_names(found.header):
        text = ", ".join(found.header)
        print(line(f"{args.pairs}: the first row is taken for a header: {text}"), file=sys.stderr)
    for row, failure in failures:
        print(line(f"error: {args.pairs}, row {row}: {failure}"), file=sys.stderr)
    if not failures:
        return EXIT_YES
    rows = len(results) + len(failures)
    print(line(f"{args.pairs}: {len(failures)} of {rows} rows left out"), file=sys.stderr)
    return EXIT_PARTLY if results else EXIT_BAD_INPUT


def read_pairs(path: str) -> Pairs:
    """Read a file of pairs, separated by commas, semicolons or tabs.

    The columns "first" and "second" are compared if the first row names them, else the first two
    columns. A first row of other words is a header too, see `_is_header`.

    Args:
        path: of the file, in whose folder relative paths start; "-" for standard input, where they
            start in the current folder.

    Raises:
        FaceHubError: it cannot be read, or holds no pair.
    """
    found, columns, base = Pairs(), (0, 1), "" if path == STDIN else os.path.dirname(path)
    for row, cells in _rows(_text(path)):
        if isinstance(cells, FaceHubError):
            found.failures.append((row, cells))
            continue
        if not (found.header or found.pairs or found.failures) and _is_header(cells, base):
            found.header = cells
            if _has_names(cells):
                names = [cell.lower() for cell in cells]
                columns = names.index(COLUMNS[0]), names.index(COLUMNS[1])
            continue
        chosen = [_place(cells[c], base) for c in columns if c < len(cells) and cells[c]]
        if len(chosen) == len(columns):
            found.pairs.append(Pair(row, *chosen))
        else:
            text = f"It does not name two photos: {', '.join(cells)[:200]}."
            found.failures.append((row, FaceHubError(text)))
    if not (found.pairs or found.failures):
        raise FaceHubError(f"{path} holds no pair of photos.")
    return found


def _rows(text: str) -> Iterator[tuple[int, list[str] | FaceHubError]]:
    """Line and cells of each row that is not empty, or why it cannot be read."""
    start = text[:10_000].partition("\n")[0]
    delimiter = next((c for c in start if c in ",;\t"), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, FaceHubError(f"It cannot be read: {error}.")
        else:
            if any(cells):
                yield reader.line_num, cells


def _text(path: str) -> str:
    try:
        if path == STDIN:
            content = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            with open(path, "rb") as file:
                content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise FaceHubError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > _MAX_BYTES:
        raise FaceHubError(f"{path} is larger than {_MAX_BYTES // 2**20} MB.")
    return content.decode("utf-8-sig", "surrogateescape")


def _has_names(cells: Sequence[str]) -> bool:
    return set(COLUMNS) <= {cell.lower() for cell in cells}


def _is_header(cells: Sequence[str], base: str) -> bool:
    """Whether a first row names columns: "first" and "second", or two words that name no photo."""
    photos = [
        is_address(cell)
        or Path(cell).suffix.lower() in SUFFIXES
        or os.path.exists(_place(cell, base))
        for cell in cells[:2]
    ]
    return _has_names(cells) or (len(photos) == 2 and not any(photos))


def _place(cell: str, base: str) -> str:
    """Where a path of the file leads."""
    return cell if is_address(cell) else os.path.join(base, cell)


Faces = Sequence[EmbeddedFace] | FaceHubError


def _faces_of_pairs(
    pairs: Sequence[Pair], recognizer: FaceRecognizer
) -> Iterator[tuple[Pair, Faces, Faces]]:
    """The faces of every pair; each photo is read once and forgotten after its last pair."""
    uses = Counter(path for pair in pairs for path in (pair.first, pair.second))
    paths = list(uses)
    outcomes = iter(recognizer.faces_many(functools.partial(read_photo, path) for path in paths))
    waiting, known = iter(paths), dict[str, Faces]()

    def faces(path: str) -> Faces:
        while path not in known:
            name, outcome = next(waiting), next(outcomes)
            known[name] = (
                naming(name, outcome)
                if isinstance(outcome, FaceHubError)
                else [_slim(face) for face in outcome]
            )
        uses[path] -= 1
        return known[path] if uses[path] else known.pop(path)

    for pair in pairs:
        yield pair, faces(pair.first), faces(pair.second)


def _slim(face: EmbeddedFace) -> EmbeddedFace:
    """Without pixels and landmarks, which no comparison needs."""
    nothing = np.empty((0, 2), np.float32)
    crop = np.empty((0, 0, 3), np.uint8)
    return replace(face, face=replace(face.face, crop=crop, landmarks=nothing))


def _checked(faces: Faces) -> Sequence[EmbeddedFace]:
    if isinstance(faces, FaceHubError):
        raise faces
    return faces


def _print(pair: Pair, result: VerificationResult) -> None:
    """One line; of several faces, which ones were compared."""
    score = result.reason if result.similarity is None else f"similarity {result.similarity:.3f}"
    photos = []
    for path, face, index in (
        (pair.first, result.first, result.first_index),
        (pair.second, result.second, result.second_index),
    ):
        several = face is not None and QualityIssue.SEVERAL_FACES in face.issues
        photos.append(f"{path} (face {index + 1})" if several and index is not None else path)
        if result.similarity is not None:
            print_issues(path, face, but=QualityIssue.SEVERAL_FACES)
    print(line(f"{', '.join(photos)}: {_WORDS[result.decision]}, {score}"))


def _print_json(
    results: Sequence[tuple[Pair, VerificationResult]],
    failures: Sequence[tuple[int, FaceHubError]],
    header: list[str] | None,
) -> None:
    """One JSON object, with a line for each result."""

    def lines(values: list[dict[str, Any]]) -> str:
        rows = ",".join(f"\n    {json.dumps(value)}" for value in values)
        return f"[{rows}\n  ]" if rows else "[]"

    pairs = [
        {"row": pair.row, "photos": [pair.first, pair.second], **result.to_dict()}
        for pair, result in results
    ]
    failed = [
        {"row": row, "error": type(error).__name__, "message": str(error)}
        for row, error in failures
    ]
    print(f'{{\n  "header": {json.dumps(header)},')
    print(f'  "pairs": {lines(pairs)},')
    print(f'  "failed": {lines(failed)}\n}}')
