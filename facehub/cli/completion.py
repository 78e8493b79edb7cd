"""What `facehub completion` does."""

from __future__ import annotations

import argparse

import shtab

from facehub.cli.output import EXIT_YES, print_json

SHELLS = ("bash", "zsh")
_PATHS = {  # arguments that are files or folders
    "first",
    "second",
    "pairs",
    "photos",
    "output",
    "gallery",
    "source",
    "target",
    "network",
    "weights",
    "parts",
    "keys",
}


def print_completion(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Print the script by which a shell completes the command.

    Args:
        args: the command line.
        parser: what is completed.
    """
    _complete_paths(parser)
    script = shtab.complete(parser, shell=args.shell)
    if args.json:
        print_json(shell=args.shell, script=script)
    else:
        print(script)
    return EXIT_YES


def _complete_paths(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:  # argparse offers no other way to see them
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_paths(command)
        elif action.dest in _PATHS:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
