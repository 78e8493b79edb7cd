"""The arguments of every `facehub` command."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from facehub._version import __version__
from facehub.bulk.table import SUFFIXES
from facehub.cli.album import run_cluster
from facehub.cli.arguments import (
    Parser,
    UsageError,
    add_command,
    file_of,
    name_of,
    number,
    similarity,
    whole_number,
)
from facehub.cli.bulk import add_bulk_options
from facehub.cli.completion import SHELLS, print_completion
from facehub.cli.embed import NPZ, run_embed
from facehub.cli.faces import run_info
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
from facehub.cli.output import print_json
from facehub.cli.serve import add_keys_arguments, add_serve_arguments, run_keys, run_serve
from facehub.cli.verify import run_verify
from facehub.errors import FaceHubError
from facehub.results import QualityIssue
from facehub.template import TEMPLATES
from facehub.verification import PairPolicy

EXIT_CODES = """exit codes:
  0  done; verify: the same person; identify: somebody was recognised
  1  verify: different people; identify: nobody was recognised
  2  the command line is wrong
  3  verify: uncertain
  4  verify cannot tell: no usable face, or no threshold; identify found no face at all
  5  a picture, gallery or weight file could not be used; gallery check: it has faults
  6  done in part: something was left out, standard error and --json say what
"""


def make_parser() -> Parser:
    """The parser of the command line."""
    parser = Parser(
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
    add_command(commands, "demo", _run_demo, "open the demo page", _OUTPUT)
    text = "answer requests as a service"
    add_serve_arguments(add_command(commands, "serve", run_serve, text, _WEIGHTS))
    text = "list or change the API keys of a service"
    add_keys_arguments(add_command(commands, "keys", run_keys, text, _OUTPUT))
    run = functools.partial(print_completion, parser=parser)
    text = "print a script that completes this command in a shell"
    completion = add_command(commands, "completion", run, text, _OUTPUT)
    completion.add_argument("shell", choices=SHELLS, help="which shell")
    return parser


def _add_face_commands(commands: Any) -> None:
    text = "say whether two photos show one person"
    verify = add_command(commands, "verify", run_verify, text, _WEIGHTS)
    verify.add_argument("first", nargs="?", help=f"a photo: {_PHOTO}")
    verify.add_argument("second", nargs="?", help="another")
    verify.add_argument(
        "--pairs",
        metavar="CSV",
        help="compare many pairs: a CSV file with the columns first and second, or without a "
        "header; paths in it start at its folder; - for standard input",
    )
    verify.add_argument(
        "--threshold", type=similarity, help=f"{_LIMIT} (default: the weights' own)"
    )
    verify.add_argument(
        "--faces",
        choices=get_args(PairPolicy),
        default="exactly_one",
        help="which faces to compare where a photo shows several (default: %(default)s)",
    )
    _add_reject(verify)

    text = "write the embedding of every face to a file"
    embed = add_command(commands, "embed", run_embed, text, _WEIGHTS)
    embed.add_argument("photos", nargs="+", help=_PHOTOS)
    _add_output(embed, "file to write", NPZ, *SUFFIXES, required=True)
    add_bulk_options(embed)

    text = "group the faces of photos by person"
    album = add_command(commands, "cluster", run_cluster, text, _WEIGHTS)
    album.add_argument("photos", nargs="+", help=_PHOTOS)
    _add_output(album, "file to write", ".json", ".csv", required=True)
    album.add_argument(
        "--threshold",
        type=similarity,
        help=f"{_LIMIT}, on average (default: the weights' own, raised for many faces)",
    )
    add_bulk_options(album)

    text = "say which weights, threshold and precision are in use"
    add_command(commands, "info", run_info, text, _WEIGHTS)


def _add_gallery_commands(commands: Any) -> None:
    text = "add people to a gallery, made if missing"
    enrol = add_command(commands, "enrol", run_enrol, text, _WEIGHTS)
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

    identify = add_command(commands, "identify", run_identify, "say who is in a photo", _WEIGHTS)
    identify.add_argument("gallery", help=_GALLERY)
    identify.add_argument("photos", nargs="+", help=_PHOTOS)
    identify.add_argument(
        "--threshold",
        type=similarity,
        help=f"{_LIMIT} (default: the weights' own, raised for a large gallery)",
    )
    identify.add_argument(
        "--top", type=whole_number(), default=3, help="candidates for each face (default: 3)"
    )
    _add_output(identify, "write a table instead", *SUFFIXES)
    add_bulk_options(identify)

    text = "list, change, copy or check the people of a gallery"
    gallery = commands.add_parser("gallery", help=text, description=text)
    _add_people_commands(gallery.add_subparsers(required=True, metavar="command"))


def _add_people_commands(commands: Any) -> None:
    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> Any:
        command = add_command(commands, name, run, text, _PEOPLE)
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
        "--probes",
        type=whole_number(),
        default=100,
        help="searches to compare (default: %(default)s)",
    )
    text = "copy all people into another gallery, or into a file to hand on (.safetensors)"
    copy = add_command(commands, "copy", run_copy, text, _PEOPLE)
    copy.add_argument("source", help=_GALLERY)
    copy.add_argument("target", help="the same, made if missing")


def _add_model_commands(commands: Any) -> None:
    text = "make a weight folder of any face network"
    model = commands.add_parser("model", help=text, description=text)
    text = "describe an ONNX network, so that all commands can use it"
    models = model.add_subparsers(required=True, metavar="command")
    add = add_command(models, "add", _run_add, text, _OUTPUT)
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
    for name, kind, text in (
        ("mean", number(), "subtracted from pixels of 0 to 255"),
        ("std", number(0, open_ends=True), "by which they are divided then"),
    ):
        add.add_argument(
            f"--{name}",
            type=kind,
            nargs="+",
            default=[127.5],
            help=f"{text}; one number, or one for each channel (default: 127.5)",
        )
    add.add_argument("--force", action="store_true", help="replace weights that are there")
    add.add_argument("--flip", action="store_true", help="flip test-time augmentation")
    add.add_argument("--threshold", type=similarity, help=f"{_LIMIT}, if it is known")


def _add_output(
    parser: argparse.ArgumentParser, text: str, *suffixes: str, required: bool = False
) -> None:
    ends = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
    parser.add_argument(
        "-o", "--output", type=file_of(*suffixes), required=required, help=f"{text}: {ends}"
    )


def _add_reject(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reject",
        metavar="ISSUE",
        type=name_of(QualityIssue),
        choices=list(QualityIssue),
        action="extend",
        nargs="+",
        default=[],
        help=f"refuse faces with one of these quality issues: {', '.join(QualityIssue)}",
    )


_LIMIT = "cosine similarity, -1 to 1, from which two faces count as one person"
_GALLERY = "a gallery: people.db, or postgresql://..."
_PHOTO = "a file, an address (s3://...), or - for standard input"
_PHOTOS = (
    "photos, folders or zips of photos, patterns (people/*.jpg), addresses (s3://...), or - for a "
    "photo on standard input"
)

_OUTPUT = argparse.ArgumentParser(add_help=False)
_OUTPUT.add_argument("--json", action="store_true", help="print one JSON value, errors too")
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


def _run_add(args: argparse.Namespace) -> int:
    for name in ("mean", "std"):
        if len(getattr(args, name)) not in (1, 3):
            raise UsageError(f"--{name} needs one number, or three.", args.command)
    try:
        from facehub.cli.model import run_add
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise FaceHubError("This needs the onnx package: pip install 'facehub[onnx]'.") from error
    return run_add(args)


def _run_demo(args: argparse.Namespace) -> int:
    try:
        from facehub.demo.launch import serve
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise FaceHubError("The demo needs Gradio: pip install 'facehub[demo]'.") from error
    serve(on_start=(lambda url: print_json(url=url)) if args.json else None)
    return 0
