"""ONNX Runtime gives what PyTorch gives, and is chosen where it can be."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from facehub.model.engine import OnnxEngine, TorchEngine, make_engine

from facehub import FaceEncoder, FaceRecognizer, ImageFormatError, ModelSpec
from facehub.errors import FaceHubError
from facehub.model.graph import to_onnx
from facehub.model.spec import Preprocessing


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 112, 96, 3), np.uint8)


def _untrained(config: ModelSpec) -> FaceEncoder:
    torch.manual_seed(0)
    encoder = FaceEncoder(config).eval()
    for module in encoder.modules():  # statistics and slopes of their own
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.3, 0.3)
    return encoder


@pytest.mark.parametrize(
    "config",
    [
        ModelSpec(stem="imagenet"),
        ModelSpec(stem="face", embedding_size=32),
        ModelSpec(dilated=True),
        ModelSpec(preprocessing=Preprocessing(mean=100, std=60)),
    ],
    ids=["imagenet", "face", "dilated", "preprocessing"],
)
@pytest.mark.parametrize("flip", [False, True])
def test_equal_to_pytorch(config: ModelSpec, flip: bool, crops: np.ndarray) -> None:
    encoder = _untrained(replace(config, flip=flip))
    expected = encoder.embed(crops)
    found = OnnxEngine(encoder).embed(crops, batch_size=2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found).max() > 0.05


def test_equal_on_faces(recognizer: FaceRecognizer, both: np.ndarray) -> None:
    faces = recognizer.faces(both)
    assert len(faces) == 2
    expected = recognizer.encoder.embed(np.stack([face.face.crop for face in faces]))
    np.testing.assert_allclose([face.embedding for face in faces], expected, atol=1e-5)


def test_no_crops(recognizer: FaceRecognizer) -> None:
    empty = OnnxEngine(recognizer.encoder).embed(np.empty((0, 112, 96, 3), np.uint8))
    assert empty.shape == (0, 512)


@pytest.mark.parametrize("engine", [OnnxEngine, TorchEngine])
def test_bad_crops(engine: type, recognizer: FaceRecognizer) -> None:
    with pytest.raises(ImageFormatError, match="must be uint8"):
        engine(recognizer.encoder).embed(np.zeros((1, 96, 112, 3), np.uint8))


def test_shared_between_threads(recognizer: FaceRecognizer, crops: np.ndarray) -> None:
    engine = OnnxEngine(recognizer.encoder)
    expected = engine.embed(crops)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(engine.embed, [crops] * 16):
            np.testing.assert_array_equal(found, expected)


def test_the_file_says_what_it_is(recognizer: FaceRecognizer) -> None:
    content = to_onnx(recognizer.encoder)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    props = {p.key: p.value for p in model.metadata_props}
    assert props["fingerprint"] == recognizer.fingerprint
    assert float(props["threshold"]) == recognizer.spec.threshold
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (entry,), (exit_,) = session.get_inputs(), session.get_outputs()
    assert (entry.name, entry.type, entry.shape[1:]) == ("crops", "tensor(uint8)", [112, 96, 3])
    assert (exit_.name, exit_.type, exit_.shape[1:]) == ("embeddings", "tensor(float)", [512])
    assert len(content) < 25e6  # as float16, like the weights


def test_chosen_automatically(recognizer: FaceRecognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert recognizer.embedder.description == f"ONNX Runtime {onnxruntime.__version__} on cpu"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert make_engine(recognizer.encoder).description.startswith("PyTorch 2")
    with pytest.raises(FaceHubError, match="pip install onnxruntime onnx"):
        make_engine(recognizer.encoder, "onnxruntime")


def test_asked_for(other_weights: Path) -> None:
    by_torch = FaceRecognizer.from_pretrained(other_weights, engine="torch")
    assert isinstance(by_torch.engine, TorchEngine)
    by_onnx = FaceRecognizer.from_pretrained(other_weights, engine="onnxruntime")
    assert isinstance(by_onnx.engine, OnnxEngine)
    with pytest.raises(ValueError, match="engine must be one of"):
        FaceRecognizer.from_pretrained(other_weights, engine="magic")  # type: ignore[arg-type]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_pytorch_on_a_gpu(recognizer: FaceRecognizer) -> None:
    encoder = _untrained(ModelSpec()).to("cuda")
    assert isinstance(make_engine(encoder), TorchEngine)
    with pytest.raises(FaceHubError, match="needs a CPU"):
        make_engine(encoder, "onnxruntime")
