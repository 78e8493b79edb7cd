"""The evaluation commands of `python -m train`."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from facehub.model.onnx import Precision
from facehub.model.store import default_weights
from train.left_out import report_ignored

if TYPE_CHECKING:
    from facehub.pipeline import FaceRecognizer
    from train.evaluation.attributes import Attributes


def add_evaluate(commands: Any) -> None:
    """Add `evaluate`, `evaluate-templates` and `evaluate-heldout` to a parser's sub-commands."""
    evaluate = commands.add_parser("evaluate", help="labelled pairs in 10 folds: LFW, .bin sets")
    evaluate.add_argument("set", type=Path, help="folder, zip or InsightFace's .bin")
    evaluate.add_argument(
        "--pairs", type=Path, help="pairs in LFW's format, or FIRST SECOND 0/1 (default: pairs.txt)"
    )
    evaluate.add_argument(
        "--alignment",
        choices=("auto", "detect", "crop"),
        default="auto",
        help="detect: find and align faces; crop: the pictures are aligned crops "
        "(default: crop for .bin and a network of ArcFace's template, else detect)",
    )
    _add_dataset(evaluate, "LFW for pairs in its format, else the file's name")
    _add_groups(evaluate)
    _add_weights(evaluate)
    evaluate.add_argument("--output", type=Path, help="folder for evaluation.json and .png")
    evaluate.set_defaults(run=run_evaluate)

    templates = commands.add_parser("evaluate-templates", help="templates 1:1: IJB-B, IJB-C")
    templates.add_argument("pictures", type=Path, help="folder or zip of the media")
    templates.add_argument(
        "--media", type=Path, required=True, help="lines of NAME TEMPLATE MEDIUM"
    )
    templates.add_argument(
        "--pairs", type=Path, required=True, help="lines of TEMPLATE TEMPLATE 0/1"
    )
    templates.add_argument(
        "--landmarks", type=Path, help="lines of NAME X1 Y1 ... X5 Y5 SCORE (default: find faces)"
    )
    templates.add_argument(
        "--alignment", choices=("detect", "crop"), default="detect", help="as for evaluate"
    )
    _add_dataset(templates, "the name of the media's file")
    _add_weights(templates)
    templates.add_argument("--output", type=Path, help="folder for templates.json")
    templates.set_defaults(run=run_templates)

    heldout = commands.add_parser("evaluate-heldout", help="held-out identities, all against all")
    heldout.add_argument("faces", type=Path, help="aligned faces: folder, zip or RecordIO")
    heldout.add_argument(
        "--all", action="store_true", dest="everyone", help="all identities, not one in 20"
    )
    _add_dataset(heldout, "the name of the faces' folder or file")
    _add_groups(heldout)
    _add_weights(heldout)
    heldout.add_argument(
        "--output", type=Path, help="folder with the evaluation.json to add the report to"
    )
    heldout.set_defaults(run=run_heldout)


def add_precision(parser: argparse.ArgumentParser, default: str | None, what: str) -> None:
    """Add `--precision`."""
    parser.add_argument(
        "--precision", choices=get_args(Precision), default=default, help=f"(default: {what})"
    )


def _add_dataset(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--dataset", help=f"name in the report (default: {default})")


def _add_groups(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--groups",
        type=Path,
        metavar="FILE",
        help="report by group: CelebA's list_attr_celeba.txt or .csv, or a CSV whose first column "
        "names pictures or people",
    )
    parser.add_argument(
        "--columns",
        nargs="+",
        metavar="NAME",
        help="its columns (default: Male, Young and Eyeglasses, or all columns of categories)",
    )


def _add_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", help="folder or owner/name@revision (default: the demo's)")
    parser.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="flip test-time augmentation (default: as in the weights' config)",
    )
    add_precision(parser, "auto", "auto, as for users")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _recognizer(args: argparse.Namespace) -> FaceRecognizer:
    from facehub.pipeline import FaceRecognizer
    from train.evaluation.embedder import load_embedder

    weights = args.weights or default_weights()
    return FaceRecognizer(load_embedder(weights, precision=args.precision, flip=args.flip))


def _attributes(args: argparse.Namespace) -> Attributes | None:
    from train.evaluation.attributes import read_attributes

    if args.groups is None:
        if args.columns:
            raise ValueError("--columns needs --groups")
        return None
    return read_attributes(args.groups, args.columns)


def _check_output(folder: Path | None) -> None:
    """Fail early if the report cannot be written."""
    if folder is not None and folder.exists() and not folder.is_dir():
        raise ValueError(f"--output must be a folder, and {folder} is not one")


def _show(report: Any, describe: Callable[[Any], str], args: argparse.Namespace) -> None:
    print(json.dumps(dataclasses.asdict(report), indent=2) if args.json else describe(report))


def run_evaluate(args: argparse.Namespace) -> None:
    from train.evaluation.evaluate import describe, evaluate

    _check_output(args.output)
    attributes = _attributes(args)
    report = evaluate(
        args.set,
        _recognizer(args),
        pairs_file=args.pairs,
        dataset=args.dataset,
        alignment=args.alignment,
        attributes=attributes,
        output=args.output,
    )
    _show(report, describe, args)


def run_templates(args: argparse.Namespace) -> None:
    from train.evaluation.templates import describe, evaluate_templates

    _check_output(args.output)
    report = evaluate_templates(
        args.pictures,
        args.media,
        args.pairs,
        _recognizer(args),
        landmarks_file=args.landmarks,
        dataset=args.dataset,
        alignment=args.alignment,
        output=args.output,
    )
    _show(report, describe, args)


def run_heldout(args: argparse.Namespace) -> int:
    from train.evaluation.heldout import describe, evaluate_heldout

    _check_output(args.output)
    attributes = _attributes(args)
    report = evaluate_heldout(
        args.faces,
        _recognizer(args),
        dataset=args.dataset,
        everyone=args.everyone,
        attributes=attributes,
        output=args.output,
    )
    _show(report, describe, args)
    return report_ignored(args.faces)
