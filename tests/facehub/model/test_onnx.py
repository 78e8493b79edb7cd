"""ONNX Runtime gives the embeddings of PyTorch: equal in float32, close in int8."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from facehub import (
    DeviceError,
    FaceEncoder,
    FaceRecognizer,
    ImageFormatError,
    ModelSpec,
    OnnxEmbedder,
    WeightsError,
)
from facehub.model import onnx as module
from facehub.model import runtime
from facehub.model.graph import to_onnx
from facehub.model.onnx import PRECISION_VARIABLE, choose_precision
from facehub.model.resnet18 import activations, convolutions
from facehub.model.spec import Preprocessing
from facehub.model.store import Weights, default_weights, read_weights
from tests.thin import make_thin

SHIPPED = Path(default_weights())


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 112, 96, 3), np.uint8)


def untrained(spec: ModelSpec) -> FaceEncoder:
    torch.manual_seed(0)
    encoder = FaceEncoder(spec).eval()
    for part in encoder.modules():  # random statistics and slopes, not the defaults
        if isinstance(part, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(part.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(part.running_var, 0.5, 2)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.uniform_(part.bias, -0.3, 0.3)
            part.momentum = 1.0
        if isinstance(part, torch.nn.PReLU):
            torch.nn.init.uniform_(part.weight, -0.2, 1.2)
    if spec.stem == "iresnet":  # with measured statistics, values do not grow from block to block
        with torch.no_grad():
            encoder.train().features(2 * torch.rand(4, 3, 112, 96) - 1)
    if spec.head == "depthwise":
        torch.nn.init.uniform_(encoder.pool.weight, -0.05, 0.1)
    return encoder.eval()


def embedder(encoder: FaceEncoder, precision: str = "float32") -> OnnxEmbedder:
    return OnnxEmbedder(Weights(encoder.spec, encoder.tensors(), Path()), precision=precision)


def ranges(encoder: FaceEncoder, crops: np.ndarray) -> dict[str, tuple[float, float]]:
    """Ranges of the activations on crops and on their mirror images."""
    graph = to_onnx(encoder.tensors(), encoder.spec, with_activations=True)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = activations(encoder.spec)
    found = session.run(names, {"crops": crops})
    return {n: (float(v.min()), float(v.max()) + 1e-6) for n, v in zip(names, found, strict=True)}


SPECS = {
    "imagenet": ModelSpec(stem="imagenet"),
    "face": ModelSpec(stem="face", embedding_size=32),
    "dilated": ModelSpec(dilated=True),
    "preprocessing": ModelSpec(preprocessing=Preprocessing(mean=100, std=60)),
    "channels": ModelSpec(preprocessing=Preprocessing(mean=(90, 100, 120), std=(50, 60, 70))),
}
HEADS = {
    "iresnet flatten": ModelSpec(stem="iresnet", head="flatten", flip=True),
    "iresnet average": ModelSpec(stem="iresnet", embedding_size=32),
    "iresnet depthwise": ModelSpec(stem="iresnet", head="depthwise", embedding_size=32),
    "imagenet depthwise": ModelSpec(head="depthwise", dilated=True),
    "imagenet flatten": ModelSpec(head="flatten", dilated=True),
    "face depthwise": ModelSpec(stem="face", head="depthwise", embedding_size=32),
    "face flatten": ModelSpec(stem="face", head="flatten", embedding_size=32),
}


@pytest.fixture
def thin_with_flip(flip: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Try each network in full width without flip TTA, and with few channels with it."""
    if flip:
        make_thin(monkeypatch.setattr)


@pytest.mark.usefixtures("thin_with_flip")
@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("flip", [False, True])
def test_float32_equals_pytorch(name: str, flip: bool, crops: np.ndarray) -> None:
    encoder = untrained(replace(SPECS[name], flip=flip))
    expected = encoder.embed(crops)
    found = embedder(encoder).embed(crops, batch_size=2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found).max() > 0.05


@pytest.mark.usefixtures("thin_with_flip")
@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("flip", [False, True])
def test_int8_is_close_to_pytorch(name: str, flip: bool, crops: np.ndarray) -> None:
    encoder = untrained(replace(SPECS[name], flip=flip))
    expected = encoder.embed(crops)
    encoder.spec = replace(encoder.spec, activation_ranges=ranges(encoder, crops))
    found = embedder(encoder, "int8").embed(crops, batch_size=2)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    agreement = (found * expected).sum(axis=1)
    assert agreement.min() > 0.98
    assert agreement.max() < 1 - 1e-7  # it did not run in float32


