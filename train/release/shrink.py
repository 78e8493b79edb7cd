"""Shrink the weak principal components of a network's embeddings."""

from __future__ import annotations

import numpy as np
import torch

from facehub.encoder import FaceEncoder

COUNT = 4096  # number of faces for the measurement
BATCH_SIZE = 64


@torch.no_grad()
def shrink_components(encoder: FaceEncoder, crops: np.ndarray, strength: float) -> None:
    """Multiply each principal component of the embeddings by v / (v + strength * mean of all v).

    v is the component's second moment over these faces and their mirror images, before L2
    normalisation. It is the factor of a Wiener filter whose noise is equal in all components: weak
    components, of which a small training set leaves mostly noise, count less in a cosine. The
    linear layer and the last batch norm take the map up, so the architecture stays.

    Args:
        encoder: changed in place, and left in evaluation mode.
        crops: uint8 (N, height, width, 3), RGB, aligned training faces; better several thousand.
        strength: of the noise, as a share of the mean second moment; 0 changes nothing.

    Raises:
        ValueError: the strength is negative or not finite.
    """
    if not 0 <= strength < float("inf"):
        raise ValueError(f"the strength must be 0 or more, not {strength}")
    if not strength:
        return
    found = _features(encoder.eval(), crops)
    moment = found.T @ found / len(found)
    values, directions = torch.linalg.eigh(moment)
    factors = values.clamp_min(0) / (values.clamp_min(0) + strength * values.mean())
    change = (directions * factors) @ directions.T

    norm = encoder.norm
    running_mean, running_var = norm.running_mean, norm.running_var
    assert running_mean is not None
    assert running_var is not None
    scale = norm.weight.double() / (running_var.double() + norm.eps).sqrt()
    shift = norm.bias.double() - scale * running_mean.double()
    mean = change @ found.mean(0)
    variance = (change @ found.T.cov(correction=0) @ change).diagonal()
    encoder.embedding.weight.copy_(change @ (scale[:, None] * encoder.embedding.weight.double()))
    running_mean.copy_(mean - change @ shift)  # as training would have measured them
    running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(mean)


def _features(encoder: FaceEncoder, crops: np.ndarray) -> torch.Tensor:
    """Embed crops and their mirror images without L2 normalisation: float64 (2 N, 512)."""
    rows = []
    for start in range(0, len(crops), BATCH_SIZE):
        x = encoder.preprocess(torch.from_numpy(np.asarray(crops[start : start + BATCH_SIZE])))
        rows += [encoder.features(x).double(), encoder.features(x.flip(3)).double()]
    return torch.cat(rows)
