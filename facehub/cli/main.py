"""The `facehub` command: its arguments, and errors in words."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from facehub._version import __version__
from facehub.cli.album import run_cluster
from facehub.cli.bulk import add_bulk_options, positive
from facehub.cli.embed import run_embed
from facehub.cli.faces import run_info, run_verify
from facehub.cli.gallery import (
    run_change,
    run_check,
    run_copy,
    run_enrol,
    run_index,
    run_list,
    run_purge,
)
from facehub.cli.identify import run_identify
from facehub.cli.output import EXIT_BAD_INPUT, line, report_error
from facehub.cli.serve import add_keys_arguments, add_serve_arguments, run_keys, run_serve
from facehub.errors import FaceHubError
from facehub.results import QualityIssue
from facehub.template import TEMPLATES

EXIT_CODES = """exit codes:
  0  done; verify: the same person; identify: somebody was recognised
  1  verify: different people; identify: nobody was recognised
  2  the command line is wrong
  3  verify: uncertain
  4  verify cannot tell: no usable face, or no threshold; identify found no face at all
  5  a picture, gallery or weight file could not be used; gallery check: it has faults
  6  done in part: photos, folders or zips were left out, standard error and --json say which
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
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except FaceHubError as error:
        return report_error(error, as_json=args.json)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
            return report_error(FaceHubError(f"{error}."), as_json=args.json)
        _drop_output()  # it is full, or nobody reads it any longer
        if not isinstance(error, BrokenPipeError):
            print(line(f"error: {error.strerror or error}"), file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="facehub",
        description="Face verification (1:1) and identification (1:N).",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"facehub {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_face_commands(commands)
    _add_gallery_commands(commands)
    _add_model_commands(commands)
    demo = _command(commands, "demo", _run_demo, "open the demo page", _OUTPUT)
    demo.set_defaults(json=False)
    add_serve_arguments(_command(commands, "serve", run_serve, "answer requests as a service"))
    text = "list or change the API keys of a service"
    add_keys_arguments(_command(commands, "keys", run_keys, text, _OUTPUT))
    return parser


def _add_face_commands(commands: Any) -> None:
    verify = _command(commands, "verify", run_verify, "say whether two photos show one person")
    verify.add_argument("first", type=Path)
    verify.add_argument("second", type=Path)
    verify.add_argument(
        "--threshold", type=_similarity, help=f"{_LIMIT} (default: the weights' own)"
    )
    verify.add_argument(
        "--faces",
        choices=["exactly_one", "largest", "best_pair"],
        default="exactly_one",
        help="which faces to compare where a photo shows several (default: %(default)s)",
    )
    _add_reject(verify)
    embed = _command(commands, "embed", run_embed, "write the embedding of every face to a file")
    embed.add_argument("photos", nargs="+", help=_PHOTOS)
    embed.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="file to write: .npz, .csv, .jsonl or .parquet",
    )
    add_bulk_options(embed)
    album = _command(commands, "cluster", run_cluster, "group the faces of photos by person")
    album.add_argument("photos", nargs="+", help=_PHOTOS)
    album.add_argument(
        "-o", "--output", type=Path, required=True, help="file to write (.json or .csv)"
    )
    album.add_argument(
        "--threshold",
        type=_similarity,
        help=f"{_LIMIT}, on average (default: the weights' own, raised for many faces)",
    )
    add_bulk_options(album)
    _command(commands, "info", run_info, "say which weights, threshold and precision are in use")


def _add_gallery_commands(commands: Any) -> None:
    enrol = _command(commands, "enrol", run_enrol, "add people to a gallery, made if missing")
    enrol.add_argument("gallery", help=_GALLERY)
    enrol.add_argument("photos", nargs="+", help=f"with --name {_PHOTOS}")
    enrol.add_argument(
        "--name",
        help="who the photos show; without it, each folder or zip holds one folder per person",
    )
    enrol.add_argument(
        "--largest", action="store_true", help="where a photo shows several faces, take the largest"
    )
    _add_reject(enrol)
    add_bulk_options(enrol)

    identify = _command(commands, "identify", run_identify, "say who is in a photo")
    identify.add_argument("gallery", help=_GALLERY)
    identify.add_argument("photos", nargs="+", help=_PHOTOS)
    identify.add_argument(
        "--threshold",
        type=_similarity,
        help=f"{_LIMIT} (default: the weights' own, raised for a large gallery)",
    )
    identify.add_argument("--top", type=positive, default=3, help="candidates a face (default: 3)")
    identify.add_argument(
        "-o", "--output", type=Path, help="write a table instead: .csv, .jsonl or .parquet"
    )
    add_bulk_options(identify)

    text = "list, change, copy or check the people of a gallery"
    gallery = commands.add_parser("gallery", help=text, description=text)
    _add_people_commands(gallery.add_subparsers(required=True, metavar="command"))


