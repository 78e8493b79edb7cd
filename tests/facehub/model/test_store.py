"""Weight folders: found by name, and read as untrusted data."""

from __future__ import annotations

import json
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

from facehub import FaceRecognizer, ModelSpec, WeightsError
from facehub.model.fingerprint import fingerprint
from facehub.model.spec import Preprocessing
from facehub.model.store import (
    MODEL_VARIABLE,
    default_weights,
    has_fingerprint_v1,
    read_spec,
    read_tensors,
    read_weights,
    weights_folder,
)
from tests.version1 import fingerprint_v1

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TENSORS = {
    "a": np.array([[0.5, -1.25], [3.0, 0.0]], np.float32),  # all values are exact in float16
    "b": np.array([1.0, 2.0], np.float32),
    "steps": np.array(7, np.int64),
}


# --- where the weights are ------------------------------------------------------------------------


def test_default_weights_are_the_folder_of_the_checkout() -> None:
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
    """A cache in the layout of huggingface_hub, with one commit of owner/name, tagged v1."""
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
def test_cached_hub_name_gives_its_snapshot_folder(
    hub_cache: Path, name: str, revision: str | None
) -> None:
    folder = weights_folder(name, revision=revision, cache_dir=hub_cache, local_files_only=True)
    assert folder == hub_cache / "models--owner--name" / "snapshots" / COMMIT


def test_two_revisions_are_refused(hub_cache: Path) -> None:
    with pytest.raises(WeightsError, match="two revisions"):
        weights_folder("owner/name@v1", revision="main", cache_dir=hub_cache)


@pytest.mark.parametrize("name", ["owner/name@v2", "owner/other", "someone/name@v1"])
def test_hub_name_not_in_the_cache_is_refused_offline(hub_cache: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=f"{name} is not in the cache"):
        weights_folder(name, cache_dir=hub_cache, local_files_only=True)


@pytest.mark.parametrize(
    "name", ["/no/such/folder", "nothing", "a/b/c", "./weight", "a b/c", "a\0b"]
)
def test_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="There is no folder"):
        weights_folder(name, local_files_only=True)


def test_name_invalid_on_the_hub_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be downloaded"):
        weights_folder("owner/name..git", cache_dir=tmp_path, local_files_only=True)


# --- what is in them ------------------------------------------------------------------------------


def test_missing_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"config\.json is missing"):
        read_spec(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b""], ids=["cut", "binary", "empty"])
def test_damaged_config_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(WeightsError, match=r"config\.json"):
        read_spec(tmp_path)


def test_read_tensors_converts_float64_to_float32_only(tmp_path: Path) -> None:
    """Float64 becomes float32; float16 and integers stay."""
    mixed = {"b": TENSORS["b"].astype(np.float16), "steps": TENSORS["steps"]}
    save_file({"a": TENSORS["a"].astype(np.float64), **mixed}, tmp_path / "model.safetensors")
    tensors = read_tensors(tmp_path)
    assert {name: tensor.dtype.name for name, tensor in tensors.items()} == {
        "a": "float32",
        "b": "float16",
        "steps": "int64",
    }
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, TENSORS[name])


class Trap:
    """Creates a folder when it is unpickled."""

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
def test_value_that_is_not_finite_is_refused(tmp_path: Path, dtype: type, value: float) -> None:
    tensor = np.array([1, value], dtype)
    save_file({"good": TENSORS["b"], "bad": tensor}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="bad has values that are not finite"):
        read_tensors(tmp_path)


def test_value_too_large_for_float32_is_refused(tmp_path: Path) -> None:
    save_file({"bad": np.array([1e300])}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="bad has values that are not finite"):
        read_tensors(tmp_path)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_number_format_unknown_to_numpy_is_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    save_torch_file({"a": torch.ones(4, dtype=dtype)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="damaged or not a safetensors file"):
        read_tensors(tmp_path)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_truncated_tensors_are_refused(tmp_path: Path, other_weights: Path, share: float) -> None:
    data = (other_weights / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data[: int(share * len(data))])
    with pytest.raises(WeightsError, match="damaged or not a safetensors file"):
        read_tensors(tmp_path)


def test_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(WeightsError, match="cannot be read"):
        read_tensors(tmp_path)


# --- files that belong together -------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, other_weights: Path) -> Path:
    """A copy of the other weights that a test may change."""
    return shutil.copytree(other_weights, tmp_path / "copy")


def write_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_weights_of_version_1_are_read(folder: Path) -> None:
    """Their config has a fingerprint of version 1, and neither ranges nor a known answer."""
    spec, tensors = read_spec(folder), read_tensors(folder)
    old = fingerprint_v1(tensors, "imagenet", 127.5, 127.5)
    write_config(folder, fingerprint=old, known_answer=[])
    weights = read_weights(folder)
    assert weights.spec.fingerprint == spec.fingerprint
    assert has_fingerprint_v1(old, folder)
    assert not has_fingerprint_v1(old[:-1] + "0", folder)
    write_config(folder, fingerprint=old[:-1] + ("0" if old[-1] != "0" else "1"))
    with pytest.raises(WeightsError, match="does not belong to"):
        read_weights(folder)


def test_a_version_1_config_with_whole_numbers_is_read(folder: Path) -> None:
    """In version 1, 128 and 128.0 gave different fingerprints."""
    old = fingerprint_v1(read_tensors(folder), "imagenet", 128, 128)
    write_config(folder, preprocessing={"mean": 128, "std": 128}, fingerprint=old, known_answer=[])
    assert read_weights(folder).spec.preprocessing == Preprocessing(mean=128.0, std=128.0)


def test_negative_variance_is_refused(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["norm.running_var"][3] = -1
    save_file(tensors, folder / "model.safetensors")
    write_config(folder, fingerprint=None, known_answer=[])
    with pytest.raises(WeightsError, match=r"norm\.running_var has a negative variance"):
        read_weights(folder)


def test_missing_or_changed_onnx_file_is_refused(tmp_path: Path) -> None:
    spec = ModelSpec(architecture="onnx", file="net.onnx")
    spec = replace(spec, fingerprint=fingerprint(b"network", spec))
    (tmp_path / "config.json").write_text(spec.to_json())
    with pytest.raises(WeightsError, match=r"net\.onnx is missing"):
        read_weights(tmp_path)
    (tmp_path / "net.onnx").write_bytes(b"network")
    assert read_weights(tmp_path).content == b"network"
    (tmp_path / "net.onnx").write_bytes(b"Network")
    with pytest.raises(WeightsError, match=r"net\.onnx does not belong to"):
        read_weights(tmp_path)
