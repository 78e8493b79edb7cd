"""What a command could not use of a data set, by count and name."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from facehub.cli.output import EXIT_PARTLY, EXIT_YES, print_left_out
from facehub.io.containers import worth_reporting
from facehub.io.sources import open_source


def report_left_out(left_out: Mapping[str, str], where: str) -> int:
    """Count and name on standard error what was left out; returns the exit code.

    Args:
        left_out: the reason for each picture, file and folder.
        where: what lists all of it, for the user.
    """
    if not left_out:
        return EXIT_YES
    found = sorted(left_out.items(), key=lambda item: not worth_reporting(*item))
    print(f"{len(found):,} left out; {where}", file=sys.stderr)
    print_left_out(found, where)
    return EXIT_PARTLY if worth_reporting(*found[0]) else EXIT_YES


def report_ignored(faces: Path) -> int:
    """As `report_left_out`, for what `open_source` ignores of a data set."""
    ignored = open_source(faces).ignored
    return report_left_out(ignored, f"`python -m train pack {faces} FOLDER` lists all")
