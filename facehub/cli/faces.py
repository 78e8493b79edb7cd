"""What `facehub verify` and `info` do, and what all commands share."""

from __future__ import annotations

import argparse
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from facehub._version import __version__
from facehub.cli.output import (
    EXIT_CANNOT_TELL,
    EXIT_NO,
    EXIT_UNCERTAIN,
    EXIT_YES,
    line,
    print_issues,
    print_json,
)
from facehub.errors import FaceHubError, ImageError
from facehub.model.onnx import choose_precision
from facehub.model.runtime import choose_device, runtime_version
from facehub.model.spec import ModelSpec
from facehub.model.store import default_weights, read_weights, weights_folder
from facehub.pipeline import FaceRecognizer
from facehub.results import Decision, EmbeddedFace
from facehub.verification import compare_faces

_EXIT_CODES = {
    Decision.SAME: EXIT_YES,
    Decision.DIFFERENT: EXIT_NO,
    Decision.UNCERTAIN: EXIT_UNCERTAIN,
    Decision.CANNOT_TELL: EXIT_CANNOT_TELL,
    Decision.UNCALIBRATED: EXIT_CANNOT_TELL,
}


def run_verify(args: argparse.Namespace) -> int:
    """`facehub verify`."""
    recognizer = load_recognizer(args)
    first, second = (_faces(path, recognizer) for path in (args.first, args.second))
    result = compare_faces(
        first,
        second,
        recognizer.spec,
        policy=args.faces,
        threshold=args.threshold,
        reject_issues=args.reject,
    )
    if args.json:
        print_json(**result.to_dict())
        return _EXIT_CODES[result.decision]
    print(
        {
            Decision.SAME: "same person",
            Decision.UNCERTAIN: "uncertain",
            Decision.DIFFERENT: "different people",
            Decision.CANNOT_TELL: f"cannot tell: {result.reason}",
            Decision.UNCALIBRATED: "uncalibrated: these weights have no threshold; give one with "
            "--threshold, or measure it with `python -m train calibrate`",
        }[result.decision]
    )
    if result.similarity is not None:
        limit = "" if result.threshold is None else f", threshold {result.threshold:.3f}"
        print(f"similarity {result.similarity:.3f}{limit}")
    for path, face in ((args.first, result.first), (args.second, result.second)):
        print_issues(str(path), face)
    return _EXIT_CODES[result.decision]


def run_info(args: argparse.Namespace) -> int:
    """`facehub info`: reads the weights, but starts neither the network nor the landmarker."""
    name = args.weights or default_weights()
    spec = read_weights(weights_folder(name)).spec
    device = choose_device(args.device)
    facts: dict[str, Any] = {
        "facehub": __version__,
        "weights": str(name),
        "fingerprint": spec.fingerprint,
        "network": _describe(spec),
        "crop_width": spec.template.width,
        "crop_height": spec.template.height,
        "embedding_size": spec.embedding_size,
        "flip": spec.flip,
        "threshold": spec.threshold,
        "uncertain_from": None,
    }
    if spec.threshold is not None:
        facts["uncertain_from"] = round(spec.threshold - spec.uncertain_margin, 6)
    if spec.calibration is not None:
        facts |= {
            "fmr": spec.calibration.fmr,
            "fnmr": spec.calibration.fnmr,
            "impostor_pairs": spec.calibration.impostor_pairs,
            "calibrated_on": spec.calibration.dataset,
        }
    facts |= {
        "engine": f"ONNX Runtime {runtime_version()}",
        "device": device,
        "precision": choose_precision(spec, device, args.precision),
        "mediapipe": metadata.version("mediapipe"),
        "python": platform.python_version(),
    }
    if args.json:
        print_json(**facts)
    else:
        width = max(map(len, facts))
        for key, value in facts.items():
            if value is not None:
                print(line(f"{key.replace('_', ' '):<{width}}  {value}"))
    return EXIT_YES


def _faces(path: Path, recognizer: FaceRecognizer) -> list[EmbeddedFace]:
    try:
        return recognizer.faces(path)
    except ImageError as error:  # its message does not say which picture
        raise type(error)(f"{path}: {error}") from error


def _describe(spec: ModelSpec) -> str:
    if spec.architecture == "onnx":
        return f"ONNX network {spec.file}"
    text = f"{spec.architecture}, {spec.stem} stem" + ", last stage dilated" * spec.dilated
    return text if spec.head == "average" else f"{text}, {spec.head} head"


# --- what the commands share ----------------------------------------------------------------------


def load_recognizer(args: argparse.Namespace) -> FaceRecognizer:
    """The weights, device and precision that the command line asks for."""
    return FaceRecognizer.from_pretrained(
        args.weights, device=args.device, precision=args.precision
    )


def check_folder(file: Path) -> None:
    """Find out before the work whether the file can be written after it."""
    if not os.path.isdir(file.parent):
        raise FaceHubError(f"{file} cannot be written: there is no folder {file.parent}.")
    if os.path.exists(file) and not os.path.isfile(file):
        raise FaceHubError(f"{file} cannot be written: it is not a regular file.")
