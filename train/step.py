"""What one batch costs: encoder, ArcFace and distillation in one module, as DDP wants it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from facehub.encoder import FaceEncoder
from train.config import TrainConfig
from train.model.arcface import ArcFace
from train.model.distill import Distillation, load_teacher

LOSS_NAMES = ("loss", "arcface", "projection", "relation", "accuracy")


class TrainingStep(nn.Module):
    """From augmented crops to the loss.

    Args:
        config: of the run.
        names: (N,) training faces, to look up the teacher's vectors.
        n_identities: number of training identities.
    """

    def __init__(self, config: TrainConfig, names: np.ndarray, n_identities: int) -> None:
        super().__init__()
        self.config = config
        self.encoder = FaceEncoder(config.encoder_spec)
        size = self.encoder.spec.embedding_size
        self.head = ArcFace(size, n_identities, config.scale)
        self.teacher: Distillation | None = None
        if config.teacher:
            self.teacher = Distillation(load_teacher(Path(config.teacher), names), size)

    def forward(self, x: Tensor, labels: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The loss to minimise, and its parts.

        Args:
            x: float32 (B, 3, H, W), RGB, -1 to 1, augmented.
            labels: int64 (B,), training identities.
            indices: int64 (B,), positions among the training faces.

        Returns:
            float32 scalar; float32 (5,) as `LOSS_NAMES` names them, accuracy in per cent.
        """
        config = self.config
        half = torch.float16 if config.amp == "fp16" else torch.bfloat16
        with torch.autocast(x.device.type, dtype=half, enabled=config.amp != "off"):
            features = self.encoder.features(x)
        arcface, accuracy = self.head(features, labels)
        loss = config.arcface_weight * arcface
        projection = relation = arcface.new_zeros(())
        if self.teacher is not None:
            projection, relation = self.teacher(features, indices)
            loss = loss + config.projection_weight * projection + config.relation_weight * relation
        parts = torch.stack([loss, arcface, projection, relation, 100 * accuracy])
        return loss, parts.detach()
