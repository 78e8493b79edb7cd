"""Turn a run's best weights into the folder that ships."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

import facehub
from facehub.encoder import FaceEncoder
from facehub.io.files import write_atomically
from train.checkpoint import CHECKPOINT
from train.data.pack import open_pack
from train.records import read_metrics


@torch.no_grad()
def export(run: Path, target: Path, *, dataset: str, flip: bool = False) -> FaceEncoder:
    """Round weights to float16, which halves the file, and add the run's records.

    Args:
        run: folder of the run.
        target: folder to write; its calibration and evaluation are dropped, as they held for other
            weights.
        dataset: key of `card.DATASETS`, for the model card.
        flip: whether embeddings are to add the mirror image's, see `ModelSpec`.

    Returns:
        The encoder as it was written.

    Raises:
        WeightsError: the run's best weights are no good, or a weight is too large for float16.
        ValueError: the run has no records.
    """
    encoder = FaceEncoder.from_pretrained(run / "best")
    training = _training(run, dataset)
    encoder.load_state_dict(
        {
            name: value.half().float() if value.is_floating_point() else value
            for name, value in encoder.state_dict().items()
        }
    )
    encoder.spec = dataclasses.replace(encoder.spec, calibration=None, flip=flip)
    target.mkdir(parents=True, exist_ok=True)
    for name in ("evaluation.json", "evaluation.png"):
        (target / name).unlink(missing_ok=True)
    encoder.save_pretrained(target)
    write_atomically(target / "training.json", (json.dumps(training, indent=2) + "\n").encode())
    for name in ("metrics.csv", "curves.png"):
        shutil.copyfile(run / name, target / name)
    return encoder


def _training(run: Path, dataset: str) -> dict[str, Any]:
    """The content of `training.json`: data, epochs and settings of the run and its forerunners."""
    if not all((run / name).is_file() for name in (CHECKPOINT, "config.json", "metrics.csv")):
        raise ValueError(f"{run} is no run of `python -m train fit`")
    configs = _configs(run)
    faces = open_pack(Path(configs[-1]["data"]))
    training = ~faces.heldout
    return {
        "facehub": facehub.__version__,
        "dataset": dataset,
        "faces": int(training.sum()),
        "identities": len(np.unique(faces.labels[training])),
        "epochs": len(read_metrics(run)),
        "configs": configs,
    }


def _configs(source: Path) -> list[dict[str, Any]]:
    """Settings of the run, or of the weights that were exported, after those of its forerunners.

    Of weights from the Hub, or without records, none: the first run's `init` then names them.
    """
    if not (source / CHECKPOINT).exists():
        records = source / "training.json"
        return json.loads(records.read_text())["configs"] if records.exists() else []
    own = json.loads((source / "config.json").read_text())
    earlier = _configs(Path(own["init"])) if own["init"] else []
    return [*(config for config in earlier if config != own), own]  # exported over its own start