@pytest.mark.parametrize("name", HEADS)
def test_every_head_agrees_with_pytorch(name: str, crops: np.ndarray) -> None:
    """Equal to PyTorch in float32, close to it in int8."""
    encoder, crops = untrained(HEADS[name]), crops[:3]
    expected = encoder.embed(crops)
    np.testing.assert_allclose(embedder(encoder).embed(crops), expected, atol=1e-5)
    assert not np.allclose(expected[0], expected[1], atol=1e-3)
    encoder.spec = replace(encoder.spec, activation_ranges=ranges(encoder, crops))
    agreement = (embedder(encoder, "int8").embed(crops) * expected).sum(axis=1)
    assert agreement.min() > 0.98
    assert agreement.max() < 1 - 1e-7


def test_int8_handles_channels_that_a_batch_norm_makes_constant(crops: np.ndarray) -> None:
    """With a weight of 0, only the shift remains."""
    encoder = untrained(ModelSpec(stem="iresnet", embedding_size=32))
    with torch.no_grad():
        for name in ("layer1.0.bn1", "layer2.0.bn2", "layer3.1.bn3"):
            encoder.get_submodule(f"trunk.{name}").weight[::2] = 0
    expected = encoder.embed(crops)
    encoder.spec = replace(encoder.spec, activation_ranges=ranges(encoder, crops))
    assert (embedder(encoder, "int8").embed(crops) * expected).sum(axis=1).min() > 0.98


def test_int8_graph_has_no_float32_layers(crops: np.ndarray, tmp_path: Path) -> None:
    """ONNX Runtime's optimised graph has no convolution, matrix product or PReLU in float32."""
    encoder = untrained(HEADS["iresnet flatten"])
    encoder.spec = replace(encoder.spec, activation_ranges=ranges(encoder, crops))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    graph = to_onnx(encoder.tensors(), encoder.spec, precision="int8")
    onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    found = Counter(n.op_type for n in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert found["QLinearConv"] == len(list(convolutions(encoder.spec))) + 8 + 9
    assert not {"Conv", "MatMul", "Gemm", "PRelu"} & found.keys()


def test_float32_equals_pytorch_on_real_faces(encoder: FaceEncoder, both: np.ndarray) -> None:
    recognizer = FaceRecognizer.from_pretrained(precision="float32")
    faces = recognizer.faces(both)
    assert len(faces) == 2
    expected = encoder.embed(np.stack([face.face.crop for face in faces]))
    np.testing.assert_allclose([face.embedding for face in faces], expected, atol=1e-5)


def test_int8_of_the_shipped_weights_is_close_to_pytorch(
    encoder: FaceEncoder, both: np.ndarray
) -> None:
    faces = FaceRecognizer.from_pretrained(precision="int8").faces(both)
    expected = encoder.embed(np.stack([face.face.crop for face in faces]))
    assert all(f.embedding @ e > 0.99 for f, e in zip(faces, expected, strict=True))


def test_recognizer_with_a_pytorch_encoder_gives_the_same_embeddings(
    encoder: FaceEncoder, both: np.ndarray
) -> None:
    by_torch = FaceRecognizer(encoder)
    by_onnx = FaceRecognizer.from_pretrained(precision="float32")
    assert by_torch.fingerprint == by_onnx.fingerprint
    for one, other in zip(by_torch.faces(both), by_onnx.faces(both), strict=True):
        np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-5)


def test_embed_of_no_crops_is_empty(recognizer: FaceRecognizer) -> None:
    assert recognizer.embedder.embed(np.empty((0, 112, 96, 3), np.uint8)).shape == (0, 512)


@pytest.mark.parametrize("by", ["onnx", "torch"])
def test_crops_of_wrong_size_are_refused(
    by: str, recognizer: FaceRecognizer, encoder: FaceEncoder
) -> None:
    with pytest.raises(ImageFormatError, match="must be uint8"):
        (recognizer.embedder if by == "onnx" else encoder).embed(
            np.zeros((1, 96, 112, 3), np.uint8)
        )


def test_embedder_is_thread_safe(recognizer: FaceRecognizer, crops: np.ndarray) -> None:
    expected = recognizer.embedder.embed(crops)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(recognizer.embedder.embed, [crops] * 16):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("precision", "megabytes"), [("float32", 25), ("int8", 13)], ids=["float32", "int8"]
)
def test_onnx_file_holds_metadata_inputs_and_outputs(precision: str, megabytes: float) -> None:
    weights = read_weights(SHIPPED)
    assert not isinstance(weights.content, bytes)
    content = to_onnx(weights.content, weights.spec, precision=precision)  # type: ignore[arg-type]
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    props = {p.key: p.value for p in model.metadata_props}
    assert props["fingerprint"] == weights.spec.fingerprint
    assert float(props["threshold"]) == weights.spec.threshold
    assert props["precision"] == precision
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (entry,), (exit_,) = session.get_inputs(), session.get_outputs()
    assert (entry.name, entry.type, entry.shape[1:]) == ("crops", "tensor(uint8)", [112, 96, 3])
    assert (exit_.name, exit_.type, exit_.shape[1:]) == ("embeddings", "tensor(float)", [512])
    assert len(content) < megabytes * 1e6


