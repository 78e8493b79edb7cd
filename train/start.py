"""Where a run starts: from another run's checkpoint, or from an encoder's weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from facehub.encoder import FaceEncoder
from train.checkpoint import load_checkpoint
from train.data.pack import PackedFaces
from train.evaluation.validate import embed_at
from train.step import TrainingStep

PROJECTED = 8192  # faces that the map to the teachers' vectors is fitted to


def start_from(
    source: str,
    module: TrainingStep,
    faces: PackedFaces,
    training: np.ndarray,
    labels: np.ndarray,
    size: tuple[int, int],
) -> None:
    """Take over what `source` has learned.

    Of a run: all but the map to its teachers' vectors and what a margin keeps count of, as the next
    teachers and margin may be others. Of an encoder's weights, the encoder; each identity's centre
    is then its faces' mean embedding. The map to the teachers' vectors is fitted to some faces. A
    depthwise head goes on from an average one, whose embeddings it gives at first.

    Args:
        source: run folder, folder of weights, or "owner/name" on the Hub.
        module: to change, on the device that embeds the faces.
        faces: packed data set.
        training: int (N,), positions of the faces that the run learns from.
        labels: int64 (N,), the module's number for each one's identity.
        size: (height, width) of the run's input at first.

    Raises:
        WeightsError: there is neither a run nor weights, or the weights are damaged.
        ValueError: the stem or the head is another, or a run had other identities.
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
        if "encoder.pool.weight" not in learned:  # of a depthwise head, which averages at first
            fresh.append("encoder.pool.weight")
        own = {k: v for k, v in module.state_dict().items() if k.startswith(tuple(fresh))}
        module.load_state_dict(own | learned)
    except RuntimeError as error:
        raise ValueError(
            f"{source} does not fit: stem, head and training identities must be as in this run "
            "(but a depthwise head may go on from an average one)"
        ) from error
    if state is None:
        module.encoder.eval()
        embeddings = embed_at(module.encoder, faces.crops, training, size)
        module.head.init_centres(torch.from_numpy(embeddings), torch.from_numpy(labels))
    if module.teacher is not None:
        some = np.sort(np.random.default_rng(0).permutation(len(training))[:PROJECTED])
        module.encoder.eval()
        features = embed_at(module.encoder, faces.crops, training[some], size, normalized=False)
        device = module.head.weight.device
        module.teacher.init_projection(
            torch.from_numpy(features).to(device), torch.from_numpy(some).to(device)
        )
