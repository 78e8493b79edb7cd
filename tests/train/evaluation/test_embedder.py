"""The network, runtime and precision that an evaluation uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, save

from facehub import FaceEncoder, ModelSpec
from facehub.errors import WeightsError
from facehub.model.embedder import Embedder
from facehub.model.onnx import OnnxEmbedder
from facehub.model.store import read_spec
from tests.train.networks import mean_weights
from train.evaluation.embedder import load_embedder, precision_of

CROPS = np.random.default_rng(0).integers(0, 256, (3, 112, 96, 3), np.uint8)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """PyTorch reports a GPU. The list collects the devices that encoders are loaded for."""
    devices: list[Any] = []
    load = FaceEncoder.from_pretrained

    def on_cpu(folder: Path, map_location: str) -> FaceEncoder:
        devices.append(map_location)
        return load(folder)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(FaceEncoder, "from_pretrained", on_cpu)
    return devices


@pytest.fixture
def onnx_weights(tmp_path: Path) -> Path:
    return mean_weights(tmp_path / "network")


def flipped(embedder: Embedder, crops: np.ndarray) -> np.ndarray:
    total = embedder.embed(crops) + embedder.embed(crops[:, :, ::-1])
    return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True))


def test_precision_of_resnet_and_onnx_weights(
    other_weights: Path, onnx_weights: Path, no_gpu: None
) -> None:
    assert precision_of(load_embedder(other_weights)) == "float32"
    assert precision_of(load_embedder(onnx_weights)) == "file"
    assert precision_of(load_embedder(onnx_weights, precision="auto")) == "file"
    with pytest.raises(WeightsError, match="cannot run as int8"):
        load_embedder(other_weights, precision="int8")
    with pytest.raises(WeightsError, match="runs in the precision of its file"):
        load_embedder(onnx_weights, precision="float32")


def test_flip_of_a_resnet_adds_the_mirror_image(other_weights: Path, no_gpu: None) -> None:
    plain, both = (load_embedder(other_weights, flip=flip) for flip in (False, True))
    assert plain.spec.fingerprint == read_spec(other_weights).fingerprint != both.spec.fingerprint
    np.testing.assert_allclose(both.embed(CROPS), flipped(plain, CROPS), atol=1e-5)


def test_flip_of_an_onnx_network_adds_the_mirror_image(tmp_path: Path, no_gpu: None) -> None:
    """A network that sees the left half only, so mirror images differ."""
    folder = tmp_path / "left"
    folder.mkdir()
    spec = ModelSpec(architecture="onnx", file="net.onnx", embedding_size=336, threshold=None)
    graph = helper.make_graph(
        [
            helper.make_node("Split", ["x"], ["left", "rest"], axis=3),
            helper.make_node("ReduceMax", ["left"], ["columns"], axes=[3], keepdims=0),
            helper.make_node("Flatten", ["columns"], ["y"]),
        ],
        "left",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 112, 96])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 336])],
    )
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "net.onnx")
    (folder / "config.json").write_text(spec.to_json())
    plain, both = (load_embedder(folder, flip=flip) for flip in (False, True))
    assert np.abs(plain.embed(CROPS) - plain.embed(CROPS[:, :, ::-1])).max() > 0.01
    np.testing.assert_allclose(both.embed(CROPS), flipped(plain, CROPS), atol=1e-6)
    assert plain.spec.fingerprint != both.spec.fingerprint


def test_change_of_flip_drops_the_known_answer(tmp_path: Path, no_gpu: None) -> None:
    torch.manual_seed(0)
    FaceEncoder(ModelSpec(embedding_size=8, flip=True)).save_pretrained(tmp_path)
    assert read_spec(tmp_path).known_answer
    assert load_embedder(tmp_path).spec.known_answer
    assert not load_embedder(tmp_path, flip=False).spec.known_answer


def test_gpu_is_used_if_available(other_weights: Path, gpu: list[Any]) -> None:
    plain = load_embedder(other_weights)
    assert isinstance(plain, FaceEncoder)
    assert precision_of(plain) == "float32"
    assert plain.spec.fingerprint == read_spec(other_weights).fingerprint
    both = load_embedder(other_weights, precision="float32", flip=True)
    assert isinstance(both, FaceEncoder)
    assert gpu == ["cuda", "cuda"]
    assert both.spec.fingerprint == both.fingerprint() != plain.spec.fingerprint
    np.testing.assert_allclose(both.embed(CROPS), flipped(plain, CROPS), atol=1e-5)


def test_weights_that_pytorch_cannot_run_use_onnx_runtime(
    other_weights: Path, onnx_weights: Path, gpu: list[Any]
) -> None:
    assert isinstance(load_embedder(onnx_weights), OnnxEmbedder)
    with pytest.raises(WeightsError, match="cannot run as int8"):
        load_embedder(other_weights, precision="int8")
    # As for users, "auto" runs ONNX Runtime.
    assert isinstance(load_embedder(other_weights, precision="auto"), OnnxEmbedder)
    assert gpu == []