def _add_people_commands(commands: Any) -> None:
    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> Any:
        command = _command(commands, name, run, text, _PEOPLE)
        command.add_argument("gallery", help=_GALLERY)
        return command

    add("list", run_list, "list the people")
    remove = add("remove", run_change, "remove a person")
    remove.add_argument("name", help="who")
    remove.set_defaults(change=lambda gallery, args: gallery.remove(args.name))
    rename = add("rename", run_change, "rename a person")
    rename.add_argument("name", help="who")
    rename.add_argument("new", help="the new name")
    rename.set_defaults(change=lambda gallery, args: gallery.rename(args.name, args.new))
    merge = add("merge", run_change, "join two people")
    merge.add_argument("name", help="who")
    merge.add_argument("into", help="whose name both have then")
    merge.set_defaults(change=lambda gallery, args: gallery.merge(args.name, args.into))
    add("purge", run_purge, "leave no trace of removed people in the file")
    index = add("index", run_index, "make an index for approximate search, in PostgreSQL")
    index.add_argument("--drop", action="store_true", help="remove it instead")
    check = add(
        "check",
        run_check,
        "find out whether a gallery is sound, or how much approximate search finds in it",
    )
    check.add_argument(
        "--probes", type=positive, default=100, help="searches to compare (default: %(default)s)"
    )
    text = "copy all people into another gallery, or into a file to hand on (.safetensors)"
    copy = _command(commands, "copy", run_copy, text, _PEOPLE)
    copy.add_argument("source", help=_GALLERY)
    copy.add_argument("target", help="the same, made if missing")


def _add_model_commands(commands: Any) -> None:
    text = "make a weight folder of any face network"
    model = commands.add_parser("model", help=text, description=text)
    add = _command(
        model.add_subparsers(required=True, metavar="command"),
        "add",
        _run_add,
        "describe an ONNX network, so that all commands can use it",
        _OUTPUT,
    )
    add.add_argument("network", type=Path, help="ONNX file")
    add.add_argument("-o", "--output", type=Path, required=True, help="folder to write")
    add.add_argument(
        "--template",
        choices=sorted(TEMPLATES),
        default="arcface112",
        help="how the network wants faces to be aligned (default: %(default)s)",
    )
    add.add_argument("--colour", choices=["RGB", "BGR"], default="RGB", help="channel order")
    add.add_argument("--layout", choices=["NCHW", "NHWC"], default="NCHW", help="axis order")
    for name, text in (
        ("mean", "subtracted from pixels of 0 to 255"),
        ("std", "that divides them then"),
    ):
        add.add_argument(
            f"--{name}",
            type=float,
            nargs="+",
            default=[127.5],
            help=f"{text}; one number, or one a channel (default: 127.5)",
        )
    add.add_argument("--force", action="store_true", help="replace weights that are there")
    add.add_argument("--flip", action="store_true", help="flip test-time augmentation")
    add.add_argument("--threshold", type=_similarity, help=f"{_LIMIT}, if it is known")


def _add_reject(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reject",
        metavar="ISSUE",
        type=QualityIssue,
        choices=list(QualityIssue),
        action="extend",
        nargs="+",
        default=[],
        help=f"refuse faces with one of these quality issues: {', '.join(QualityIssue)}",
    )


_LIMIT = "cosine similarity from which two faces count as one person"
_GALLERY = "people.db, say"
_PHOTOS = "photos, folders or zips of photos, patterns (people/*.jpg), or addresses (s3://...)"

_OUTPUT = argparse.ArgumentParser(add_help=False)
_OUTPUT.add_argument("--json", action="store_true", help="print JSON")
_OUTPUT.add_argument("--verbose", action="store_true", help="show MediaPipe's own log")

_WEIGHTS = argparse.ArgumentParser(add_help=False, parents=[_OUTPUT])
_WEIGHTS.add_argument("--weights", help="folder or owner/name@revision (default: $FACEHUB_MODEL)")
_WEIGHTS.add_argument(
    "--device", default="auto", help="auto, cpu, cuda, ... (default: a GPU where it is set up)"
)
_WEIGHTS.add_argument(
    "--precision",
    choices=["auto", "float32", "int8"],
    default="auto",
    help="of the network (default: $FACEHUB_PRECISION, else int8 where this CPU is quick at it)",
)

_PEOPLE = argparse.ArgumentParser(add_help=False, parents=[_OUTPUT])
_PEOPLE.add_argument("--weights", help="whose templates these are (default: $FACEHUB_MODEL)")


def _command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    options: argparse.ArgumentParser = _WEIGHTS,
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, parents=[options]
    )
    command.set_defaults(run=run)
    return command


def _run_add(args: argparse.Namespace) -> int:
    try:
        from facehub.cli.model import run_add
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise FaceHubError("This needs the onnx package: pip install 'facehub[onnx]'.") from error

    for name in ("mean", "std"):
        if len(getattr(args, name)) not in (1, 3):
            raise FaceHubError(f"--{name} needs one number, or three.")
    return run_add(args)


def _run_demo(args: argparse.Namespace) -> int:
    try:
        from facehub.demo.launch import main as launch
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise FaceHubError("The demo needs Gradio: pip install 'facehub[demo]'.") from error
    code: int = launch()
    return code


def _similarity(text: str) -> float:
    value = float(text)
    if not -1 <= value <= 1:
        raise argparse.ArgumentTypeError("a cosine similarity lies between -1 and 1")
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
