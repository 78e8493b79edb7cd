"""What `facehub verify` does with two photos."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from facehub.cli.arguments import UsageError
from facehub.cli.faces import load_recognizer
from facehub.cli.output import (
    EXIT_CANNOT_TELL,
    EXIT_NO,
    EXIT_UNCERTAIN,
    EXIT_YES,
    line,
    print_issues,
    print_json,
)
from facehub.cli.pairs import run_pairs
from facehub.cli.photos import STDIN, naming, read_photo
from facehub.errors import ImageError
from facehub.pipeline import FaceRecognizer
from facehub.results import Decision, EmbeddedFace, QualityIssue
from facehub.verification import compare_faces

_EXIT_CODES = {
    Decision.SAME: EXIT_YES,
    Decision.DIFFERENT: EXIT_NO,
    Decision.UNCERTAIN: EXIT_UNCERTAIN,
    Decision.CANNOT_TELL: EXIT_CANNOT_TELL,
    Decision.UNCALIBRATED: EXIT_CANNOT_TELL,
}
_CHOOSE_FACES = "--faces largest compares the largest face, --faces best_pair the most similar ones"
_UNCALIBRATED = (
    "uncalibrated: these weights have no threshold; give one with --threshold, or measure it with "
    "`python -m train calibrate` in a checkout of facehub"
)


def run_verify(args: argparse.Namespace) -> int:
    """`facehub verify`."""
    if args.pairs is not None:
        if args.first is not None:
            raise UsageError("Give two photos or --pairs, not both.", args.command)
        return run_pairs(args)
    if args.second is None:
        raise UsageError("Give two photos, or a file of pairs with --pairs.", args.command)
    if args.first == args.second == STDIN:
        raise UsageError("Standard input (-) holds one picture only.", args.command)
    recognizer = load_recognizer(args)
    paths = args.first, args.second
    first, second = (_faces(path, recognizer) for path in paths)
    result = compare_faces(
        first,
        second,
        recognizer.spec,
        policy=args.faces,
        threshold=args.threshold,
        reject_issues=args.reject,
    )
    if args.json:
        print_json(**result.to_dict())
        return _EXIT_CODES[result.decision]
    print(
        {
            Decision.SAME: "same person",
            Decision.UNCERTAIN: "uncertain",
            Decision.DIFFERENT: "different people",
            Decision.CANNOT_TELL: f"cannot tell: {result.reason}",
            Decision.UNCALIBRATED: _UNCALIBRATED,
        }[result.decision]
    )
    if result.similarity is not None:
        limit = "" if result.threshold is None else f", threshold {result.threshold:.3f}"
        print(f"similarity {result.similarity:.3f}{limit}")
    several = len(first) > 1 or len(second) > 1
    if several and result.similarity is None:
        print(_CHOOSE_FACES)
    elif several:
        _print_compared(paths[0], result.first, result.first_index, first)
        _print_compared(paths[1], result.second, result.second_index, second)
    for path, face in zip(paths, (result.first, result.second), strict=True):
        print_issues(path, face, but=QualityIssue.SEVERAL_FACES)
    return _EXIT_CODES[result.decision]


def _print_compared(
    path: str, face: EmbeddedFace | None, index: int | None, faces: Sequence[EmbeddedFace]
) -> None:
    assert face is not None
    assert index is not None
    x0, y0, x1, y1 = (round(value) for value in face.face.box)
    which = f"face {index + 1} of {len(faces)} from the left"
    print(line(f"{path}: {which}, box ({x0}, {y0}) to ({x1}, {y1})"))


def _faces(path: str, recognizer: FaceRecognizer) -> list[EmbeddedFace]:
    content = read_photo(path)
    try:
        return recognizer.faces(content)
    except ImageError as error:
        raise naming(path, error) from error
