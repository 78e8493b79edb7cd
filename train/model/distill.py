"""Distillation: learn from another network's embeddings of the same faces.

Two losses of the literature: feature regression through a learned map, as in FitNets (Romero et
al., ICLR 2015), and the distances within a batch, as in RKD (Park et al., CVPR 2019).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


class Distillation(nn.Module):
    """Two losses against a teacher's vectors; the module is dropped after training.

    `projection` (as FitNets' hints): mean squared error between the teacher's raw vectors and the
    features after a linear map, which is learned too.
    `relation` (as RKD's distance loss): mean squared error between the cosines of a batch's
    embeddings and the teacher's similarities. These come from its Euclidean distances d, as
    1 - d^2 / (mean d^2): 1 for equal vectors, 0 for a pair at the average distance.

    Args:
        vectors: float32 (N, T), one for each training face.
        size: length of the features.
    """

    vectors: Tensor

    def __init__(self, vectors: Tensor, size: int) -> None:
        super().__init__()
        mean, std = vectors.mean(0), vectors.std()
        self.register_buffer("vectors", (vectors - mean) / std, persistent=False)
        self.mean_square = 2 * float(self.vectors.var(0).sum())
        self.project = nn.Linear(size, vectors.shape[1])

    def forward(self, features: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        """(projection loss, relation loss) of a batch.

        Args:
            features: (N, size), before the L2 normalisation.
            indices: int64 (N,), positions of the faces in `vectors`.
        """
        with torch.autocast(features.device.type, enabled=False):
            features = features.float()
            teacher = self.vectors[indices]
            projection = functional.mse_loss(self.project(features), teacher)
            embeddings = functional.normalize(features)
            wanted = 1 - torch.cdist(teacher, teacher).square() / self.mean_square
            others = ~torch.eye(len(features), dtype=torch.bool, device=features.device)
            difference = embeddings @ embeddings.T - wanted
            return projection, difference[others].square().mean()


def load_teacher(path: Path, names: np.ndarray) -> Tensor:
    """A teacher's vectors in the order of `names`.

    Args:
        path: `.npz` with `names` (bytes or str) and `embeddings` (N, T).
        names: (M,) faces to look up.

    Returns:
        float32 (M, T).

    Raises:
        ValueError: a face is missing.
    """
    with np.load(path) as file:
        known = [n.decode() if isinstance(n, bytes) else str(n) for n in file["names"]]
        embeddings = file["embeddings"]
    position = {name: i for i, name in enumerate(known)}
    missing = [name for name in names if name not in position]
    if missing:
        raise ValueError(f"{path} lacks {len(missing)} faces, {missing[0]} for one")
    rows = [position[name] for name in names]
    return torch.from_numpy(embeddings[rows].astype(np.float32))
