"""Fingerprints: equal for the same embedding space, different otherwise, and stable for ever."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from facehub import AlignmentTemplate, ModelSpec
from facehub.model.fingerprint import canonical, fingerprint
from facehub.model.spec import Preprocessing
from facehub.model.store import default_weights, read_spec, read_tensors
from facehub.template import TEMPLATES

TENSORS = {
    "a": np.array([[0.5, -1.25], [3.0, 0.0]], np.float32),  # all values are exact in float16
    "b": np.array([1.0, 2.0], np.float32),
    "steps": np.array(7, np.int64),
}
CONFIG = ModelSpec()
ORIGINAL = fingerprint(TENSORS, CONFIG)


def test_fingerprint_of_known_tensors_never_changes() -> None:
    """Any change would make all existing galleries unusable."""
    assert ORIGINAL == ("v2:fddd1c03629f9ae6603044c3687fe2b0db9282429362efe38fdba1a31c53e717")


def test_canonical_form_holds_non_default_values_only() -> None:
    assert canonical(ModelSpec()) == '{"fingerprint":2}'
    changed = ModelSpec(
        stem="face",
        preprocessing=Preprocessing(mean=100),
        template=AlignmentTemplate(left_eye=(30, 51)),
        threshold=0.1,
        activation_ranges={"conv1": (0.0, 1.0)},
    )
    assert json.loads(canonical(changed)) == {
        "fingerprint": 2,
        "preprocessing": {"mean": 100.0},
        "stem": "face",
        "template": {"left_eye": [30.0, 51.0]},
    }
    assert '"mean":100.0' in canonical(changed)


def test_fingerprint_of_an_onnx_network_depends_on_bytes_and_input() -> None:
    spec = ModelSpec(architecture="onnx", file="a.onnx", template=TEMPLATES["arcface112"])
    found = fingerprint(b"network", spec)
    assert found == fingerprint(b"network", replace(spec, file="b.onnx", threshold=None))
    assert found != fingerprint(b"Network", spec)
    assert found != fingerprint(b"network", replace(spec, flip=True))
    assert found != fingerprint(b"network", replace(spec, embedding_size=128))
    assert found != fingerprint(
        b"network", replace(spec, preprocessing=Preprocessing(colour="BGR"))
    )


def test_fingerprint_is_v2_and_64_hex_digits() -> None:
    kind, _, digits = ORIGINAL.partition(":")
    assert kind == "v2"
    assert len(digits) == 64
    assert int(digits, 16)


def test_fingerprint_of_the_shipped_weights_is_the_recorded_one() -> None:
    """Any change of the computation would make all existing galleries unusable."""
    folder = Path(default_weights())
    config = read_spec(folder)
    assert config.fingerprint == fingerprint(read_tensors(folder), config)


@pytest.mark.parametrize(
    "tensors",
    [
        {name: TENSORS[name] for name in reversed(TENSORS)},
        {**TENSORS, "steps": np.array(8, np.int64)},
        {"a": TENSORS["a"], "b": TENSORS["b"]},
        {name: t.astype(np.float16) if name != "steps" else t for name, t in TENSORS.items()},
        {**TENSORS, "a": np.asfortranarray(TENSORS["a"])},
    ],
    ids=["order", "counter", "no counter", "float16", "memory layout"],
)
def test_same_weights_have_the_same_fingerprint(tensors: dict[str, np.ndarray]) -> None:
    assert fingerprint(tensors, CONFIG) == ORIGINAL


@pytest.mark.parametrize(
    "config",
    [
        ModelSpec(threshold=0.3),
        ModelSpec(uncertain_margin=0.1),
        ModelSpec(fingerprint="sha256:0"),
    ],
)
def test_threshold_does_not_change_the_fingerprint(config: ModelSpec) -> None:
    assert fingerprint(TENSORS, config) == ORIGINAL


@pytest.mark.parametrize(
    "tensors",
    [
        {**TENSORS, "b": np.nextafter(TENSORS["b"], np.float32(9))},
        {**TENSORS, "a": TENSORS["a"].T.copy()},
        {**TENSORS, "a": TENSORS["a"].reshape(4)},
        {**TENSORS, "c": TENSORS["b"]},
        {"a": TENSORS["b"], "b": TENSORS["a"]},
    ],
    ids=["value", "transposed", "shape", "extra", "swapped"],
)
def test_other_weights_have_another_fingerprint(tensors: dict[str, np.ndarray]) -> None:
    assert fingerprint(tensors, CONFIG) != ORIGINAL


@pytest.mark.parametrize(
    "config",
    [
        replace(CONFIG, template=AlignmentTemplate(height=113)),
        replace(CONFIG, template=AlignmentTemplate(left_eye=(30.5, 51.6))),
        replace(CONFIG, preprocessing=Preprocessing(mean=127.0)),
        replace(CONFIG, preprocessing=Preprocessing(std=128.0)),
        replace(CONFIG, stem="face"),
        replace(CONFIG, head="depthwise"),
        replace(CONFIG, dilated=True),
        replace(CONFIG, flip=True),
    ],
    ids=["size", "eye", "mean", "std", "stem", "head", "dilated", "flip"],
)
def test_other_input_has_another_fingerprint(config: ModelSpec) -> None:
    assert fingerprint(TENSORS, config) != ORIGINAL


def test_copy_of_a_folder_has_the_same_fingerprint(tmp_path: Path, other_weights: Path) -> None:
    """A float32 copy of float16 weights, loaded from disk."""
    shutil.copy(other_weights / "config.json", tmp_path)
    halves = load_file(other_weights / "model.safetensors")
    assert {t.dtype.name for t in halves.values()} == {"float16"}
    floats = {name: tensor.astype(np.float32) for name, tensor in halves.items()}
    save_file(floats, tmp_path / "model.safetensors")
    config = read_spec(tmp_path)
    assert fingerprint(read_tensors(tmp_path), config) == config.fingerprint
