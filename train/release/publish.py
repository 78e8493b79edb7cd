"""A release: a run's weights, evaluation and card as one commit on the Hub."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from facehub.align import align_faces
from facehub.encoder import FaceEncoder
from facehub.errors import FaceHubError
from facehub.io.images import list_images, load_image
from facehub.model.graph import to_onnx
from facehub.model.store import CONFIG_FILE, WEIGHTS_FILE
from train.release.card import render_card

EXAMPLES = Path(__file__).parents[2] / "examples"
RECORDS = ("evaluation.json", "evaluation.png", "training.json", "metrics.csv", "curves.png")
TOLERANCE = 1e-4


class ReleaseError(FaceHubError):
    """The run is not ready to be published."""


def release_folder(run: Path) -> Path:
    """Where a run's release lies: `RUN/weights`, or the folder itself.

    Raises:
        ReleaseError: neither holds weights.
    """
    for folder in (run / "weights", run):
        if (folder / WEIGHTS_FILE).is_file():
            return folder
    raise ReleaseError(f"{run} has no weights to publish: `python -m train export {run}` first.")


def make_release(folder: Path, repo: str) -> dict[str, bytes]:
    """All that goes to the Hub.

    Args:
        folder: weights, calibrated and evaluated, with the run's records.
        repo: `owner/name`, for the card.

    Returns:
        Content by file name.

    Raises:
        ReleaseError: a record is missing, or belongs to other weights.
        WeightsError: the weights are damaged.
    """
    encoder = FaceEncoder.from_pretrained(folder)
    missing = [name for name in RECORDS if not (folder / name).is_file()]
    if "training.json" in missing:
        raise ReleaseError(f"{folder} lacks training.json: `python -m train export` writes it.")
    if encoder.spec.calibration is None:
        raise ReleaseError(f"{folder} is not calibrated: `python -m train calibrate {folder} ...`.")
    evaluate = f"`python -m train evaluate LFW.zip --weights {folder} --output {folder}`"
    if missing:
        raise ReleaseError(f"{folder} lacks {', '.join(missing)}: {evaluate}.")
    evaluation = json.loads((folder / "evaluation.json").read_text())
    measured = evaluation["fingerprint"], evaluation["threshold"]
    if measured != (encoder.spec.fingerprint, encoder.spec.threshold):
        raise ReleaseError(
            f"evaluation.json was measured with other weights or another threshold: {evaluate}."
        )
    names = (CONFIG_FILE, WEIGHTS_FILE, *RECORDS)
    files = {name: (folder / name).read_bytes() for name in names}
    files["model.onnx"] = checked_onnx(encoder)
    files["README.md"] = render_card(folder, repo).encode()
    return files


def checked_onnx(encoder: FaceEncoder) -> bytes:
    """The encoder as ONNX, once it agrees with PyTorch on the faces in `examples/`.

    Raises:
        ReleaseError: an embedding differs by more than 1e-4.
    """
    import onnxruntime

    content = to_onnx(encoder)
    pictures = [load_image(path) for path in list_images(EXAMPLES)]
    template = encoder.spec.template
    crops = np.stack([f.crop for p in pictures for f in align_faces(p, template=template)])
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"crops": crops})
    difference = float(np.abs(found - encoder.embed(crops)).max())
    if not difference <= TOLERANCE:
        raise ReleaseError(f"model.onnx differs from PyTorch by {difference:.2g}.")
    return content
