"""What `facehub verify`, `embed` and `info` do, and what all commands share.

`facehub/cli/main.py` reads the arguments; `facehub/cli/gallery.py` has the other commands.

Imports that load PyTorch or MediaPipe stand inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from facehub.cli.output import (
    EXIT_CANNOT_TELL,
    EXIT_NO,
    EXIT_UNCERTAIN,
    EXIT_YES,
    face_json,
    failures_json,
    line,
    print_issues,
    print_json,
    progress,
    report_failures,
    rounded,
)
from facehub.errors import FaceHubError


def run_verify(args: argparse.Namespace) -> int:
    from facehub.verification import Decision, verify

    result = verify(
        args.first,
        args.second,
        policy=args.faces,
        threshold=args.threshold,
        recognizer=load_recognizer(args),
    )
    if args.json:
        print_json(
            decision=result.decision,
            similarity=rounded(result.similarity),
            threshold=result.threshold,
            uncertain_margin=result.uncertain_margin,
            reason=result.reason,
            first=face_json(result.first),
            second=face_json(result.second),
        )
    else:
        print(
            {
                Decision.SAME: "same person",
                Decision.UNCERTAIN: "uncertain",
                Decision.DIFFERENT: "different people",
                Decision.CANNOT_TELL: f"cannot tell: {result.reason}",
            }[result.decision]
        )
        if result.similarity is not None:
            print(f"similarity {result.similarity:.3f}, threshold {result.threshold:.3f}")
        for path, face in ((args.first, result.first), (args.second, result.second)):
            print_issues(path, face)
    return {
        Decision.SAME: EXIT_YES,
        Decision.DIFFERENT: EXIT_NO,
        Decision.UNCERTAIN: EXIT_UNCERTAIN,
        Decision.CANNOT_TELL: EXIT_CANNOT_TELL,
    }[result.decision]


def run_embed(args: argparse.Namespace) -> int:
    import numpy as np

    from facehub.io.files import write_atomically

    photos = find_photos(args.photos)
    check_folder(args.output)
    recognizer = load_recognizer(args)
    names: list[str] = []
    boxes: list[tuple[float, float, float, float]] = []
    embeddings: list[np.ndarray] = []
    failures: list[tuple[Path, FaceHubError]] = []
    without = 0
    for path in progress(photos, args):
        try:
            faces = recognizer.faces(path, search="thorough")
        except FaceHubError as error:
            failures.append((path, error))
            continue
        without += not faces
        for face in faces:
            names.append(str(path))
            boxes.append(face.face.box)
            embeddings.append(face.embedding)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        names=np.array(names, dtype=str),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        embeddings=np.array(embeddings, np.float32).reshape(-1, recognizer.spec.embedding_size),
        fingerprint=np.array(recognizer.fingerprint),
    )
    if len(failures) < len(photos):  # else a file that is there may be worth more
        try:
            write_atomically(args.output, buffer.getvalue(), private=True)
        except OSError as error:
            raise FaceHubError(f"{args.output} cannot be written: {error.strerror}.") from error
    if args.json:
        print_json(
            output=str(args.output),
            photos=len(photos),
            faces=len(names),
            without_face=without,
            failed=failures_json(failures),
        )
    else:
        print(f"{len(names)} faces from {len(photos)} photos ({without} without a face)")
        print(line(f"{args.output}: embeddings are biometric data; guard it like the photos"))
    return report_failures(failures)


def run_info(args: argparse.Namespace) -> int:
    import platform

    import mediapipe

    import facehub
    from facehub.model.store import default_weights

    recognizer = load_recognizer(args)
    config, calibration = recognizer.spec, recognizer.spec.calibration
    network = [config.architecture, f"{config.stem} stem", f"{config.embedding_size}-d"]
    network += ["last stage dilated"] * config.dilated + ["crop and mirror image"] * config.flip
    facts: dict[str, Any] = {
        "facehub": facehub.__version__,
        "weights": args.weights or default_weights(),
        "fingerprint": recognizer.fingerprint,
        "encoder": ", ".join(network),
        "crop": f"{config.template.width} x {config.template.height}",
        "threshold": config.threshold,
        "uncertain from": round(config.threshold - config.uncertain_margin, 6),
    }
    if calibration is not None:
        facts |= {
            "FMR": calibration.fmr,
            "FNMR": calibration.fnmr,
            "impostor pairs": calibration.impostor_pairs,
            "calibrated on": calibration.dataset,
        }
    facts |= {
        "engine": recognizer.embedder.description,
        "mediapipe": mediapipe.__version__,
        "python": platform.python_version(),
    }
    if args.json:
        print_json(**facts)
    else:
        width = max(map(len, facts))
        for key, value in facts.items():
            print(line(f"{key:<{width}}  {value}"))
    return EXIT_YES


# --- what the commands share ----------------------------------------------------------------------


def load_recognizer(args: argparse.Namespace) -> Any:
    from facehub.pipeline import FaceRecognizer

    return FaceRecognizer.from_pretrained(args.weights)


def check_folder(file: Path) -> None:
    """Find out before the work whether the file can be written after it."""
    if not os.path.isdir(file.parent):
        raise FaceHubError(f"{file} cannot be written: there is no folder {file.parent}.")


def find_photos(paths: Iterable[Path]) -> list[Path]:
    from facehub.io.images import list_images

    photos = []
    for path in paths:
        found = list_images(path) if os.path.isdir(path) else [path]
        if not found:
            raise FaceHubError(f"{path} holds no JPEG, PNG or WebP picture.")
        photos += found
    return photos
