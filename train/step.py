"""The loss of a batch: encoder, margin softmax and distillation in one module, as DDP needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from facehub.encoder import FaceEncoder
from train.config import TrainConfig
from train.distributed import Processes
from train.model.distill import Distillation, load_teachers
from train.model.head import MarginSoftmax
from train.model.margin import make_margin
from train.model.partial_fc import PartialFC

LOSS_NAMES = ("loss", "arcface", "projection", "relation", "accuracy")


class TrainingStep(nn.Module):
    """From augmented crops to the loss.

    Args:
        config: of the run.
        names: (N,), names of the training faces, to look up the teachers' vectors.
        n_identities: number of training identities.
        group: processes over which Partial FC shards the centres; None: only this one.
    """

    def __init__(
        self,
        config: TrainConfig,
        names: np.ndarray,
        n_identities: int,
        group: Processes | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder = FaceEncoder(config.encoder_spec)
        size = self.encoder.spec.embedding_size
        margin = make_margin(config.margin_type)
        self.head: MarginSoftmax
        if config.partial_fc:
            group = group or Processes(0, 1, torch.device("cpu"))
            rate = config.partial_fc
            self.head = PartialFC(size, n_identities, margin, config.scale, rate, group)
        else:
            self.head = MarginSoftmax(size, n_identities, margin, config.scale)
        self.teacher: Distillation | None = None
        if config.teachers:
            vectors = load_teachers([Path(path) for path in config.teachers], names)
            self.teacher = Distillation(vectors, size, config.relation)

    def forward(self, x: Tensor, labels: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the loss and its parts.

        Args:
            x: float32 (B, 3, H, W), RGB, -1 to 1, augmented.
            labels: int64 (B,), classes.
            indices: int64 (B,), indices of the training faces.

        Returns:
            (loss, parts): float32 scalar; float32 (5,), see `LOSS_NAMES`, accuracy in per cent.
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
