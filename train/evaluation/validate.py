"""Score an encoder on the held-out identities."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from facehub.encoder import FaceEncoder
from train.evaluation.metrics import all_pairs, operating_points


@torch.inference_mode()
def embed_at(
    encoder: FaceEncoder,
    crops: np.ndarray,
    rows: np.ndarray,
    size: tuple[int, int],
    batch_size: int = 128,
    *,
    normalized: bool = True,
) -> np.ndarray:
    """Embed crops at the input size in use, which may be smaller than the crops.

    Args:
        encoder: in evaluation mode.
        crops: uint8 (N, 112, 96, 3), RGB; may be memory-mapped.
        rows: int (M,), rows of the crops to embed.
        size: (height, width).
        batch_size: number of crops per forward pass.
        normalized: False: the features before L2 normalisation, without flip TTA.

    Returns:
        float32 (M, 512), L2-normalised rows if `normalized`.
    """
    device = encoder.embedding.weight.device
    found = []
    for start in range(0, len(rows), batch_size):
        x = encoder.preprocess(torch.from_numpy(crops[rows[start : start + batch_size]]))
        if x.shape[2:] != size:
            x = functional.interpolate(x, size, mode="bilinear", antialias=True)
        vectors = encoder(x.to(device)) if normalized else encoder.features(x.to(device))
        found.append(vectors.cpu().numpy())
    return np.concatenate(found)


def heldout_fnmr(embeddings: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """FNMR in per cent @ FMR 1e-2, 1e-3 and 1e-4, all against all."""
    similarity, same = all_pairs(embeddings, labels)
    points = operating_points(similarity[same], similarity[~same], (1e-2, 1e-3, 1e-4))
    return {f"fnmr_{point.fmr:g}": 100 * point.fnmr.value for point in points}
