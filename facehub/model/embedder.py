"""What turns aligned crops into embeddings."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from facehub.errors import ImageFormatError
from facehub.model.spec import ModelSpec
from facehub.template import AlignmentTemplate


class Embedder(Protocol):
    """A face network ready to run: `OnnxEmbedder`, or `facehub.FaceEncoder` with PyTorch."""

    @property
    def spec(self) -> ModelSpec:
        """How it is used, with its fingerprint."""

    @property
    def description(self) -> str:
        """What runs it, for people to read."""

    def fingerprint(self) -> str:
        """Identifies the embedding space of the weights as they are now."""

    def made_by(self, fingerprint_v1: str) -> bool:
        """Whether these weights had this fingerprint of version 1, as older galleries carry it."""

    def embed(self, crops: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        """Embed aligned crops.

        Args:
            crops: uint8 (N, height, width, 3), RGB, aligned with `spec.template`; N may be 0.
            batch_size: crops in one pass.

        Returns:
            float32 (N, embedding_size), unit rows: cosine similarity is the dot product.

        Raises:
            ImageFormatError: another shape or dtype.
        """


def check_crops(crops: np.ndarray, template: AlignmentTemplate) -> np.ndarray:
    """The crops as an array.

    Raises:
        ImageFormatError: not uint8 (N, height, width, 3).
    """
    crops = np.asarray(crops)
    if crops.shape[1:] != (template.height, template.width, 3) or crops.dtype != np.uint8:
        raise ImageFormatError(
            f"Crops must be uint8 (N, {template.height}, {template.width}, 3), "
            f"not {crops.dtype} {crops.shape}."
        )
    return crops
