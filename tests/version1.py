"""The fingerprint of weights in facehub 0.1."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import make_dataclass

import numpy as np


def fingerprint_v1(
    tensors: Mapping[str, np.ndarray], stem: str, mean: float, std: float, *names: str
) -> str:
    """Return the fingerprint that facehub 0.1.0 gave; `names` are the flags that were set."""
    preprocessing = make_dataclass(
        "Preprocessing", ["colour", "layout", "mean", "std"], frozen=True
    )("RGB", "NCHW", mean, std)
    template = make_dataclass(
        "AlignmentTemplate", ["width", "height", "left_eye", "right_eye"], frozen=True
    )(96, 112, (30.4, 51.6), (65.6, 51.6))
    digest = hashlib.sha256(repr((stem, preprocessing, template, *names)).encode())
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        if tensor.dtype.kind == "f":
            digest.update(f"{name}{tensor.shape}".encode())
            digest.update(tensor.astype("<f4", copy=False).data)
    return f"sha256:{digest.hexdigest()}"
