"""What a command line takes, and what is wrong with it in words. `python -m train` uses it too."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from facehub.errors import FaceHubError

Name = TypeVar("Name", bound=StrEnum)

_ARGUMENT = r"^argument (?P<name>[^:]+): "
_CHOICE = re.compile(
    _ARGUMENT + r"invalid choice: (?P<value>.+?)(, maybe.*)? \(choose from (?P<all>.+)\)$"
)
_WORDS = tuple(  # what argparse says, and what a user is told
    (re.compile(pattern), words)
    for pattern, words in (
        (_ARGUMENT + r"expected at least one argument$", r"\g<name> needs a value"),
        (_ARGUMENT + r"expected one argument$", r"\g<name> needs a value"),
        (_ARGUMENT + r"ignored explicit argument .*$", r"\g<name> takes no value"),
        (_ARGUMENT + r"not allowed with argument (?P<other>.+)$", r"\g<name> excludes \g<other>"),
        (_ARGUMENT, r"\g<name> "),
        (r"^the following arguments are required: (?P<all>.+)$", r"Missing: \g<all>"),
    )
)


class UsageError(FaceHubError):
    """The command line is wrong.

    Args:
        message: what is wrong, a sentence.
        command: whose `--help` tells more: "facehub verify".
    """

    def __init__(self, message: str, command: str) -> None:
        super().__init__(message)
        self.command = command


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` where an `ArgumentParser` ends the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found, in words."""
        if found := _CHOICE.match(message):
            choices = found["all"].replace("'", "")  # which Python quotes until 3.12
            message = f"argument {found['name']}: must be one of {choices}, not {found['value']}"
        for pattern, words in _WORDS:
            if found := pattern.search(message):
                message = found.expand(words) + message[found.end() :]
                break
        raise UsageError(message.removesuffix(".") + ".", self.prog)


def wants_json(words: Sequence[str]) -> bool:
    """Whether a command line has `--json`, also where it cannot be parsed."""
    options = words[: words.index("--")] if "--" in words else words
    return any(len(word) > 2 and "--json".startswith(word) for word in options)


def number(
    low: float = -math.inf, high: float = math.inf, *, open_ends: bool = False
) -> Callable[[str], float]:
    """A type for argparse: a finite number.

    Args:
        low: lowest value.
        high: highest value.
        open_ends: whether both are themselves refused.
    """
    words = "a number"
    if high < math.inf:
        words = f"a number between {low:g} and {high:g}"
    elif low > -math.inf:
        words = f"a number above {low:g}" if open_ends else f"a number from {low:g} up"

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        inside = low < value < high if open_ends else low <= value <= high
        if not (inside and math.isfinite(value)):
            raise argparse.ArgumentTypeError(f"must be {words}, not {text!r}")
        return value

    return read


def whole_number(low: int = 1, high: int | None = None) -> Callable[[str], int]:
    """A type for argparse: a whole number from `low` to `high`, both included."""
    words = f"from {low:,} up" if high is None else f"between {low:,} and {high:,}"

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"must be a whole number {words}, not {text!r}")
        return value

    return read


similarity = number(-1, 1)


def name_of(kind: type[Name]) -> Callable[[str], Name]:
    """A type for argparse: one value of an enumeration."""

    def read(text: str) -> Name:
        try:
            return kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"must be one of {', '.join(kind)}, not {text!r}"
            ) from None

    return read


def names_of(kind: type[Name]) -> Callable[[str], list[Name]]:
    """A type for argparse: values of an enumeration, one at least, separated by commas."""

    def read(text: str) -> list[Name]:
        try:
            return [kind(word) for word in names(text)]
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"must be of {', '.join(kind)}, separated by commas, not {text!r}"
            ) from None

    return read


def names(text: str) -> list[str]:
    """For argparse: words, one at least, separated by commas."""
    found = re.findall(r"[^,\s]+", text)
    if not found:
        raise argparse.ArgumentTypeError(f"must be names, separated by commas, not {text!r}")
    return found


def file_of(*suffixes: str) -> Callable[[str], Path]:
    """A type for argparse: a path that ends with one of these suffixes, in either case."""

    def read(text: str) -> Path:
        if Path(text).suffix.lower() not in suffixes:
            words = " or ".join(filter(None, (", ".join(suffixes[:-1]), suffixes[-1])))
            raise argparse.ArgumentTypeError(f"must end with {words}, not {text!r}")
        return Path(text)

    return read


def matching(pattern: str, words: str) -> Callable[[str], str]:
    """A type for argparse: a text of this form, which `words` describe."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(f"must be {words}, not {text!r}")
        return text

    return read


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    *parents: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """Add a sub-command, which `run` does; `args.command` holds its name, for `UsageError`."""
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, parents=list(parents)
    )
    command.set_defaults(run=run, command=command.prog)
    return command
