"""The `facehub` command."""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from facehub.cli.faces import run_embed, run_info, run_verify
from facehub.cli.gallery import run_enrol, run_gallery, run_identify
from facehub.cli.output import EXIT_BAD_INPUT, line
from facehub.errors import FaceHubError

EXIT_CODES = """exit codes:
  0  done; verify: the same person; identify: somebody was recognised
  1  verify: different people; identify: nobody was recognised
  2  the command line is wrong
  3  verify: uncertain
  4  no usable face: verify cannot tell, identify found no face at all
  5  a picture, gallery or weight file could not be used
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = _parser().parse_args(argv)
    if not args.verbose:
        warnings.simplefilter("ignore")  # Pillow's, of damaged EXIF say
        _silence_native_logs()
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names may hold bytes that are not UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = args.run(args)
        sys.stdout.flush()
        return code
    except FaceHubError as error:
        print(line(f"error: {error}"), file=sys.stderr)
        return EXIT_BAD_INPUT
    except OSError as error:  # the output is full, or nobody reads it any longer
        _drop_output()
        if not isinstance(error, BrokenPipeError):
            print(line(f"error: {error.strerror or error}"), file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--weights", help="folder or owner/name@revision (default: $FACEHUB_MODEL)")
    common.add_argument("--json", action="store_true", help="print JSON")
    common.add_argument("--verbose", action="store_true", help="show MediaPipe's own log")

    limit = "cosine similarity from which two faces count as one person"
    several = argparse.ArgumentParser(add_help=False)
    several.add_argument(
        "--largest", action="store_true", help="where a photo shows several faces, take the largest"
    )

    parser = argparse.ArgumentParser(
        prog="facehub",
        description="Face verification (1:1) and identification (1:N).",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(
        name: str, run: Callable[..., int], text: str, *parents: argparse.ArgumentParser
    ) -> Any:
        command = commands.add_parser(name, help=text, description=text, parents=[common, *parents])
        command.set_defaults(run=run)
        return command

    verify = add("verify", run_verify, "say whether two photos show one person")
    verify.add_argument("first", type=Path)
    verify.add_argument("second", type=Path)
    verify.add_argument(
        "--threshold", type=_similarity, help=f"{limit} (default: the weights' own)"
    )
    verify.add_argument(
        "--faces",
        choices=["exactly_one", "largest", "best_pair"],
        default="exactly_one",
        help="which faces to compare where a photo shows several (default: %(default)s)",
    )

    enrol = add("enrol", run_enrol, "add people to a gallery file, made if missing", several)
    enrol.add_argument("gallery", type=Path, help="gallery file (.safetensors)")
    enrol.add_argument(
        "photos", type=Path, nargs="+", help="photos, or with --name folders of them"
    )
    enrol.add_argument(
        "--name",
        help="who the photos show; without it, each folder holds one sub-folder per person",
    )

    identify = add("identify", run_identify, "say who is in a photo")
    identify.add_argument("gallery", type=Path, help="gallery file")
    identify.add_argument("photos", type=Path, nargs="+", help="photos or folders of photos")
    identify.add_argument(
        "--threshold",
        type=_similarity,
        help=f"{limit} (default: the weights' own, raised for a large gallery)",
    )
    identify.add_argument("--top", type=_positive, default=3, help="candidates a face (default: 3)")

    gallery = add("gallery", run_gallery, "list or change the people of a gallery file")
    gallery.add_argument("gallery", type=Path, help="gallery file")
    change = gallery.add_mutually_exclusive_group()
    change.add_argument("--remove", metavar="NAME", help="remove a person")
    change.add_argument("--rename", nargs=2, metavar=("NAME", "NEW"), help="rename a person")
    change.add_argument("--merge", nargs=2, metavar=("NAME", "INTO"), help="join two people")

    embed = add("embed", run_embed, "write the embedding of every face to a file")
    embed.add_argument("photos", type=Path, nargs="+", help="photos or folders of photos")
    embed.add_argument("-o", "--output", type=Path, required=True, help="file to write (.npz)")

    add("info", run_info, "say which weights, threshold and engine are in use")
    return parser


def _similarity(text: str) -> float:
    value = float(text)
    if not -1 <= value <= 1:
        raise argparse.ArgumentTypeError("a cosine similarity lies between -1 and 1")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


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
