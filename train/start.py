"""Where a run starts: from another run's checkpoint, or from an encoder's weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from facehub.encoder import FaceEncoder
from train.checkpoint import CHECKPOINT, load_checkpoint
from train.pack import PackedFaces
from train.step import TrainingStep
from train.validate import embed_at

CHUNK = 1024  # faces read at once


def start_from(
    source: str, module: TrainingStep, faces: PackedFaces, size: tuple[int, int]
) -> None:
    """Take over what `source` has learned.

    Of a run: all but the map to its teacher's vectors, as the next teacher may be another. Of an
    encoder's weights, the encoder; each identity's centre is then its faces' mean embedding.

    Args:
        source: run folder, folder of weights, or "owner/name" on the Hub.
        module: to change, on the device that embeds the faces.
        faces: that the run learns from.
        size: (height, width) of its input at first.

    Raises:
        WeightsError: there is neither a run nor weights, or the weights are damaged.
        ValueError: the stem is another, or a run had other identities.
    """
    state = load_checkpoint(Path(source)) if Path(source, CHECKPOINT).exists() else None
    own = module.state_dict()
    if state is not None:
        learned = {k: v for k, v in state["modules"].items() if not k.startswith("teacher.")}
    else:
        weights = FaceEncoder.from_pretrained(source).state_dict()
        learned = {f"encoder.{name}": tensor for name, tensor in weights.items()}
    kept = ("teacher.", "head.") if state is None else ("teacher.",)
    try:
        module.load_state_dict({k: v for k, v in own.items() if k.startswith(kept)} | learned)
    except RuntimeError as error:
        raise ValueError(
            f"{source} does not fit: stem and training identities must be as in this run"
        ) from error
    if state is None:
        training = np.flatnonzero(~faces.heldout)
        _, labels = np.unique(faces.labels[training], return_inverse=True)
        module.encoder.eval()
        embeddings = [
            embed_at(module.encoder, faces.crops[training[i : i + CHUNK]], size)
            for i in range(0, len(training), CHUNK)
        ]
        module.head.start_at(torch.from_numpy(np.concatenate(embeddings)), torch.from_numpy(labels))
