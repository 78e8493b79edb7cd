"""Load the network to evaluate: any weight folder, in a chosen precision."""

from __future__ import annotations

import dataclasses
import os

import torch

from facehub.encoder import FaceEncoder
from facehub.model.embedder import Embedder
from facehub.model.fingerprint import fingerprint
from facehub.model.onnx import OnnxEmbedder, Precision
from facehub.model.store import Weights, read_weights, weights_folder


def load_embedder(
    name: str | os.PathLike[str], *, precision: Precision | None = None, flip: bool | None = None
) -> Embedder:
    """Load any weights: a ResNet18 in PyTorch if there is a CUDA GPU, all else in ONNX Runtime.

    Args:
        name: folder, `owner/name` or `owner/name@revision`.
        precision: see `OnnxEmbedder`; None: float32, or an ONNX file's own. "auto" and "int8"
            always run in ONNX Runtime, as for users.
        flip: whether to use flip test-time augmentation; None: as in the weights' config.

    Raises:
        WeightsError: the weights are missing, damaged, or do not have this precision.
    """
    weights = read_weights(weights_folder(name))
    if flip is not None:
        weights = with_flip(weights, flip)
    is_ours = weights.spec.architecture == "resnet18"
    if is_ours and precision in (None, "float32") and torch.cuda.is_available():
        encoder = FaceEncoder.from_pretrained(weights.folder, map_location="cuda")
        encoder.spec = weights.spec
        return encoder
    return OnnxEmbedder(weights, precision=precision or ("float32" if is_ours else "auto"))


def precision_of(embedder: Embedder) -> str:
    """The precision: "float32", "int8", or "file" for an ONNX file's own."""
    return embedder.precision if isinstance(embedder, OnnxEmbedder) else "float32"


def with_flip(weights: Weights, flip: bool) -> Weights:
    """Switch flip test-time augmentation on or off.

    The result is another embedding space, with another fingerprint and no known answer.
    """
    if flip == weights.spec.flip:
        return weights
    spec = dataclasses.replace(weights.spec, flip=flip, known_answer=())
    spec = dataclasses.replace(spec, fingerprint=fingerprint(weights.content, spec))
    return dataclasses.replace(weights, spec=spec)
