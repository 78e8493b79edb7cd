"""Activation ranges, measured on training faces, that keep int8 close to float32."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from facehub import FaceEncoder, FaceRecognizer, ModelSpec
from facehub.errors import ImageFormatError, WeightsError
from facehub.model.onnx import OnnxEmbedder
from facehub.model.resnet18 import activations
from facehub.model.store import default_weights, read_spec, read_weights
from tests.train.networks import mean_weights
from train.__main__ import main
from train.data.heldout import read_heldout
from train.data.sample import sample_training
from train.evaluation.validate import heldout_fnmr
from train.release.quantize import activation_ranges, quantize


@pytest.fixture
def weights(tmp_path: Path, other_weights: Path) -> Path:
    return shutil.copytree(other_weights, tmp_path / "weights")


def seen(encoder: FaceEncoder, crops: np.ndarray) -> dict[str, np.ndarray]:
    """The lowest and highest activation of each crop, by PyTorch: float (2, N) per layer."""
    found = {}

    def keep(name: str) -> object:
        def hook(module: object, inputs: object, output: torch.Tensor) -> None:
            values = output.flatten(1)
            found[name] = torch.stack([values.min(1).values, values.max(1).values]).numpy()

        return hook

    trunk = encoder.trunk
    modules = {
        "conv1": trunk.relu,
        "layer1.0.conv2": trunk.layer1[0].bn2,
        "layer2.0.downsample": trunk.layer2[0].downsample,
        "layer4.1": trunk.layer4[1],
    }
    handles = [m.register_forward_hook(keep(name)) for name, m in modules.items()]  # type: ignore
    with torch.inference_mode():
        encoder.features(encoder.preprocess(torch.from_numpy(crops)))
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("flip", [False, True])
def test_ranges_are_means_over_faces_and_equal_pytorch(flip: bool) -> None:
    torch.manual_seed(0)
    encoder = FaceEncoder(ModelSpec(embedding_size=8, flip=flip)).eval()
    crops = np.random.default_rng(0).integers(0, 256, (35, 112, 96, 3), np.uint8)
    ranges = activation_ranges(encoder.tensors(), encoder.spec, crops)
    assert list(ranges) == activations(encoder.spec)
    both = np.concatenate([crops, crops[:, :, ::-1]]) if flip else crops
    for name, values in seen(encoder, both).items():
        assert ranges[name] == pytest.approx(values.mean(axis=1), rel=2e-3, abs=1e-4), name


def test_ranges_of_an_iresnet_equal_pytorch() -> None:
    """Ranges before and after a PReLU, and after a batch norm that follows no convolution."""
    torch.manual_seed(0)
    encoder = FaceEncoder(ModelSpec(stem="iresnet", embedding_size=8)).eval()
    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 96, 3), np.uint8)
    ranges = activation_ranges(encoder.tensors(), encoder.spec, crops)
    assert list(ranges) == activations(encoder.spec)
    block = encoder.trunk.layer1[0]
    modules = {
        "conv1": encoder.trunk.bn1,
        "conv1.prelu": encoder.trunk.prelu,
        "layer1.0.bn1": block.bn1,
        "layer1.0.conv1": block.bn2,
        "layer1.0.conv1.prelu": block.prelu,
        "layer1.0.conv2": block.bn3,
        "layer1.0": block,
    }
    found = {}
    for name, part in modules.items():
        part.register_forward_hook(lambda _, x, y, name=name: found.update({name: y.flatten(1)}))
    with torch.inference_mode():
        encoder.features(encoder.preprocess(torch.from_numpy(crops)))
    for name, values in found.items():
        ends = float(values.min(1).values.mean()), float(values.max(1).values.mean())
        assert ranges[name] == pytest.approx(ends, rel=2e-3, abs=1e-4), name


def test_a_layer_that_is_always_zero_has_a_range(encoder: FaceEncoder) -> None:
    tensors = encoder.tensors()
    for part in ("weight", "bias"):
        tensors[f"trunk.bn1.{part}"] = np.zeros_like(tensors[f"trunk.bn1.{part}"])
    crops = np.zeros((1, 112, 96, 3), np.uint8)
    ranges = activation_ranges(tensors, encoder.spec, crops)
    assert ranges["conv1"] == (0, 1e-6)
    assert replace(encoder.spec, activation_ranges=ranges).activation_ranges == ranges


def test_quantize_changes_the_config_only(
    weights: Path, tiny_pack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, tensors = read_spec(weights), (weights / "model.safetensors").read_bytes()
    assert not before.activation_ranges
    assert main(["quantize", str(weights), tiny_pack, "--count", "20"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("20 faces; cosine of the int8 and float32 embeddings: mean 0.9")
    after = read_spec(weights)
    assert replace(after, activation_ranges={}) == before
    assert (weights / "model.safetensors").read_bytes() == tensors
    chosen = sample_training(Path(tiny_pack), 20)
    content = read_weights(weights).content
    assert not isinstance(content, bytes)
    assert after.activation_ranges == activation_ranges(content, before, chosen)
    assert OnnxEmbedder.from_pretrained(weights, precision="int8").precision == "int8"


def test_unsuitable_weights_and_faces_are_refused(
    weights: Path, faces: Path, tiny_pack: str, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="Only a ResNet18 can be quantised"):
        quantize(mean_weights(tmp_path / "network"), Path(tiny_pack))
    with pytest.raises(WeightsError, match="There is no folder"):
        quantize(tmp_path / "nothing", Path(tiny_pack))
    with pytest.raises(ValueError, match="held out"):
        quantize(weights, faces)
    with pytest.raises(ImageFormatError, match="Crops must be"):
        activation_ranges({}, ModelSpec(), np.zeros((1, 112, 112, 3), np.uint8))
    assert not read_spec(weights).activation_ranges


def test_int8_of_the_shipped_weights_is_close_to_float32(
    recognizer: FaceRecognizer, shared_data: Path
) -> None:
    """600 held-out faces: nearly the same embeddings, and no fewer genuine pairs accepted."""
    weights = read_weights(Path(default_weights()))
    assert not isinstance(weights.content, bytes)
    crops = sample_training(shared_data / "celeba_aligned.zip", 64)
    ranges = activation_ranges(weights.content, weights.spec, crops)
    weights = replace(weights, spec=replace(weights.spec, activation_ranges=ranges))
    heldout, labels = read_heldout(shared_data / "celeba_aligned.zip")
    heldout, labels = heldout[:600], labels[:600]
    found = {p: OnnxEmbedder(weights, precision=p).embed(heldout) for p in ("float32", "int8")}
    agreement = (found["float32"] * found["int8"]).sum(axis=1)
    fnmr = {p: heldout_fnmr(embeddings, labels) for p, embeddings in found.items()}
    print(f"cosine {agreement.mean():.4f}, lowest {agreement.min():.4f}; {fnmr}")
    assert agreement.mean() > 0.995
    assert agreement.min() > 0.98
    for name, value in fnmr["float32"].items():
        assert fnmr["int8"][name] < value + 1.5  # the standard error with so few pairs
