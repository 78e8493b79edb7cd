"""Fingerprint an embedding space: equal if and only if weights and their use are equal."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from facehub.model.spec import ModelSpec, Preprocessing
from facehub.template import AlignmentTemplate

PREFIX, PREFIX_V1 = "v2:", "sha256:"

# Fields that change embeddings. Precision, threshold and calibration do not.
_FIELDS = (
    "architecture",
    "stem",
    "head",
    "dilated",
    "embedding_size",
    "flip",
    "preprocessing",
    "template",
)


def fingerprint(weights: Mapping[str, np.ndarray] | bytes, spec: ModelSpec) -> str:
    """Compute the fingerprint of weights, version 2.

    It is the SHA-256 of canonical JSON (sorted keys, fields with default values omitted, every
    number of a float field as a float) and of the weights. A field that a later version adds with a
    default changes no fingerprint.

    Args:
        weights: tensors by name, or the content of an ONNX file. float16 and float32 copies of the
            same values are equal; integer tensors (batch counters) are ignored.
        spec: how the weights are used.

    Returns:
        "v2:" and 64 hexadecimal digits.
    """
    digest = hashlib.sha256(canonical(spec).encode())
    if isinstance(weights, bytes):
        digest.update(weights)
    else:
        for name in sorted(weights):
            tensor = np.ascontiguousarray(weights[name])
            if tensor.dtype.kind == "f":
                tensor = tensor.astype("<f2" if fits_half(tensor) else "<f4", copy=False)
                digest.update(f"\n{name} {tensor.dtype.str} {tensor.shape}\n".encode())
                digest.update(tensor.data)
    return PREFIX + digest.hexdigest()


def canonical(spec: ModelSpec) -> str:
    """Serialise the spec as version 2 hashes it."""
    values = _without_defaults(spec, ModelSpec())
    chosen: dict[str, Any] = {name: values[name] for name in _FIELDS if name in values}
    return json.dumps({"fingerprint": 2, **chosen}, sort_keys=True, separators=(",", ":"))


def is_fingerprint_v1(text: str, tensors: Mapping[str, np.ndarray], spec: ModelSpec) -> bool:
    """Whether facehub 0.1 gave these weights this fingerprint.

    Version 1 hashed Python's `repr` of three dataclasses, which is spelled out here. It
    distinguished 128 from 128.0, so both are tried.

    Args:
        text: "sha256:" and 64 hexadecimal digits.
        tensors: weights by name.
        spec: how the weights are used.
    """
    p, t = spec.preprocessing, spec.template
    if not text.startswith(PREFIX_V1) or spec.architecture != "resnet18" or t.nose is not None:
        return False
    if spec.head != "average" or spec.stem == "iresnet":  # 0.1 had no others
        return False
    if (p.colour, p.layout, spec.head) != ("RGB", "NCHW", "average"):
        return False
    if isinstance(p.mean, tuple) or isinstance(p.std, tuple):
        return False
    weights = [
        (f"{name}{tensor.shape}".encode(), np.ascontiguousarray(tensor, "<f4"))
        for name, tensor in sorted(tensors.items())
        if tensor.dtype.kind == "f"
    ]
    for mean, std in itertools.product(_spellings(p.mean), _spellings(p.std)):
        parts = [
            repr(spec.stem),
            f"Preprocessing(colour='RGB', layout='NCHW', mean={mean}, std={std})",
            f"AlignmentTemplate(width={t.width}, height={t.height}, left_eye={t.left_eye!r}, "
            f"right_eye={t.right_eye!r})",
            *(repr(name) for name in ("flip", "dilated") if getattr(spec, name)),
        ]
        digest = hashlib.sha256(f"({', '.join(parts)})".encode())
        for name, values in weights:
            digest.update(name)
            digest.update(values.data)
        if PREFIX_V1 + digest.hexdigest() == text:
            return True
    return False


def fits_half(array: np.ndarray) -> bool:
    """Whether float16 represents every value exactly."""
    if array.dtype.kind != "f" or array.dtype == np.float16:
        return True
    with np.errstate(over="ignore"):
        return bool((array.astype(np.float16).astype(array.dtype) == array).all())


def _without_defaults(value: Any, default: Any) -> dict[str, Any]:
    found = {}
    for field in dataclasses.fields(value):
        own, usual = getattr(value, field.name), getattr(default, field.name)
        if own == usual:
            continue
        if isinstance(own, Preprocessing | AlignmentTemplate):
            own = _without_defaults(own, usual)
        found[field.name] = own
    return found


def _spellings(value: float) -> list[str]:
    return [repr(value), repr(int(value))] if value == int(value) else [repr(value)]
