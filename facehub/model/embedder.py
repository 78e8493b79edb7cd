"""The interface of a face network: aligned crops in, embeddings out."""

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
        """How to use the network, with its fingerprint."""

    @property
    def description(self) -> str:
        """The runtime and device, for display."""

    def fingerprint(self) -> str:
        """Fingerprint of the embedding space, from the current weights."""

    def has_fingerprint_v1(self, fingerprint_v1: str) -> bool:
        """Whether this version 1 fingerprint, from an older gallery, is of these weights.

        Args:
            fingerprint_v1: "sha256:" and 64 hexadecimal digits.
        """

    def embed(self, crops: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        """Embed aligned crops.

        Args:
            crops: uint8 (N, height, width, 3), RGB, aligned with `spec.template`; N may be 0.
            batch_size: number of crops per forward pass.

        Returns:
            float32 (N, embedding_size), L2-normalised rows: cosine similarity is the dot product.

        Raises:
            ImageFormatError: another shape or dtype.
        """


def check_crops(crops: np.ndarray, template: AlignmentTemplate) -> np.ndarray:
    """Convert crops to an array and check it.

    Raises:
        ImageFormatError: the array is not uint8 (N, height, width, 3).
    """
    crops = np.asarray(crops)
    if crops.shape[1:] != (template.height, template.width, 3) or crops.dtype != np.uint8:
        raise ImageFormatError(
            f"Crops must be uint8 (N, {template.height}, {template.width}, 3), "
            f"not {crops.dtype} {crops.shape}."
        )
    return crops
