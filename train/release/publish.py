"""Make a release: a run's weights, evaluation and model card, for one commit to the Hub."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from facehub.detect.mediapipe import default_detector
from facehub.encoder import FaceEncoder
from facehub.errors import FaceHubError
from facehub.io.images import load_image
from facehub.io.sources import find_pictures
from facehub.model.graph import Precision, to_onnx
from facehub.model.runtime import open_session
from facehub.model.store import CONFIG_FILE, WEIGHTS_FILE, Weights, read_weights
from facehub.rotated import align_faces
from train.release.card import INT8_FILE, ONNX_FILE, render_card

EXAMPLES = Path(__file__).parents[2] / "examples"
RECORDS = ("evaluation.json", "evaluation.png", "training.json", "metrics.csv", "curves.png")
# Largest difference between components of the ONNX and PyTorch embeddings of `examples/`.
TOLERANCE: dict[Precision, float] = {"float32": 1e-4, "int8": 0.05}


class ReleaseError(FaceHubError):
    """The run is not ready to be published."""


def release_folder(run: Path) -> Path:
    """Find a run's release folder: `RUN/weights`, or the folder itself.

    Raises:
        ReleaseError: neither holds weights.
    """
    for folder in (run / "weights", run):
        if (folder / WEIGHTS_FILE).is_file():
            return folder
    raise ReleaseError(f"{run} has no weights to publish: `python -m train export {run}` first.")


def make_release(folder: Path, repo: str) -> dict[str, bytes]:
    """Collect all files for the Hub.

    Args:
        folder: calibrated and evaluated weights, with the run's records.
        repo: `owner/name`, for the card.

    Returns:
        Content by file name.

    Raises:
        ReleaseError: a record is missing, or belongs to other weights.
        WeightsError: the weights are damaged.
    """
    weights = read_weights(folder)
    spec = weights.spec
    missing = [name for name in RECORDS if not (folder / name).is_file()]
    if "training.json" in missing:
        raise ReleaseError(f"{folder} lacks training.json: `python -m train export` writes it.")
    if spec.calibration is None:
        raise ReleaseError(f"{folder} is not calibrated: `python -m train calibrate {folder} ...`.")
    evaluate = f"`python -m train evaluate LFW.zip --weights {folder} --output {folder}`"
    if missing:
        raise ReleaseError(f"{folder} lacks {', '.join(missing)}: {evaluate}.")
    evaluation = json.loads((folder / "evaluation.json").read_text())
    measured = evaluation["fingerprint"]
    same = measured == spec.fingerprint or weights.has_fingerprint_v1(
        measured
    )  # as facehub 0.1 wrote it
    if not same or evaluation["threshold"] != spec.threshold:
        raise ReleaseError(
            f"evaluation.json was measured with other weights or another threshold: {evaluate}."
        )
    names = (CONFIG_FILE, WEIGHTS_FILE, *RECORDS)
    files = {name: (folder / name).read_bytes() for name in names}
    files[ONNX_FILE] = checked_onnx(weights)
    if spec.activation_ranges:
        files[INT8_FILE] = checked_onnx(weights, "int8")
    files["README.md"] = render_card(folder, repo).encode()
    return files


def checked_onnx(weights: Weights, precision: Precision = "float32") -> bytes:
    """Export the network to ONNX, and compare it with PyTorch on the faces in `examples/`.

    Args:
        weights: of a ResNet18.
        precision: of the file.

    Raises:
        ReleaseError: an embedding differs more than `TOLERANCE` allows.
    """
    assert not isinstance(weights.content, bytes)
    content = to_onnx(weights.content, weights.spec, precision=precision)
    pictures = [load_image(picture.read()) for picture in find_pictures([EXAMPLES])]
    template = weights.spec.template
    faces = [f for p in pictures for f in align_faces(p, default_detector(), template=template)]
    crops = np.stack([face.crop for face in faces])
    found = np.asarray(open_session(content).run(None, {"crops": crops})[0])
    expected = FaceEncoder.from_pretrained(weights.folder).embed(crops)
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE[precision]:
        raise ReleaseError(f"The {precision} ONNX file differs from PyTorch by {difference:.2g}.")
    return content
