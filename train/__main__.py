"""`python -m train COMMAND`: from raw pictures to published weights."""

from __future__ import annotations

import argparse
import hashlib
import signal
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facehub.cli.arguments import (
    Parser,
    UsageError,
    matching,
    number,
    wants_json,
    whole_number,
)
from facehub.cli.output import EXIT_YES, print_error, report_error
from facehub.errors import FaceHubError
from facehub.io.files import write_atomically
from facehub.model.store import MODEL_VARIABLE
from facehub.template import TEMPLATES
from train.evaluation.commands import add_evaluate, add_precision
from train.left_out import report_ignored, report_left_out
from train.release.history import DATASETS

EXIT_FAILED = 1
EXIT_CODES = """exit codes:
  0  done
  1  failed
  2  the command line is wrong
  6  done in part: something was left out; standard error says what
"""
_REPOSITORY = r"[\w.-]+/[\w.-]+"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        args = _parse(words)
        code: int | None = args.run(args)
    except UsageError as error:
        return report_error(error, as_json=wants_json(words))
    except (FaceHubError, OSError, ValueError, zipfile.BadZipFile) as error:
        if wants_json(words):
            print_error(type(error).__name__, str(error))
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    return code or EXIT_YES


def make_parser() -> Parser:
    """The parser of the command line."""
    parser = Parser(
        prog="python -m train",
        description=__doc__,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    align = commands.add_parser("align", help="align a raw data set, on all cores")
    align.add_argument("source", type=Path, help="folder or zip (IDENTITY/IMAGE), or RecordIO")
    align.add_argument("target", type=Path, help="folder to create")
    align.add_argument("--workers", type=whole_number(), help="processes (default: one per core)")
    align.add_argument(
        "--template",
        choices=sorted(TEMPLATES),
        default="pupils96x112",
        help="alignment template (default: pupils96x112, which `fit` trains on)",
    )
    align.set_defaults(run=run_align)

    pack = commands.add_parser("pack", help="pack aligned faces for training")
    pack.add_argument("source", type=Path, help="folder or zip (IDENTITY/IMAGE), or RecordIO")
    pack.add_argument("target", type=Path, help="folder to create")
    pack.add_argument(
        "--centre-crop", action="store_true", help="cut 96 x 112 out of ArcFace's 112 x 112 crops"
    )
    pack.set_defaults(run=run_pack)

    teacher = commands.add_parser("embed-teacher", help="embed packed faces with a teacher network")
    teacher.add_argument(
        "teacher", type=Path, help="weight folder (`facehub model add` makes one), or OpenVINO .xml"
    )
    teacher.add_argument("faces", type=Path, help="packed data set")
    teacher.add_argument("target", type=Path, help=".npz to write")
    teacher.add_argument(
        "--source", default="", help="the network's name, authors and licence, for the model card"
    )
    teacher.set_defaults(run=run_embed_teacher)

    fit = commands.add_parser("fit", help="train, or resume an interrupted run")
    fit.add_argument("run_folder", type=Path, help="folder of the run")
    fit.add_argument("--config", type=Path, help="TOML file, see train/configs")
    fit.add_argument("--allow-slow", action="store_true", help="allow fp16 on a CPU")
    fit.add_argument(
        "overrides",
        nargs="*",
        type=_setting,
        metavar="name=value",
        help="settings of the config",
    )
    fit.set_defaults(run=run_fit)

    add_evaluate(commands)

    export = commands.add_parser("export", help="write a run's best weights as float16")
    export.add_argument("run_folder", type=Path, help="folder of the run")
    export.add_argument("target", type=Path, nargs="?", help="folder to write (RUN/weights)")
    export.add_argument("--dataset", required=True, choices=sorted(DATASETS), help="for the card")
    export.add_argument(
        "--flip", action="store_true", help="use flip test-time augmentation (flip TTA)"
    )
    export.add_argument(
        "--shrink",
        type=number(0),
        default=0.0,
        metavar="STRENGTH",
        help="shrink the embeddings' weak principal components; 0.5 helps after few training faces",
    )
    export.add_argument(
        "--average",
        action="append",
        default=[],
        metavar="WEIGHTS",
        help="export the mean of the run's weights and these (may be repeated)",
    )
    export.set_defaults(run=run_export)

    calibrate = commands.add_parser("calibrate", help="choose the threshold on held-out identities")
    calibrate.add_argument("weights", type=Path, help="weight folder; its config.json is rewritten")
    calibrate.add_argument("faces", type=Path, help="aligned faces: folder, zip or RecordIO")
    calibrate.add_argument("--dataset", required=True, help="name of the data set")
    goal = calibrate.add_mutually_exclusive_group(required=True)
    goal.add_argument("--fmr", type=_rate, help="choose the threshold for this false match rate")
    goal.add_argument("--keep", action="store_true", help="keep the threshold, measure its rates")
    calibrate.add_argument(
        "--uncertain-fmr", type=_rate, help="higher false match rate, for the uncertain band"
    )
    calibrate.add_argument(
        "--all",
        action="store_true",
        dest="everyone",
        help="use all identities, not one in 20: for a network that was not trained on them",
    )
    calibrate.add_argument(
        "--as-labelled",
        action="store_true",
        help="also use faces whose labels the network contradicts",
    )
    add_precision(calibrate, None, "float32, or an ONNX file's own")
    calibrate.set_defaults(run=run_calibrate)

    quantize = commands.add_parser("quantize", help="measure the activation ranges for int8")
    quantize.add_argument("weights", type=Path, help="weight folder; its config.json is rewritten")
    quantize.add_argument("faces", type=Path, help="packed or aligned faces that it was trained on")
    quantize.add_argument("--count", type=whole_number(), default=512, help="number of faces (512)")
    quantize.set_defaults(run=run_quantize)

    occlusion = commands.add_parser("occlusion", help="train the occlusion detector")
    occlusion.add_argument("faces", type=Path, help="packed data set")
    occlusion.add_argument("target", type=Path, help=".onnx to write; its error rates go beside it")
    occlusion.add_argument("--epochs", type=whole_number(), default=12, help="(default: 12)")
    occlusion.set_defaults(run=run_occlusion)

    upright = commands.add_parser("upright", help="train the upright face check")
    upright.add_argument("faces", type=Path, help="aligned faces: folder, zip or RecordIO")
    upright.add_argument("target", type=Path, help="safetensors file to write")
    for name, default, text in (
        ("count", 16000, "number of faces"),
        ("searched", 2400, "how many to rotate and detect again"),
        ("steps", 6000, "batches to train on"),
    ):
        upright.add_argument(
            f"--{name}", type=whole_number(), default=default, help=f"{text} ({default})"
        )
    upright.set_defaults(run=run_upright)

    publish = commands.add_parser("publish", help="upload a run's weights to the Hub in one commit")
    publish.add_argument("run_folder", type=Path, help="run, or folder written by `export`")
    publish.add_argument("--output", type=Path, help="also write the files to this folder")
    _add_hub_options(publish)
    publish.set_defaults(run=run_publish)

    space = commands.add_parser("space", help="upload the demo to the Hub as a Space")
    space.add_argument(
        "--model",
        type=matching(_REPOSITORY + "(@.+)?", "OWNER/NAME@COMMIT"),
        metavar="OWNER/NAME@COMMIT",
        help="weights (default: weights/)",
    )
    _add_hub_options(space)
    space.set_defaults(run=run_space)

    return parser


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = make_parser()
    args, rest = parser.parse_known_args(words)
    if rest and (args.run is not run_fit or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:  # before Python 3.12.7, argparse stops collecting them at an option
        for word in rest:
            if "=" not in word:
                parser.error(f"argument name=value: must be NAME=VALUE, not {word!r}")
        args.overrides += rest
    return args


_rate = number(0, 1, open_ends=True)
_setting = matching(r"[^=]+=.*", "NAME=VALUE")


def _add_hub_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "repo",
        type=matching(_REPOSITORY, "OWNER/NAME"),
        metavar="OWNER/NAME",
        help="repository on the Hub",
    )
    parser.add_argument("--private", action="store_true", help="if the repository is created")
    parser.add_argument("--revision", help="branch to commit to (default: main)")
    parser.add_argument("--create-pr", action="store_true", help="open a pull request")
    parser.add_argument("--dry-run", action="store_true", help="show what would be sent")


def run_align(args: argparse.Namespace) -> int:
    from train.data.align import FAILURES, align, read_failures

    counts = align(args.source, args.target, args.workers, TEMPLATES[args.template])
    _print_counts(counts, width=14)
    return report_left_out(read_failures(args.target), f"{args.target / FAILURES} lists all")


def run_pack(args: argparse.Namespace) -> int:
    from train.data.pack import INDEX, pack, read_left_out

    counts = pack(args.source, args.target, centre_crop=args.centre_crop)
    _print_counts(counts)
    return report_left_out(read_left_out(args.target), f"{args.target / INDEX} lists all")


def run_embed_teacher(args: argparse.Namespace) -> None:
    from train.data.teacher import embed_teacher

    _print_counts(embed_teacher(args.teacher, args.faces, args.target, source=args.source))


def _print_counts(counts: dict[str, int], width: int = 12) -> None:
    for name, count in counts.items():
        print(f"{name:<{width}}{count:>10,}")


def run_fit(args: argparse.Namespace) -> None:
    from train.config import load_config
    from train.fit import fit
    from train.stop import StoppedError

    try:
        fit(load_config(args.config, args.overrides), args.run_folder, allow_slow=args.allow_slow)
    except StoppedError as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(128 + signal.SIGTERM)


def run_export(args: argparse.Namespace) -> None:
    from train.release.export import export

    target = args.target or args.run_folder / "weights"
    encoder = export(
        args.run_folder,
        target,
        dataset=args.dataset,
        flip=args.flip,
        shrink=args.shrink,
        average=args.average,
    )
    print(encoder.spec.fingerprint)


def run_calibrate(args: argparse.Namespace) -> int:
    from train.evaluation.calibrate import calibrate_weights, describe

    report = calibrate_weights(
        args.weights,
        args.faces,
        dataset=args.dataset,
        target_fmr=None if args.keep else args.fmr,
        uncertain_fmr=args.uncertain_fmr,
        precision=args.precision,
        everyone=args.everyone,
        as_labelled=args.as_labelled,
    )
    print(describe(report))
    return report_ignored(args.faces)


def run_quantize(args: argparse.Namespace) -> None:
    from train.release.quantize import quantize

    agreement = quantize(args.weights, args.faces, count=args.count)
    print(
        f"{len(agreement)} faces; cosine of the int8 and float32 embeddings: "
        f"mean {agreement.mean():.4f}, lowest {agreement.min():.4f}"
    )


def run_occlusion(args: argparse.Namespace) -> None:
    from train.occlusion.fit import train_occlusion

    for region, rows in train_occlusion(args.faces, args.target, epochs=args.epochs).items():
        for kind, row in rows.items():
            print(f"{region:<6} {kind:<24}", "  ".join(f"{k} {v:g}" for k, v in row.items()))


def run_upright(args: argparse.Namespace) -> None:
    from train.upright import train_upright

    counts = train_upright(
        args.faces, args.target, count=args.count, searched=args.searched, steps=args.steps
    )
    _print_counts(counts, width=16)


def run_publish(args: argparse.Namespace) -> None:
    from train.release.publish import make_release, release_folder

    files = make_release(release_folder(args.run_folder), args.repo)
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(args.output / name, content)
    _push(args, files, "Publish weights with facehub")
    if args.dry_run:
        print(files["README.md"].decode())


def run_space(args: argparse.Namespace) -> None:
    from train.release.space import make_space

    variables = {MODEL_VARIABLE: args.model} if args.model else None
    _push(args, make_space(args.model), "Publish the demo", space=True, variables=variables)


def _push(args: argparse.Namespace, files: dict[str, bytes], message: str, **options: Any) -> None:
    from train.release.hub import push

    for name, content in sorted(files.items()):
        print(f"{hashlib.sha256(content).hexdigest()} {len(content):>12,} {name}")
    if args.dry_run:
        print(f"{len(files)} files; nothing was sent to {args.repo}")
        return
    commit = push(
        files,
        args.repo,
        message=message,
        private=args.private,
        revision=args.revision,
        create_pr=args.create_pr,
        **options,
    )
    print(commit.pr_url or commit.commit_url)
    if not options.get("space"):
        print(f"pinned: {args.repo}@{commit.oid}")


if __name__ == "__main__":
    sys.exit(main())