# --- precision ------------------------------------------------------------------------------------

RANGED = ModelSpec(activation_ranges={"conv1": (0.0, 1.0)})


@pytest.mark.parametrize(
    ("spec", "device", "fast", "expected"),
    [
        (RANGED, "cpu", True, "int8"),
        (RANGED, "cpu", False, "float32"),  # without VNNI or dot product, int8 may be slower
        (RANGED, "cuda", True, "float32"),
        (ModelSpec(), "cpu", True, "float32"),  # nothing to quantise by
        (ModelSpec(architecture="onnx", file="x.onnx"), "cpu", True, "file"),
    ],
    ids=["int8", "old CPU", "GPU", "no ranges", "ONNX file"],
)
def test_default_precision_depends_on_ranges_and_cpu(
    spec: ModelSpec, device: str, fast: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "has_int8_instructions", lambda: fast)
    assert choose_precision(spec, device) == expected


def test_precision_variable_is_used_unless_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "has_int8_instructions", lambda: True)
    monkeypatch.setenv(PRECISION_VARIABLE, " float32 ")
    assert choose_precision(RANGED, "cpu") == "float32"
    assert choose_precision(RANGED, "cpu", "int8") == "int8"  # the argument overrides it
    monkeypatch.setenv(PRECISION_VARIABLE, "")
    assert choose_precision(RANGED, "cpu") == "int8"
    monkeypatch.setenv(PRECISION_VARIABLE, "int4")
    with pytest.raises(DeviceError, match="FACEHUB_PRECISION must be auto, float32 or int8"):
        choose_precision(RANGED, "cpu")
    with pytest.raises(ValueError, match="precision must be one of"):
        choose_precision(RANGED, "cpu", "int4")


def test_int8_without_ranges_is_refused(other_weights: Path) -> None:
    with pytest.raises(WeightsError, match=r"the range of conv1 was not measured"):
        OnnxEmbedder.from_pretrained(other_weights, precision="int8")


def test_description_names_device_and_precision() -> None:
    for precision in ("float32", "int8"):
        found = OnnxEmbedder.from_pretrained(precision=precision, device="cpu")
        version = onnxruntime.__version__
        assert found.description == f"ONNX Runtime {version} on cpu, {precision}"
        assert found.source == SHIPPED


def test_both_precisions_have_one_fingerprint() -> None:
    """A gallery made in one precision can be searched with the other."""
    one, other = (OnnxEmbedder.from_pretrained(precision=p) for p in ("float32", "int8"))
    assert one.fingerprint() == other.fingerprint() == read_weights(SHIPPED).spec.fingerprint


def test_int8_instructions_of_this_machine_are_found() -> None:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        pytest.skip("only Linux lists them in a file")
    words = cpuinfo.read_text().split()
    runtime.has_int8_instructions.cache_clear()
    if {"avx512_vnni", "avx_vnni", "asimddp"} & set(words):
        assert runtime.has_int8_instructions()


# --- devices ---


def test_gpu_that_does_not_work_falls_back_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """`onnxruntime-gpu` lists CUDA even on machines without a GPU."""
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    assert OnnxEmbedder.from_pretrained().device == "cpu"
    with pytest.raises(DeviceError, match="cuda does not work here"):
        OnnxEmbedder.from_pretrained(device="cuda")


# --- damaged weights ------------------------------------------------------------------------------


def test_layer_of_zeros_is_detected() -> None:
    """Such a network gives two strangers the similarity 1."""
    weights = read_weights(SHIPPED)
    assert not isinstance(weights.content, bytes)
    name = "embedding.weight"
    content = dict(weights.content) | {name: np.zeros_like(weights.content[name])}
    with pytest.raises(WeightsError, match="damaged"):
        OnnxEmbedder(Weights(weights.spec, content, SHIPPED))
    unknown = replace(weights.spec, known_answer=())
    with pytest.raises(WeightsError, match="different faces get the same embedding"):
        OnnxEmbedder(Weights(unknown, content, SHIPPED))


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_layer_of_changed_values_is_detected(precision: str) -> None:
    weights = read_weights(SHIPPED)
    assert not isinstance(weights.content, bytes)
    name = "trunk.layer3.0.conv1.weight"
    content = dict(weights.content) | {name: weights.content[name][::-1]}
    with pytest.raises(WeightsError, match="differs from the one in"):
        OnnxEmbedder(Weights(weights.spec, content, SHIPPED), precision=precision)


def test_embeddings_that_are_not_finite_are_detected() -> None:
    weights = read_weights(SHIPPED)
    assert not isinstance(weights.content, bytes)
    content = dict(weights.content)
    content["norm.running_var"] = np.full_like(content["norm.running_var"], -1)
    with pytest.raises(WeightsError, match="not finite"):
        OnnxEmbedder(Weights(weights.spec, content, SHIPPED), precision="float32")
