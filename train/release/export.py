"""Export a run's best weights to a release folder."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facehub._version import __version__
from facehub.encoder import FaceEncoder
from facehub.errors import WeightsError
from facehub.io.files import write_atomically
from facehub.model.store import write_spec
from train.checkpoint import CHECKPOINT
from train.data.pack import PackedFaces, open_pack
from train.data.sample import sample_training
from train.model.distill import teacher_source
from train.records import read_metrics
from train.release.quantize import COUNT, activation_ranges
from train.release.shrink import COUNT as SHRINK_COUNT
from train.release.shrink import shrink_components

_ALIKE = ("stem", "head", "dilated", "embedding_size", "preprocessing", "template")  # in a mean


@torch.no_grad()
def export(
    run: Path,
    target: Path,
    *,
    dataset: str,
    flip: bool = False,
    shrink: float = 0.0,
    average: Sequence[str] = (),
) -> FaceEncoder:
    """Round weights to float16, which halves the file; add activation ranges and the records.

    Activation ranges for int8 are measured on a sample of the run's training faces.

    Args:
        run: folder of the run.
        target: folder to write; its calibration and evaluation are removed, because they are of
            other weights.
        dataset: key of `history.DATASETS`, for the model card.
        flip: whether embeddings use flip test-time augmentation, see `ModelSpec`.
        shrink: how strongly weak principal components are shrunk, see `shrink_components`.
        average: weight folders or Hub repositories whose mean with the run's weights is exported (a
            uniform model soup, Wortsman et al., ICML 2022). It works for weights that the run
            started from, and for runs that started from the same weights.

    Returns:
        The exported encoder.

    Raises:
        WeightsError: weights are damaged or of another architecture, or too large for float16.
        ValueError: the run has no records, its packed faces no longer exist, or `shrink` is
            negative.
    """
    encoder = FaceEncoder.from_pretrained(run / "best")
    configs, faces = _read_run(run)
    training = _training(run, dataset, configs, faces)
    if average:
        _average(encoder, [FaceEncoder.from_pretrained(source) for source in average])
        training["average"] = list(average)
    if shrink:
        shrink_components(encoder, sample_training(faces, SHRINK_COUNT), shrink)
        training["shrink"] = shrink
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
    ranges = activation_ranges(encoder.tensors(), encoder.spec, sample_training(faces, COUNT))
    encoder.spec = dataclasses.replace(encoder.spec, activation_ranges=ranges)
    write_spec(target, encoder.spec)
    write_atomically(target / "training.json", (json.dumps(training, indent=2) + "\n").encode())
    for name in ("metrics.csv", "curves.png"):
        shutil.copyfile(run / name, target / name)
    return encoder


def _average(encoder: FaceEncoder, others: list[FaceEncoder]) -> None:
    """Replace the weights of an encoder by the mean of all.

    Raises:
        WeightsError: an architecture or a template differs.
    """
    for other in others:
        if any(getattr(other.spec, name) != getattr(encoder.spec, name) for name in _ALIKE):
            raise WeightsError("Only weights of one architecture and alignment have a mean.")
    states = [e.state_dict() for e in (encoder, *others)]
    encoder.load_state_dict(
        {
            name: torch.stack([state[name] for state in states]).mean(0)
            if value.is_floating_point()
            else value
            for name, value in states[0].items()
        }
    )


def _read_run(run: Path) -> tuple[list[dict[str, Any]], PackedFaces]:
    """Read the settings of the run and its predecessors, and its data set."""
    if not all((run / name).is_file() for name in (CHECKPOINT, "config.json", "metrics.csv")):
        raise ValueError(f"{run} is not a run of `python -m train fit`")
    configs = _configs(run)
    return configs, open_pack(Path(configs[-1]["data"]))


def _training(
    run: Path, dataset: str, configs: list[dict[str, Any]], faces: PackedFaces
) -> dict[str, Any]:
    """Make the content of `training.json`."""
    training = ~faces.heldout if configs[-1].get("heldout", True) else faces.labels >= 0
    return {
        "facehub": __version__,
        "dataset": dataset,
        "faces": int(training.sum()),
        "identities": len(np.unique(faces.labels[training])),
        "epochs": len(read_metrics(run)),
        "configs": configs,
        "teachers": [source for source in map(teacher_source, _teachers(configs)) if source],
    }


def _teachers(configs: list[dict[str, Any]]) -> list[Path]:
    """List the teachers' files of all runs, each once."""
    names = (name for config in configs for name in config.get("teachers", []))
    return [Path(name) for name in dict.fromkeys(names)]


def _configs(source: Path) -> list[dict[str, Any]]:
    """Settings of a run, or of exported weights, preceded by those of its predecessors.

    Weights from the Hub, or without records, have none: the first run's `init` then names them.
    """
    if not (source / CHECKPOINT).exists():
        records = source / "training.json"
        return json.loads(records.read_text())["configs"] if records.exists() else []
    own = json.loads((source / "config.json").read_text())
    earlier = _configs(Path(own["init"])) if own["init"] else []
    return [*(config for config in earlier if config != own), own]  # it may have replaced its init
