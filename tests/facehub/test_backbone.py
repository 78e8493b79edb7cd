"""Stems and heads: names and sizes of their tensors, initial values and refused inputs."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from facehub import FaceEncoder, ModelSpec
from facehub.backbone import PReLU
from facehub.model.resnet18 import convolutions, map_size, places, shapes
from facehub.model.spec import Head, Stem
from facehub.template import TEMPLATES

IRESNET = ModelSpec(stem="iresnet", head="flatten")
EVERY = [
    ModelSpec(stem=stem, head=head, embedding_size=16)
    for stem, head in product(("imagenet", "face", "iresnet"), ("average", "depthwise", "flatten"))
]
EVERY += [ModelSpec(dilated=True, head="depthwise"), ModelSpec(dilated=True, head="flatten")]


def name(spec: ModelSpec) -> str:
    return f"{spec.stem} {spec.head}" + " dilated" * spec.dilated


@pytest.fixture
def on_meta() -> object:
    """Create modules without values: the tests read only names and shapes."""
    with torch.device("meta"):
        yield


@pytest.mark.parametrize("spec", EVERY, ids=name)
def test_module_and_description_name_the_same_tensors(spec: ModelSpec, on_meta: None) -> None:
    state = FaceEncoder(spec).state_dict()
    found = {n: tuple(t.shape) for n, t in state.items() if not n.endswith("batches_tracked")}
    assert found == shapes(spec)


@pytest.mark.parametrize("spec", EVERY, ids=name)
def test_last_feature_map_has_the_described_size(spec: ModelSpec, on_meta: None) -> None:
    trunk = FaceEncoder(spec).trunk
    assert trunk(torch.zeros(2, 3, 112, 96)).shape == (2, 512, *places(spec))
    assert trunk(torch.zeros(2, 3, 75, 41)).shape[2:] == map_size(spec, 75, 41)


@pytest.mark.parametrize(
    ("template", "parameters", "gigaflops"),
    [("arcface112", 24.0, 2.6), ("pupils96x112", 22.2, 2.2)],
)
def test_iresnet_has_the_published_parameters_and_operations(
    template: str, parameters: float, gigaflops: float, on_meta: None
) -> None:
    """InsightFace's arcface_torch gives 24.0 million and 2.6 GFLOP for 112 x 112."""
    spec = replace(IRESNET, template=TEMPLATES[template])
    encoder = FaceEncoder(spec).eval()
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(parameters, abs=0.05)
    products = 0

    def count(layer: nn.Conv2d, x: object, y: torch.Tensor) -> None:
        nonlocal products
        products += layer.weight.numel() * math.prod(y.shape[2:])

    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    encoder.trunk(torch.zeros(1, 3, spec.template.height, spec.template.width))
    assert products / 1e9 == pytest.approx(gigaflops, abs=0.05)


def test_iresnet_has_the_names_and_strides_of_insightface(on_meta: None) -> None:
    """The names are those of `iresnet18` in arcface_torch, except for its last layers."""
    trunk = FaceEncoder(IRESNET).trunk
    block = [
        *("bn1", "conv1", "bn2", "prelu", "conv2", "bn3"),
        *("downsample.0", "downsample.1"),
    ]
    expected = {"conv1", "bn1", "prelu"}
    for layer in range(1, 5):
        expected |= {f"layer{layer}.0.{part}" for part in block}
        expected |= {f"layer{layer}.1.{part}" for part in block[:-2]}
    assert {n.rpartition(".")[0] for n, _ in trunk.named_parameters()} == expected
    strided = {c.name for c in convolutions(IRESNET) if c.stride == 2}
    assert strided == {
        f"layer{n}.0.{part}" for n in range(1, 5) for part in ("conv2", "downsample")
    }


@pytest.mark.parametrize("stem", ["imagenet", "iresnet"])
def test_new_depthwise_head_equals_the_average_head(stem: Stem) -> None:
    torch.manual_seed(0)
    average = FaceEncoder(ModelSpec(stem=stem, embedding_size=16)).eval()
    depthwise = FaceEncoder(replace(average.spec, head="depthwise")).eval()
    missing = depthwise.load_state_dict(average.state_dict(), strict=False).missing_keys
    assert missing == ["pool.weight"]
    x = torch.rand(2, 3, 112, 96)
    with torch.inference_mode():
        torch.testing.assert_close(depthwise(x), average(x), rtol=1e-5, atol=1e-6)
    assert depthwise.fingerprint() != average.fingerprint()


def test_last_norm_of_the_flatten_head_has_a_fixed_weight() -> None:
    torch.manual_seed(0)
    encoder = FaceEncoder(replace(IRESNET, stem="imagenet"))
    encoder.features(torch.rand(2, 3, 112, 96)).square().sum().backward()
    without = [n for n, p in encoder.named_parameters() if p.grad is None]
    assert without == ["norm.weight"]
    assert encoder.norm.weight.eq(1).all()


@pytest.mark.parametrize("head", ["depthwise", "flatten"])
def test_depthwise_and_flatten_heads_refuse_another_input_size(head: Head) -> None:
    encoder = FaceEncoder(ModelSpec(head=head, embedding_size=8)).eval()
    with pytest.raises(ValueError, match="a last feature map of 4 x 3, not 2 x 2"):
        encoder(torch.zeros(1, 3, 64, 56))


def test_saved_iresnet_weights_load_with_the_same_embeddings(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = FaceEncoder(replace(IRESNET, embedding_size=8)).eval()
    encoder.save_pretrained(tmp_path)
    again = FaceEncoder.from_pretrained(tmp_path)
    assert (again.spec.stem, again.spec.head) == ("iresnet", "flatten")
    assert again.spec.known_answer
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 96, 3), np.uint8)
    np.testing.assert_array_equal(again.embed(crops), encoder.embed(crops))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_prelu_equals_the_prelu_of_pytorch(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facehub.backbone.CACHED_VALUES", 2 * 5 * 4 * 6)  # two faces, then one
    own, theirs = PReLU(5), nn.PReLU(5)
    torch.manual_seed(0)
    slopes = torch.randn(5)
    x = torch.randn(3, 5, 4, 6).to(dtype).contiguous(memory_format=torch.channels_last)
    x[0, 0, 0, 0] = 0
    grad = torch.randn(3, 5, 4, 6).to(dtype)
    results = []
    for module in (own, theirs):
        module.weight.data.copy_(slopes)
        leaf = x.clone().requires_grad_()
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            y = module(leaf)
        y.backward(grad)
        assert y.is_contiguous(memory_format=torch.channels_last)
        results.append((y, leaf.grad, module.weight.grad))
    precision = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {}
    for a, b in zip(results[0][:2], results[1][:2], strict=True):
        torch.testing.assert_close(a, b, **precision)
    torch.testing.assert_close(
        results[0][2], results[1][2], rtol=1e-5 if dtype == torch.float32 else 0.05, atol=0.05
    )
