"""What `facehub info` does, and what several commands share."""

from __future__ import annotations

import argparse
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from facehub._version import __version__
from facehub.cli.output import EXIT_YES, line, print_json
from facehub.errors import FaceHubError
from facehub.model.onnx import choose_precision
from facehub.model.runtime import choose_device, runtime_version
from facehub.model.spec import ModelSpec
from facehub.model.store import default_weights, read_weights, weights_folder
from facehub.pipeline import FaceRecognizer


def run_info(args: argparse.Namespace) -> int:
    """`facehub info`: reads the description of the weights, but loads no network."""
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


def _describe(spec: ModelSpec) -> str:
    if spec.architecture == "onnx":
        return f"ONNX network {spec.file}"
    text = f"{spec.architecture}, {spec.stem} stem" + ", last stage dilated" * spec.dilated
    return text if spec.head == "average" else f"{text}, {spec.head} head"


# --- what the commands share ----------------------------------------------------------------------


def load_recognizer(args: argparse.Namespace) -> FaceRecognizer:
    """Load the weights on the device and in the precision that the command line names."""
    return FaceRecognizer.from_pretrained(
        args.weights, device=args.device, precision=args.precision
    )


def check_folder(file: Path) -> None:
    """Refuse a file that cannot be written, before the work."""
    if not os.path.isdir(file.parent):
        raise FaceHubError(f"{file} cannot be written: there is no folder {file.parent}.")
    if os.path.exists(file) and not os.path.isfile(file):
        raise FaceHubError(f"{file} cannot be written: it is not a regular file.")
