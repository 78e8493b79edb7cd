"""Measure activation ranges for int8 inference on training faces."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from facehub.errors import WeightsError
from facehub.model.embedder import check_crops
from facehub.model.graph import to_onnx
from facehub.model.onnx import OnnxEmbedder
from facehub.model.resnet18 import activations
from facehub.model.runtime import open_session
from facehub.model.selftest import known_answer, synthetic_crops
from facehub.model.spec import ModelSpec, Range
from facehub.model.store import read_weights, write_spec
from train.data.sample import sample_training

COUNT = 512  # number of faces for the measurement
BATCH_SIZE = 32
_SMALLEST = 1e-6  # width of the range of a layer that is always zero


def activation_ranges(
    tensors: Mapping[str, np.ndarray], spec: ModelSpec, crops: np.ndarray
) -> dict[str, Range]:
    """Measure the range of each activation: means over faces of the lowest and highest value.

    Rare larger values are clipped, which gives all others finer steps.

    Args:
        tensors: weights by name.
        spec: how the weights are used. With `flip`, flipped crops are measured too.
        crops: uint8 (N, height, width, 3), RGB, aligned training faces; N at least 1.

    Returns:
        {name from `facehub.model.resnet18.activations`: (low, high)}.

    Raises:
        ImageFormatError: the crops have another shape or dtype.
    """
    crops = check_crops(crops, spec.template)
    names = activations(spec)
    one_way = dataclasses.replace(spec, flip=False)
    session = open_session(to_onnx(tensors, one_way, with_activations=True))
    lowest: list[list[np.ndarray]] = [[] for _ in names]
    highest: list[list[np.ndarray]] = [[] for _ in names]
    for start in range(0, len(crops), BATCH_SIZE):
        batch = np.asarray(crops[start : start + BATCH_SIZE])
        if spec.flip:
            batch = np.concatenate([batch, batch[:, :, ::-1]])
        for i, found in enumerate(session.run(names, {"crops": batch})):
            values = np.asarray(found).reshape(len(batch), -1)
            lowest[i].append(values.min(axis=1))
            highest[i].append(values.max(axis=1))
    ranges = {}
    for name, low, high in zip(names, lowest, highest, strict=True):
        ends = [float(f"{np.concatenate(values).mean():.4g}") for values in (low, high)]
        ranges[name] = (ends[0], max(ends[1], ends[0] + _SMALLEST))
    return ranges


def quantize(folder: Path, faces: Path, *, count: int = COUNT) -> np.ndarray:
    """Measure a weight folder's activation ranges; only its `config.json` is rewritten.

    Weights of facehub 0.1 also get a known answer and a version 2 fingerprint.

    Args:
        folder: weight folder of a ResNet18.
        faces: packed data set, or aligned faces; held-out identities are excluded.
        count: number of faces to measure.

    Returns:
        float32 (M,), cosine similarity of the int8 and the float32 embedding of each face.

    Raises:
        WeightsError: the weights are missing or an ONNX network, or int8 changes them too much.
        ArchiveError, ImageError, ValueError: the faces cannot be read or have the wrong size.
    """
    if not folder.is_dir():
        raise WeightsError(f"There is no folder {folder}.")
    weights = read_weights(folder)
    if isinstance(weights.content, bytes):
        raise WeightsError("Only a ResNet18 can be quantised; an ONNX network runs unchanged.")
    crops = sample_training(faces, count)
    ranges = activation_ranges(weights.content, weights.spec, crops)
    weights = dataclasses.replace(
        weights, spec=dataclasses.replace(weights.spec, activation_ranges=ranges)
    )
    rough, exact = (OnnxEmbedder(weights, precision=p) for p in ("int8", "float32"))
    agreement = (rough.embed(crops) * exact.embed(crops)).sum(axis=1)
    answer = known_answer(exact.embed(synthetic_crops(weights.spec.template))[0])
    write_spec(folder, dataclasses.replace(weights.spec, known_answer=answer))
    return np.asarray(agreement)
