"""Embed the pictures of an evaluation: through the whole pipeline, or as aligned crops."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
from tqdm import tqdm

from facehub.align import similarity_matrix, warp
from facehub.errors import FaceHubError, NoFaceError, WeightsError
from facehub.io.images import read_pixels
from facehub.pipeline import FaceRecognizer
from facehub.template import AlignmentTemplate
from train.data.crops import CHUNK, centre_columns, pad_crops

Alignment = Literal["detect", "crop", "landmarks"]
Read = Callable[[str], bytes]
Cut = Callable[[str, np.ndarray], np.ndarray]  # name and picture to the network's crop


def embed_detected(names: Sequence[str], read: Read, recognizer: FaceRecognizer) -> np.ndarray:
    """Find, align and embed the face nearest the centre of each picture, as the library does.

    Args:
        names: names of the pictures, at least one.
        read: returns the encoded picture of a name; called in several threads.
        recognizer: the whole pipeline.

    Returns:
        float32 (N, D), L2-normalised rows; NaN if no face was found.

    Raises:
        ImageError: a picture cannot be used; the message names it.
    """
    rows = np.full((len(names), recognizer.spec.embedding_size), np.nan, np.float32)
    pictures = (functools.partial(read, name) for name in names)
    found = recognizer.faces_many(pictures, policy="central", batch_size=64)
    for i, faces in enumerate(tqdm(found, total=len(names), unit="img", leave=False, disable=None)):
        if isinstance(faces, NoFaceError):
            continue
        if isinstance(faces, FaceHubError):
            raise type(faces)(f"{names[i]}: {faces}") from faces
        rows[i] = faces[0].embedding
    return rows


def embed_cut(names: Sequence[str], read: Read, recognizer: FaceRecognizer, cut: Cut) -> np.ndarray:
    """Embed crops that are cut without the detector.

    Args:
        names, read: see `embed_detected`.
        recognizer: its network is used.
        cut: cuts the crop, uint8 (H, W, 3), RGB, from a name and its picture: `aligned_crop` or
            `landmark_crop`. Called in several threads.

    Returns:
        float32 (N, D), L2-normalised rows.

    Raises:
        ImageError: a picture cannot be used; the message names it.
        ValueError: a picture does not fit the network; the message names it.
        WeightsError: the network returns embeddings that are not finite.
    """

    def crop(name: str) -> np.ndarray:
        try:
            return cut(name, read_pixels(read(name)))
        except (FaceHubError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from error

    rows = np.empty((len(names), recognizer.spec.embedding_size), np.float32)
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(names), unit="img", leave=False, disable=None) as progress,
    ):
        for start in range(0, len(names), CHUNK):
            crops = np.stack(list(pool.map(crop, names[start : start + CHUNK])))
            rows[start : start + len(crops)] = recognizer.embedder.embed(crops)
            progress.update(len(crops))
    if not np.isfinite(rows).all():
        raise WeightsError("The network returned an embedding that is not finite.")
    return rows


def aligned_crop(template: AlignmentTemplate) -> Cut:
    """Use aligned crops, cut or padded to the network's width.

    Wider crops are cut to their centre, as by `pack --centre-crop`; narrower ones are padded by
    reflection, see `pad_crops`.
    """

    def cut(name: str, picture: np.ndarray) -> np.ndarray:
        if picture.shape[0] != template.height or abs(picture.shape[1] - template.width) > 16:
            raise ValueError(
                f"{picture.shape[1]} x {picture.shape[0]} pixels are not an aligned crop for a "
                f"network of {template.width} x {template.height}"
            )
        crops = pad_crops(centre_columns(picture, template.width)[None], template)
        return np.asarray(crops[0])

    return cut


def landmark_crop(points: Mapping[str, np.ndarray], template: AlignmentTemplate) -> Cut:
    """Align by given landmarks: all five if the template has five, else the eyes.

    Args:
        points: (5, 2) for each name, (x, y) in image pixels: the eyes at image left and right, the
            nose, the corners of the mouth.
        template: of the network.
    """
    n_points = len(template.points)

    def cut(name: str, picture: np.ndarray) -> np.ndarray:
        matrix = similarity_matrix(points[name][:n_points], template)
        return warp(picture, matrix, template)

    return cut
