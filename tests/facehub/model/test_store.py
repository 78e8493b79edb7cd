"""Weight folders: found by name, read without trusting them, identified by what they compute."""

from __future__ import annotations

import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch_file

from facehub import AlignmentTemplate, FaceRecognizer, ModelSpec, WeightsError
from facehub.model.spec import Preprocessing
from facehub.model.store import (
    MODEL_VARIABLE,
    default_weights,
    fingerprint,
    read_spec,
    read_tensors,
    weights_folder,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TENSORS = {
    "a": np.array([[0.5, -1.25], [3.0, 0.0]], np.float32),  # all of them exact in float16
    "b": np.array([1.0, 2.0], np.float32),
    "steps": np.array(7, np.int64),
}


# --- where the weights are ------------------------------------------------------------------------


def test_default_weights_are_those_of_the_checkout() -> None:
    folder = Path(default_weights())
    assert folder == Path(__file__).parents[3] / "weights"
    assert weights_folder(folder) == folder


def test_variable_chooses_the_weights(monkeypatch: pytest.MonkeyPatch, other_weights: Path) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, f" {other_weights} ")
    recognizer = FaceRecognizer.from_pretrained()
    assert recognizer.fingerprint == read_spec(other_weights).fingerprint


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, "  ")
    assert Path(default_weights()).name == "weights"


@pytest.fixture
def hub_cache(tmp_path: Path) -> Path:
    """A cache, as huggingface_hub lays it out, with one commit of owner/name, tagged v1."""
    repo = tmp_path / "models--owner--name"
    snapshot = repo / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(ModelSpec().to_json())
    (snapshot / "model.safetensors").write_bytes(b"")
    (repo / "refs").mkdir()
    for ref in ("main", "v1"):
        (repo / "refs" / ref).write_text(COMMIT)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "revision"),
    [
        ("owner/name", None),
        ("owner/name", "v1"),
        ("owner/name@v1", None),
        (f"owner/name@{COMMIT}", None),
    ],
)
def test_hub_name(hub_cache: Path, name: str, revision: str | None) -> None:
    folder = weights_folder(name, revision=revision, cache_dir=hub_cache, local_files_only=True)
    assert folder == hub_cache / "models--owner--name" / "snapshots" / COMMIT


def test_two_revisions(hub_cache: Path) -> None:
    with pytest.raises(WeightsError, match="two revisions"):
        weights_folder("owner/name@v1", revision="main", cache_dir=hub_cache)


@pytest.mark.parametrize("name", ["owner/name@v2", "owner/other", "someone/name@v1"])
def test_hub_name_out_of_reach(hub_cache: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=f"{name} is not in the cache"):
        weights_folder(name, cache_dir=hub_cache, local_files_only=True)


@pytest.mark.parametrize(
    "name", ["/no/such/folder", "nothing", "a/b/c", "./weight", "a b/c", "a\0b"]
)
def test_bad_name(name: str) -> None:
    with pytest.raises(WeightsError, match="There is no folder"):
        weights_folder(name, local_files_only=True)


def test_name_that_the_hub_would_refuse(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be downloaded"):
        weights_folder("owner/name..git", cache_dir=tmp_path, local_files_only=True)


# --- what is in them ------------------------------------------------------------------------------


def test_missing_config(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"config\.json is missing"):
        read_spec(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b""], ids=["cut", "binary", "empty"])
def test_damaged_config(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(WeightsError, match=r"config\.json"):
        read_spec(tmp_path)


def test_tensors(tmp_path: Path) -> None:
    """Float16 and float64 become float32; integers stay."""
    mixed = {"b": TENSORS["b"].astype(np.float16), "steps": TENSORS["steps"]}
    save_file({"a": TENSORS["a"].astype(np.float64), **mixed}, tmp_path / "model.safetensors")
    tensors = read_tensors(tmp_path)
    assert {name: tensor.dtype.name for name, tensor in tensors.items()} == {
        "a": "float32",
        "b": "float32",
        "steps": "int64",
    }
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, TENSORS[name])


class Trap:
    """Leaves a mark on the disk when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_pickle_is_never_loaded(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "mark"
    (tmp_path / name).write_bytes(pickle.dumps(Trap(mark)))
    with pytest.raises(WeightsError, match=r"model\.safetensors is (missing|damaged)"):
        read_tensors(tmp_path)
    assert not mark.exists()
    pickle.loads((tmp_path / name).read_bytes())
    assert mark.exists()  # the trap works


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_value_that_is_not_finite(tmp_path: Path, dtype: type, value: float) -> None:
    tensor = np.array([1, value], dtype)
    save_file({"good": TENSORS["b"], "bad": tensor}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="bad has values that are not finite"):
        read_tensors(tmp_path)


def test_value_that_float32_cannot_hold(tmp_path: Path) -> None:
    save_file({"bad": np.array([1e300])}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="bad has values that are not finite"):
        read_tensors(tmp_path)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_number_format_that_numpy_lacks(tmp_path: Path, dtype: torch.dtype) -> None:
    save_torch_file({"a": torch.ones(4, dtype=dtype)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="damaged or not a safetensors file"):
        read_tensors(tmp_path)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_truncated_tensors(tmp_path: Path, other_weights: Path, share: float) -> None:
    data = (other_weights / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data[: int(share * len(data))])
    with pytest.raises(WeightsError, match="damaged or not a safetensors file"):
        read_tensors(tmp_path)


def test_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(WeightsError, match="cannot be read"):
        read_tensors(tmp_path)


# --- fingerprint ----------------------------------------------------------------------------------

CONFIG = ModelSpec()
ORIGINAL = fingerprint(TENSORS, CONFIG)


def test_fingerprint_looks_like_one() -> None:
    kind, _, digits = ORIGINAL.partition(":")
    assert kind == "sha256"
    assert len(digits) == 64
    assert int(digits, 16)


def test_fingerprint_of_the_weights_that_ship_is_the_recorded_one() -> None:
    """So the way it is computed never changes: all galleries would be lost."""
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
        replace(CONFIG, dilated=True),
        replace(CONFIG, flip=True),
    ],
    ids=["size", "eye", "mean", "std", "stem", "dilated", "flip"],
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
