"""Aligned crops on their way to a face network: fitted to its input, embedded many at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from tqdm import tqdm

from facehub.model.spec import ModelSpec
from facehub.template import AlignmentTemplate

CHUNK = 512  # crops that are read, fitted and embedded before the next ones


class CropEmbedder(Protocol):
    """As much of `facehub.model.embedder.Embedder` as embedding many crops takes."""

    @property
    def spec(self) -> ModelSpec:
        """How the network is used."""

    def embed(self, crops: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        """From uint8 (N, height, width, 3) crops to float32 (N, embedding_size), unit rows."""


def fit_crops(crops: np.ndarray, template: AlignmentTemplate) -> np.ndarray:
    """Give crops a network's size: their border is reflected, the crop stays in the middle.

    Our 96 x 112 template with 8 more columns on either side is the 112 x 112 of ArcFace, SFace and
    others, for faces that look into the camera: the pupils lie where theirs do, to 0.2 pixels.

    Args:
        crops: uint8 (N, H, W, 3).
        template: of the network; gives the size only.

    Returns:
        uint8 (N, template.height, template.width, 3).

    Raises:
        ValueError: the crops are larger than the network's input.
    """
    height, width = crops.shape[1:3]
    rows, columns = template.height - height, template.width - width
    if min(rows, columns) < 0:
        raise ValueError(
            f"the network takes {template.width} x {template.height} pixels, less than a crop "
            f"of {width} x {height}"
        )
    border = ((0, 0), (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0))
    return np.pad(crops, border, mode="reflect")


def middle_columns(crop: np.ndarray, width: int) -> np.ndarray:
    """The middle of a crop that is wider than `width`; a narrower one as it is.

    The middle 96 columns of ArcFace's 112 x 112 have the eyes where our template has, for faces
    that look into the camera.
    """
    return crop[:, max(0, (crop.shape[1] - width) // 2) :][:, :width]


def embed_crops(
    embedder: CropEmbedder,
    crops: np.ndarray,
    *,
    fit: Callable[[np.ndarray, AlignmentTemplate], np.ndarray] = fit_crops,
    mirrored: bool = False,
) -> np.ndarray:
    """Fit and embed many crops, with a progress bar on a terminal.

    Args:
        embedder: any face network.
        crops: uint8 (N, H, W, 3), RGB, N at least 1; may be memory-mapped.
        fit: gives crops the size, and perhaps the alignment, of a network's template.
        mirrored: whether the mirror image's embedding is added, and the sum L2-normalised.

    Returns:
        float32 (N, embedding_size), unit rows.

    Raises:
        ValueError: see `fit`.
        WeightsError: the network does not give finite embeddings.
    """
    chunks = (crops[start : start + CHUNK] for start in range(0, len(crops), CHUNK))
    with tqdm(total=len(crops), unit="img", leave=False, disable=None) as progress:
        rows = []
        for chunk in chunks:
            fitted = fit(chunk, embedder.spec.template)
            vectors = embedder.embed(fitted)
            if mirrored:
                vectors = vectors + embedder.embed(fitted[:, :, ::-1])
                vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            rows.append(vectors)
            progress.update(len(chunk))
    return np.concatenate(rows)
