"""What the `facehub` commands print, and their exit codes."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from facehub.cli.arguments import UsageError
from facehub.errors import FaceHubError
from facehub.quality import ADVICE
from facehub.results import EmbeddedFace, QualityIssue

EXIT_YES, EXIT_NO, EXIT_USAGE, EXIT_UNCERTAIN, EXIT_CANNOT_TELL = 0, 1, 2, 3, 4
EXIT_BAD_INPUT, EXIT_PARTLY, EXIT_INTERRUPTED = 5, 6, 130

_LINES = 20  # of what was left out, printed

Item = TypeVar("Item")
Failures = Sequence[tuple[str, FaceHubError]]


def progress(items: Iterable[Item], total: int, args: argparse.Namespace) -> Iterator[Item]:
    """Yield the items, with a progress bar on a terminal."""
    if args.json or total < 2 or not sys.stderr.isatty():
        yield from items
        return
    from tqdm import tqdm

    yield from tqdm(items, total=total, unit="photo", leave=False)


def counted(count: int, one: str, several: str = "") -> str:
    """A number with its noun: "1 face", "2 faces", "3 people"."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def failures_json(failures: Failures) -> list[dict[str, str]]:
    """The value of the key "failed"."""
    return [
        {"photo": path, "error": type(error).__name__, "message": str(error)}
        for path, error in failures
    ]


def report_failures(failures: Failures, *, done: int, incomplete: bool = False) -> int:
    """Print what failed on standard error; returns the exit code.

    Args:
        failures: photos, folders and zips that could not be used.
        done: photos that could be used.
        incomplete: whether other photos were left out, see `Photos`.
    """
    for path, error in failures:
        print(line(f"error: {path}: {error}"), file=sys.stderr)
    if not failures and not incomplete:
        return EXIT_YES
    return EXIT_PARTLY if done else EXIT_BAD_INPUT


def print_left_out(left_out: Sequence[tuple[str, str]], where: str) -> None:
    """Name on standard error what was left out, a few of it; count the rest by reason.

    Args:
        left_out: path and reason of each, the most important ones first.
        where: what lists all, for the user.
    """
    for path, reason in left_out[:_LINES]:
        print(line(f"ignored: {path}: {reason}"), file=sys.stderr)
    rest = Counter(reason for _, reason in left_out[_LINES:])
    for reason, count in rest.most_common():
        print(line(f"ignored: {count:,} more: {reason}; {where}"), file=sys.stderr)


def report_error(error: FaceHubError, *, as_json: bool) -> int:
    """Print an error that ends the command; returns the exit code."""
    if as_json:
        print_error(type(error).__name__, str(error))
    print(line(f"error: {error}"), file=sys.stderr)
    if not isinstance(error, UsageError):
        return EXIT_BAD_INPUT
    if not as_json:
        print(f"`{error.command} --help` lists what it takes.", file=sys.stderr)
    return EXIT_USAGE


def print_error(code: str, message: str) -> None:
    """Print an error as JSON.

    Args:
        code: name of its class, for programs.
        message: a sentence for people.
    """
    print_json(error={"code": code, "message": message})


def print_issues(path: str, face: EmbeddedFace | None, but: QualityIssue | None = None) -> None:
    """Print the quality warnings of a face on standard error, except `but`."""
    for issue in face.issues if face else ():
        if issue is not but:
            print(line(f"warning: {path}: {ADVICE[issue]}"), file=sys.stderr)


def line(text: str) -> str:
    """Make a text one line, safe for a terminal: names may hold line breaks and escape sequences.

    Bytes that are not UTF-8 (surrogates) are left to the stream's error handler.
    """
    return "".join(
        c if c.isprintable() or "\udc80" <= c <= "\udcff" else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def print_json(**values: Any) -> None:
    """Print one JSON object."""
    print(json.dumps(values, indent=2))
