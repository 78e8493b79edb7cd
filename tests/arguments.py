"""Commands of a parser, and bad values that their arguments must refuse."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BAD = ("high", "", "nan", "-7", "0.5.1", "x/y/z")
_GOOD = {"mean": {"-7"}, "galleries": set(_BAD) - {""}}  # bad values that some arguments accept


@dataclass(frozen=True)
class Case:
    """A command line with one bad value: its words, the argument's name and the value."""

    words: list[str]
    name: str
    value: str

    def __str__(self) -> str:
        return f"{' '.join(self.words[:2])} {self.name} {self.value}"


def commands_of(
    parser: argparse.ArgumentParser, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Yield every command with its words, including the commands of groups such as `gallery`."""
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for group in groups:
        for name, command in group.choices.items():
            yield from commands_of(command, (*words, name))
    if not groups:
        yield words, parser


def bad_values(parser: argparse.ArgumentParser) -> Iterator[Case]:
    """Yield a case for each bad value of each argument that has a type or choices."""
    for words, command in commands_of(parser):
        for action in command._actions:
            if not (action.choices or action.type not in (None, Path)):
                continue
            for value in sorted(set(_BAD) - _GOOD.get(action.dest, set())):
                name = "/".join(action.option_strings) or action.metavar or action.dest
                yield Case([*words, *_arguments(command, action, value)], str(name), value)


def _arguments(
    parser: argparse.ArgumentParser, chosen: argparse.Action, value: str
) -> Iterator[str]:
    """Yield arguments: `value` for `chosen`, and values that argparse accepts for the others."""
    for action in parser._actions:
        if action is chosen and action.option_strings:
            yield f"{action.option_strings[-1]}={value}"
        elif action is chosen:
            yield value
        elif action.option_strings and action.required:
            yield from (action.option_strings[-1], _valid_value(action))
        elif not action.option_strings and action.nargs not in ("?", "*"):
            yield _valid_value(action)


def _valid_value(action: argparse.Action) -> str:
    if action.choices:
        return str(next(iter(action.choices)))
    if action.dest == "repo":
        return "owner/name"
    return "album.csv" if action.dest == "output" else "file"
