"""Aligned crops on their way to a face network: fitted to its input, embedded many at a time."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from tqdm import tqdm

from facehub.model.spec import ModelSpec
from facehub.template import DEFAULT_TEMPLATE, AlignmentTemplate
from train.data.landmarks import find_landmarks
from train.data.realign import realign_crops

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
    landmarks: np.ndarray | None = None,
    mirrored: bool = False,
) -> np.ndarray:
    """Embed many crops, aligned as the network wants them, with progress bars on a terminal.

    Where its template has five points, crops get its own alignment by `realign_crops`, else its
    size by `fit_crops`.

    Args:
        embedder: any face network.
        crops: uint8 (N, H, W, 3), RGB, N at least 1; may be memory-mapped. Of the network's size,
            or aligned by facehub's template.
        landmarks: float32 (N, 5, 2), where they are known, see `find_landmarks`.
        mirrored: whether the mirror image's embedding is added, and the sum L2-normalised.

    Returns:
        float32 (N, embedding_size), unit rows.

    Raises:
        ValueError: see `fit_crops`.
        WeightsError: the network does not give finite embeddings.
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
                fitted = fit_crops(chunk, template)
            vectors = embedder.embed(fitted)
            if mirrored:
                vectors = vectors + embedder.embed(fitted[:, :, ::-1])
                vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            rows.append(vectors)
            progress.update(len(chunk))
    return np.concatenate(rows)
