"""`python -m train align | pack | fit | evaluate | export | calibrate`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import zipfile
from pathlib import Path

from facehub.encoder import FaceEncoder
from facehub.errors import FaceHubError
from facehub.weights import default_weights


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    align = commands.add_parser("align", help="align a raw data set, on all cores")
    align.add_argument("source", type=Path, help="folder or zip (IDENTITY/IMAGE), or RecordIO")
    align.add_argument("target", type=Path, help="folder to make")
    align.add_argument("--workers", type=int, help="processes (default: one per core)")
    align.set_defaults(run=run_align)

    pack = commands.add_parser("pack", help="pack aligned faces for training")
    pack.add_argument("source", type=Path, help="folder or zip (IDENTITY/IMAGE), or RecordIO")
    pack.add_argument("target", type=Path, help="folder to make")
    pack.set_defaults(run=run_pack)

    fit = commands.add_parser("fit", help="train, or go on with an interrupted run")
    fit.add_argument("run_folder", type=Path, help="folder of the run")
    fit.add_argument("--config", type=Path, help="TOML file, see train/configs")
    fit.add_argument("overrides", nargs="*", metavar="name=value", help="settings of the config")
    fit.set_defaults(run=run_fit)

    evaluate = commands.add_parser("evaluate", help="LFW, 10 folds, through the whole chain")
    evaluate.add_argument("lfw", type=Path, help="zip with pairs.txt and the pictures")
    evaluate.add_argument("--weights", help="folder or owner/name@revision (default: as the demo)")
    evaluate.add_argument("--flip", action="store_true", help="add the mirrored face's embedding")
    evaluate.add_argument("--output", type=Path, help="folder for evaluation.json and .png")
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    evaluate.set_defaults(run=run_evaluate)

    export = commands.add_parser("export", help="write a run's best weights as float16")
    export.add_argument("best", type=Path, help="weight folder of the run: RUN/best")
    export.add_argument("target", type=Path, help="folder to write")
    export.set_defaults(run=run_export)

    calibrate = commands.add_parser("calibrate", help="choose the threshold on held-out identities")
    calibrate.add_argument("weights", type=Path, help="weight folder; its config.json is rewritten")
    calibrate.add_argument("faces", type=Path, help="zip of aligned faces, IDENTITY/IMAGE")
    calibrate.add_argument("--dataset", required=True, help="what to call these faces")
    goal = calibrate.add_mutually_exclusive_group(required=True)
    goal.add_argument("--fmr", type=float, help="choose the threshold for this false match rate")
    goal.add_argument("--keep", action="store_true", help="keep the threshold, measure its rates")
    calibrate.add_argument(
        "--uncertain-fmr", type=float, help="higher rate, at which the uncertain band begins"
    )
    calibrate.set_defaults(run=run_calibrate)

    args = parser.parse_args(argv)
    try:
        args.run(args)
    except (FaceHubError, OSError, ValueError, zipfile.BadZipFile) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run_align(args: argparse.Namespace) -> None:
    from train.align import align

    for name, count in align(args.source, args.target, args.workers).items():
        print(f"{name:<14}{count:>10,}")


def run_pack(args: argparse.Namespace) -> None:
    from train.pack import pack

    for name, count in pack(args.source, args.target).items():
        print(f"{name:<12}{count:>10,}")


def run_fit(args: argparse.Namespace) -> None:
    from train.config import load_config
    from train.fit import fit

    fit(load_config(args.config, args.overrides), args.run_folder)


def run_evaluate(args: argparse.Namespace) -> None:
    from train.evaluate import describe, evaluate

    encoder = FaceEncoder.from_pretrained(args.weights or default_weights())
    report = evaluate(args.lfw, encoder, flip=args.flip, output=args.output)
    print(json.dumps(dataclasses.asdict(report), indent=2) if args.json else describe(report))


def run_export(args: argparse.Namespace) -> None:
    from train.export import export

    print(export(args.best, args.target).config.fingerprint)


def run_calibrate(args: argparse.Namespace) -> None:
    from train.calibrate import calibrate
    from train.heldout import read_heldout

    encoder = FaceEncoder.from_pretrained(args.weights)
    crops, labels = read_heldout(args.faces)
    encoder.config = calibrate(
        encoder.config,
        encoder.embed(crops),
        labels,
        dataset=args.dataset,
        target_fmr=None if args.keep else args.fmr,
        uncertain_fmr=args.uncertain_fmr,
    )
    encoder.save_pretrained(args.weights)
    found = encoder.config.calibration
    assert found is not None
    print(f"{len(crops)} faces of {labels.max() + 1} identities")
    print(f"uncertain from {encoder.config.threshold - encoder.config.uncertain_margin:.3f}")
    print(f"threshold {encoder.config.threshold:.3f}: FMR {found.fmr:.2g}, FNMR {found.fnmr:.4f}")
    print(f"{found.impostor_pairs:,} impostor pairs, {found.genuine_pairs:,} genuine pairs")


if __name__ == "__main__":
    sys.exit(main())
