"""What the `facehub` commands print, and their exit codes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from facehub.errors import FaceHubError
from facehub.quality import ADVICE
from facehub.results import EmbeddedFace, QualityIssue

EXIT_YES, EXIT_NO, EXIT_UNCERTAIN, EXIT_CANNOT_TELL, EXIT_BAD_INPUT, EXIT_PARTLY = 0, 1, 3, 4, 5, 6

Item = TypeVar("Item")
Failures = Sequence[tuple[str, FaceHubError]]


def progress(items: Iterable[Item], total: int, args: argparse.Namespace) -> Iterator[Item]:
    """The items, with a bar on a terminal."""
    if args.json or total < 2 or not sys.stderr.isatty():
        yield from items
        return
    from tqdm import tqdm

    yield from tqdm(items, total=total, unit="photo", leave=False)


def failures_json(failures: Failures) -> list[dict[str, str]]:
    """For the key "failed"."""
    return [
        {"photo": path, "error": type(error).__name__, "message": str(error)}
        for path, error in failures
    ]


def report_failures(failures: Failures, *, done: int, incomplete: bool = False) -> int:
    """Print what failed on standard error; returns the exit code.

    Args:
        failures: photos, folders and zips that could not be used.
        done: photos that could.
        incomplete: whether photos were left out besides, see `Photos`.
    """
    for path, error in failures:
        print(line(f"error: {path}: {error}"), file=sys.stderr)
    if not failures and not incomplete:
        return EXIT_YES
    return EXIT_PARTLY if done else EXIT_BAD_INPUT


def report_error(error: FaceHubError, *, as_json: bool) -> int:
    """Print an error that ends the command; returns the exit code."""
    if as_json:
        print_json(error={"type": type(error).__name__, "message": str(error)})
    print(line(f"error: {error}"), file=sys.stderr)
    return EXIT_BAD_INPUT


def print_issues(path: str, face: EmbeddedFace | None, but: QualityIssue | None = None) -> None:
    """Print a face's quality warnings on standard error, all but one kind."""
    for issue in face.issues if face else ():
        if issue is not but:
            print(line(f"warning: {path}: {ADVICE[issue]}"), file=sys.stderr)


def line(text: str) -> str:
    """One line for a terminal: a file's name may hold line breaks and escape sequences.

    Bytes of a name that are no UTF-8 (surrogates) are left to the stream's error handler.
    """
    return "".join(
        c if c.isprintable() or "\udc80" <= c <= "\udcff" else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def print_json(**values: Any) -> None:
    """Print one JSON object."""
    print(json.dumps(values, indent=2))
