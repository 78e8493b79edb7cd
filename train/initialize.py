"""Initialise a run from another run's checkpoint or from an encoder's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from facehub.encoder import FaceEncoder
from train.checkpoint import load_checkpoint
from train.data.pack import PackedFaces
from train.evaluation.validate import embed_at
from train.step import TrainingStep

CENTRE_NORM = 5.0  # of centres from embeddings: AdamW's steps would turn shorter ones too fast
PROJECTED = 8192  # number of faces for fitting the linear map to the teachers' vectors


def initialize(
    source: str,
    module: TrainingStep,
    faces: PackedFaces,
    training: np.ndarray,
    labels: np.ndarray,
    size: tuple[int, int],
) -> None:
    """Load the weights of `source` into a training step.

    From a run, everything is loaded except the linear map to its teachers' vectors and the margin's
    statistics, because teachers and margin may differ. From an encoder's weights, the encoder is
    loaded, and each class centre is set to its mean embedding. The linear map to the teachers'
    vectors is then fitted to a sample of faces. A depthwise head may start from an average one: it
    is initialised to the same embeddings.

    Args:
        source: run folder, weight folder, or "owner/name" on the Hub.
        module: changed in place, on the device that embeds the faces.
        faces: packed data set.
        training: int (N,), rows of the training faces.
        labels: int64 (N,), their classes.
        size: (height, width) of the run's first input size.

    Raises:
        WeightsError: `source` is neither a run nor weights, or the weights are damaged.
        ValueError: stem, head or training identities differ.
    """
    state = load_checkpoint(Path(source))
    try:
        if state is None:
            encoder = FaceEncoder.from_pretrained(source)
            learned = {f"encoder.{k}": v for k, v in encoder.state_dict().items()}
            fresh = ["head.", "teacher."]
        else:
            fresh = ["teacher.", "head.margin."]
            learned = {k: v for k, v in state["modules"].items() if not k.startswith(tuple(fresh))}
        if "encoder.pool.weight" not in learned:  # a depthwise head is initialised as an average
            fresh.append("encoder.pool.weight")
        own = {k: v for k, v in module.state_dict().items() if k.startswith(tuple(fresh))}
        module.load_state_dict(own | learned)
    except RuntimeError as error:
        raise ValueError(
            f"{source} does not fit: its stem, head and training identities must equal this run's "
            "(but a depthwise head may start from an average one)"
        ) from error
    if state is None:
        module.encoder.eval()
        embeddings = embed_at(module.encoder, faces.crops, training, size)
        norm = CENTRE_NORM if module.config.optimizer == "adamw" else None
        module.head.init_centres(torch.from_numpy(embeddings), torch.from_numpy(labels), norm)
    if module.teacher is not None:
        some = np.sort(np.random.default_rng(0).permutation(len(training))[:PROJECTED])
        module.encoder.eval()
        features = embed_at(module.encoder, faces.crops, training[some], size, normalized=False)
        device = module.head.weight.device
        module.teacher.init_projection(
            torch.from_numpy(features).to(device), torch.from_numpy(some).to(device)
        )


def freeze(encoder: FaceEncoder, stages: int) -> None:
    """Freeze weights and batch statistics of the first stages, until the next `train()`.

    Args:
        encoder: changed in place.
        stages: number of stages; the stem is the first, `layer4` the fifth.
    """
    trunk: Any = encoder.trunk
    parts = list(trunk.named_children())
    stem = nn.ModuleList(part for name, part in parts if not name.startswith("layer"))
    layers = [part for name, part in parts if name.startswith("layer")]
    for stage in [stem, *layers][:stages]:
        stage.requires_grad_(False).eval()
