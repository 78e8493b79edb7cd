"""Knowledge distillation from other networks' embeddings of the same faces.

Two losses: feature regression through a learned linear map (FitNets; Romero et al., ICLR 2015), and
relational distillation of the distances within a batch (RKD; Park et al., CVPR 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from train.config import Relation

RIDGE = 0.02  # regularisation, relative to the features' variance


class Distillation(nn.Module):
    """The two distillation losses; the module is discarded after training.

    `projection` (feature regression, FitNets' hints): mean squared error between the teachers' raw
    vectors and a learned linear map of the student's features.
    `relation` (relational distillation, as RKD's distance loss): mean squared error between the
    cosines of a batch's embeddings and the teachers' similarities. With "distance", these are
    1 - d^2 / (mean d^2) for the Euclidean distances d of the teachers' vectors: 1 for equal
    vectors, 0 for a pair at the average distance. With "cosine", they are the cosines of the
    centred vectors.

    Args:
        vectors: float32 (N, T), the teachers' vectors of all training faces.
        size: length of the student's features.
        relation: definition of the teachers' similarities.
    """

    vectors: Tensor

    def __init__(self, vectors: Tensor, size: int, relation: Relation = "distance") -> None:
        super().__init__()
        mean, std = vectors.mean(0), vectors.std()
        self.register_buffer("vectors", (vectors - mean) / std, persistent=False)
        self.mean_square = 2 * float(self.vectors.var(0).sum())
        self.relation = relation
        self.project = nn.Linear(size, vectors.shape[1])

    @torch.no_grad()
    def init_projection(self, features: Tensor, indices: Tensor) -> None:
        """Fit the linear map by ridge regression, so its first gradients do not harm the encoder.

        Args:
            features: float32 (N, size), before L2 normalisation.
            indices: int64 (N,), rows of the faces in `vectors`.
        """
        features, wanted = features.double(), self.vectors[indices].double()
        mean, offset = features.mean(0), wanted.mean(0)
        centred = features - mean
        ridge = RIDGE * len(features) * centred.var() * torch.eye(features.shape[1]).to(centred)
        weight = torch.linalg.solve(centred.T @ centred + ridge, centred.T @ (wanted - offset)).T
        self.project.weight.copy_(weight)
        self.project.bias.copy_(offset - weight @ mean)

    def forward(self, features: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Compute (projection loss, relation loss) of a batch.

        Args:
            features: (N, size), before L2 normalisation.
            indices: int64 (N,), rows of the faces in `vectors`.
        """
        with torch.autocast(features.device.type, enabled=False):
            features = features.float()
            teacher = self.vectors[indices]
            projection = functional.mse_loss(self.project(features), teacher)
            embeddings = functional.normalize(features)
            others = ~torch.eye(len(features), dtype=torch.bool, device=features.device)
            difference = embeddings @ embeddings.T - self._similarities(teacher)
            return projection, difference.square().where(others, 0).sum() / others.sum()

    def _similarities(self, teacher: Tensor) -> Tensor:
        if self.relation == "cosine":
            unit = functional.normalize(teacher)
            return unit @ unit.T
        return 1 - torch.cdist(teacher, teacher).square() / self.mean_square


def load_teachers(paths: Sequence[Path], names: np.ndarray) -> Tensor:
    """Load the vectors of one teacher, or concatenate those of several with equal weight.

    With several teachers, each one's vectors are centred and scaled to a total variance of 1.

    Args:
        paths: one or more files, see `load_teacher`.
        names: (M,), faces to look up.

    Returns:
        float32 (M, T); T is the sum of the teachers' vector lengths.

    Raises:
        ValueError: a face is missing.
    """
    blocks = [load_teacher(path, names) for path in paths]
    return blocks[0] if len(blocks) == 1 else torch.cat([_standardised(b) for b in blocks], dim=1)


def load_teacher(path: Path, names: np.ndarray) -> Tensor:
    """Load a teacher's vectors in the order of `names`.

    Args:
        path: `.npz` with `names` (bytes or str) and `embeddings` (N, T).
        names: (M,), faces to look up.

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
        raise ValueError(f"{path} lacks {len(missing)} faces, {missing[0]} for example")
    rows = [position[name] for name in names]
    return torch.from_numpy(embeddings[rows].astype(np.float32))


def teacher_source(path: Path) -> str:
    """The description of the network in a teacher's file; "" if it has none or is missing."""
    if not path.is_file():
        return ""
    with np.load(path) as file:
        return str(file["source"]) if "source" in file else ""


def _standardised(vectors: Tensor) -> Tensor:
    centred = vectors - vectors.mean(0)
    return centred / centred.var(0, correction=0).sum().sqrt()
