"""Embed many aligned crops with any face network, at its input size or alignment."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from tqdm import tqdm

from facehub.model.spec import ModelSpec
from facehub.template import DEFAULT_TEMPLATE, AlignmentTemplate
from train.data.landmarks import find_landmarks
from train.data.realign import realign_crops

CHUNK = 512  # crops that are read and embedded together


class CropEmbedder(Protocol):
    """The part of `facehub.model.embedder.Embedder` that embedding crops needs."""

    @property
    def spec(self) -> ModelSpec:
        """How the network is used."""

    def embed(self, crops: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        """Embed uint8 (N, height, width, 3) crops: float32 (N, embedding_size), L2-normalised."""


def pad_crops(crops: np.ndarray, template: AlignmentTemplate) -> np.ndarray:
    """Pad crops to a network's input size by reflection, with the crop in the centre.

    For frontal faces, facehub's 96 x 112 template with 8 more columns on either side equals the
    112 x 112 template of ArcFace, SFace and others: the pupils agree to 0.2 pixels.

    Args:
        crops: uint8 (N, H, W, 3).
        template: of the network; only its size is used.

    Returns:
        uint8 (N, template.height, template.width, 3).

    Raises:
        ValueError: the crops are larger than the network's input.
    """
    height, width = crops.shape[1:3]
    rows, columns = template.height - height, template.width - width
    if min(rows, columns) < 0:
        raise ValueError(
            f"the network's input of {template.width} x {template.height} pixels is smaller than "
            f"a crop of {width} x {height}"
        )
    border = ((0, 0), (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0))
    return np.pad(crops, border, mode="reflect")


def centre_columns(crop: np.ndarray, width: int) -> np.ndarray:
    """Cut the centre columns out of a crop wider than `width`; a narrower crop is unchanged.

    For frontal faces, the centre 96 columns of ArcFace's 112 x 112 crops have the eyes where
    facehub's template has them.
    """
    return crop[:, max(0, (crop.shape[1] - width) // 2) :][:, :width]


def embed_crops(
    embedder: CropEmbedder,
    crops: np.ndarray,
    *,
    landmarks: np.ndarray | None = None,
    flip: bool = False,
) -> np.ndarray:
    """Embed many crops with the network's own alignment; shows progress on a terminal.

    If the network's template has five points, crops are re-aligned by `realign_crops`, else padded
    by `pad_crops`.

    Args:
        embedder: any face network.
        crops: uint8 (N, H, W, 3), RGB, N at least 1; may be memory-mapped. Of the network's size,
            or aligned by facehub's template.
        landmarks: float32 (N, 5, 2), if known, see `find_landmarks`.
        flip: whether to use flip test-time augmentation (flip TTA).

    Returns:
        float32 (N, embedding_size), L2-normalised rows.

    Raises:
        ValueError: see `pad_crops`.
        WeightsError: the network returns embeddings that are not finite.
    """
    template = embedder.spec.template
    is_ours = crops.shape[1:3] == (DEFAULT_TEMPLATE.height, DEFAULT_TEMPLATE.width)
    realigned = is_ours and template.nose is not None
    if realigned and landmarks is None:
        landmarks = find_landmarks(crops)
    with tqdm(total=len(crops), unit="img", leave=False, disable=None) as progress:
        rows = []
        for start in range(0, len(crops), CHUNK):
            chunk = crops[start : start + CHUNK]
            if realigned and landmarks is not None:
                fitted = realign_crops(chunk, landmarks[start : start + CHUNK], template)
            else:
                fitted = pad_crops(chunk, template)
            vectors = embedder.embed(fitted)
            if flip:
                vectors = vectors + embedder.embed(fitted[:, :, ::-1])
                vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            rows.append(vectors)
            progress.update(len(chunk))
    return np.concatenate(rows)
