"""The `facehub` command: runs a command line, and turns errors into words and exit codes."""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from collections.abc import Sequence

from facehub.cli.arguments import wants_json
from facehub.cli.output import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    line,
    print_error,
    report_error,
)
from facehub.cli.parser import make_parser
from facehub.errors import FaceHubError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    as_json = wants_json(words)
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names may hold bytes that are not UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = make_parser()
    if not words:
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    try:
        args = parser.parse_args(words)
        if not args.verbose:
            warnings.simplefilter("ignore")  # Pillow warns of damaged EXIF
            _silence_native_logs()
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except FaceHubError as error:
        return report_error(error, as_json=as_json)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
            where = f"{error.filename}: " if error.filename else ""
            reason = error.strerror or str(error)
            return report_error(FaceHubError(f"{where}{reason}."), as_json=as_json)
        _drop_output()  # it is full, or nobody reads it any longer
        if not isinstance(error, BrokenPipeError):
            print(line(f"error: {error.strerror or error}"), file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        if as_json:
            print_error("Interrupted", "The command was interrupted.")
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _drop_output() -> None:
    """Let what standard output still holds go nowhere; Python would fail over it at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _silence_native_logs() -> None:
    """Send what native libraries print on stderr nowhere; Python's own stderr stays."""
    try:
        python_stderr = os.dup(2)
    except OSError:  # stderr is closed
        return
    if sys.stderr is sys.__stderr__:
        sys.stderr = os.fdopen(python_stderr, "w", buffering=1, encoding="utf-8", errors="replace")
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)
    else:  # somebody has replaced it (a test, a notebook): leave all as it is
        os.close(python_stderr)


if __name__ == "__main__":
    sys.exit(main())
