"""The encoder: preprocessing, embeddings, saving and loading, and refused weights."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from facehub import FaceEncoder, ImageFormatError, ModelSpec, WeightsError
from facehub.model.spec import Preprocessing


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """Five crops of coarse noise."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 14, 12, 3), np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


# --- from crops to embeddings ---------------------------------------------------------------------


@pytest.mark.parametrize("stem", ["imagenet", "face"])
@pytest.mark.parametrize("size", [512, 16])
def test_forward_returns_unit_embeddings(stem: str, size: int) -> None:
    torch.manual_seed(0)
    model = FaceEncoder(ModelSpec(stem=stem, embedding_size=size)).eval()
    with torch.inference_mode():
        y = model(torch.rand(2, 3, 112, 96))
    assert y.shape == (2, size)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize(("stem", "shape"), [("imagenet", (4, 3)), ("face", (14, 12))])
def test_stem_sets_the_resolution(stem: str, shape: tuple[int, int]) -> None:
    """112 x 96 is halved five times (and rounded up) with one stem, three times with the other."""
    model = FaceEncoder(ModelSpec(stem=stem)).eval()
    seen = []
    model.trunk.layer4.register_forward_hook(lambda layer, x, y: seen.append(y.shape[2:]))
    with torch.inference_mode():
        model(torch.zeros(1, 3, 112, 96))
    assert seen == [shape]


def test_preprocessing_is_exact() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    x = FaceEncoder().preprocess(torch.from_numpy(levels)).numpy()
    expected = (np.arange(256, dtype=np.float32) - np.float32(127.5)) / np.float32(127.5)
    assert x.dtype == np.float32
    for channel in range(3):
        np.testing.assert_array_equal(x[0, channel].ravel(), expected)
    np.testing.assert_allclose(expected, np.arange(256) / 127.5 - 1, atol=1e-7)
    assert (x.min(), x.max()) == (-1, 1)


def test_preprocessing_keeps_rgb_and_position() -> None:
    crop = np.zeros((1, 112, 96, 3), np.uint8)
    crop[0, 100, 7] = (255, 127, 0)
    x = FaceEncoder().preprocess(torch.from_numpy(crop))
    assert x.shape == (1, 3, 112, 96)
    assert x[0, :, 100, 7].tolist() == pytest.approx([1, -0.5 / 127.5, -1])


def test_preprocessing_follows_the_config() -> None:
    config = ModelSpec(preprocessing=Preprocessing(mean=55.0, std=100.0))
    x = FaceEncoder(config).preprocess(torch.full((1, 112, 96, 3), 255, dtype=torch.uint8))
    assert x.unique().tolist() == [2.0]


def test_embed_returns_distinct_unit_embeddings(encoder: FaceEncoder, crops: np.ndarray) -> None:
    embeddings = encoder.embed(crops)
    assert embeddings.shape == (5, 512)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    distinct = embeddings @ embeddings.T - np.eye(5)
    assert distinct.max() < 0.99


@pytest.mark.parametrize("batch_size", [1, 2, 5, 64])
def test_embeddings_do_not_depend_on_the_batch_size(
    encoder: FaceEncoder, crops: np.ndarray, batch_size: int
) -> None:
    one_by_one = np.concatenate([encoder.embed(crop[None]) for crop in crops])
    np.testing.assert_allclose(encoder.embed(crops, batch_size=batch_size), one_by_one, atol=1e-5)


def test_embed_is_deterministic(encoder: FaceEncoder, crops: np.ndarray) -> None:
    np.testing.assert_array_equal(encoder.embed(crops), encoder.embed(crops))


def test_embed_is_forward_of_preprocess(encoder: FaceEncoder, crops: np.ndarray) -> None:
    with torch.inference_mode():
        y = encoder(encoder.preprocess(torch.from_numpy(crops))).numpy()
    np.testing.assert_allclose(encoder.embed(crops), y, atol=1e-6)


def test_embed_of_no_crops_returns_no_embeddings(encoder: FaceEncoder) -> None:
    embeddings = encoder.embed(np.empty((0, 112, 96, 3), np.uint8))
    assert embeddings.shape == (0, 512)
    assert embeddings.dtype == np.float32


def test_embed_takes_views(encoder: FaceEncoder, crops: np.ndarray) -> None:
    bgr = np.ascontiguousarray(crops[..., ::-1])
    np.testing.assert_allclose(encoder.embed(bgr[..., ::-1]), encoder.embed(crops), atol=1e-6)


def test_flip_adds_the_mirrored_crop(encoder: FaceEncoder, crops: np.ndarray) -> None:
    plain, both = copy.deepcopy(encoder), copy.deepcopy(encoder)
    plain.spec, both.spec = (replace(encoder.spec, flip=flip) for flip in (False, True))
    total = plain.embed(crops) + plain.embed(crops[:, :, ::-1])
    expected = total / np.linalg.norm(total, axis=1, keepdims=True)
    np.testing.assert_allclose(both.embed(crops), expected, atol=1e-5)
    np.testing.assert_allclose(both.embed(crops[:, :, ::-1]), expected, atol=1e-5)
    assert (
        plain.fingerprint() != both.fingerprint()
    )  # a threshold of one is not valid for the other


def test_dilated_stage_equals_the_strided_stage_at_its_positions(
    encoder: FaceEncoder,
) -> None:
    strided, dilated = (
        FaceEncoder(replace(encoder.spec, dilated=dilated, head="average")).eval()
        for dilated in (False, True)
    )
    for model in (strided, dilated):
        model.trunk.load_state_dict(encoder.trunk.state_dict())
    x = torch.randn(2, 256, 7, 6, generator=torch.Generator().manual_seed(0)).abs()
    with torch.inference_mode():
        coarse, fine = strided.trunk.layer4(x), dilated.trunk.layer4(x)
    assert (coarse.shape, fine.shape) == ((2, 512, 4, 3), (2, 512, 7, 6))
    torch.testing.assert_close(fine[:, :, ::2, ::2], coarse, rtol=1e-4, atol=1e-4)
    assert strided.fingerprint() != dilated.fingerprint()


def test_embed_changes_neither_training_mode_nor_weights(crops: np.ndarray) -> None:
    torch.manual_seed(0)
    model = FaceEncoder(ModelSpec(embedding_size=8)).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    in_training = model.embed(crops[:2])
    assert model.training
    assert model.norm.training
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
    np.testing.assert_array_equal(model.eval().embed(crops[:2]), in_training)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((112, 96, 3), np.uint8),
        np.zeros((1, 96, 112, 3), np.uint8),
        np.zeros((1, 3, 112, 96), np.uint8),
        np.zeros((1, 112, 96), np.uint8),
        np.zeros((1, 112, 96, 3), np.float32),
        [],
    ],
    ids=["one crop", "sides swapped", "NCHW", "grey", "float", "list"],
)
def test_embed_refuses_arrays_that_are_not_crops(encoder: FaceEncoder, bad: np.ndarray) -> None:
    with pytest.raises(ImageFormatError, match="Crops must be uint8"):
        encoder.embed(bad)


# --- saving and loading ---------------------------------------------------------------------------


def test_saved_encoder_loads_with_the_same_embeddings(
    tmp_path: Path, other_weights: Path, crops: np.ndarray
) -> None:
    model = FaceEncoder.from_pretrained(other_weights)
    model.save_pretrained(tmp_path / "copy")
    again = FaceEncoder.from_pretrained(tmp_path / "copy")
    assert again.spec == model.spec
    assert again.fingerprint() == model.fingerprint() == model.spec.fingerprint
    np.testing.assert_array_equal(again.embed(crops), model.embed(crops))
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "copy" / name).read_bytes() == (other_weights / name).read_bytes()


def test_loaded_encoder_is_ready_for_inference(other_weights: Path) -> None:
    model = FaceEncoder.from_pretrained(other_weights)
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_weights_are_saved_in_float16_only_where_exact(tmp_path: Path, other_weights: Path) -> None:
    def dtypes(folder: Path) -> set[str]:
        return {t.dtype.name for t in load_file(folder / "model.safetensors").values()}

    assert dtypes(other_weights) == {"float16"}
    model = FaceEncoder.from_pretrained(other_weights)
    model.norm.weight[0] = 1.0001  # lies between two float16 numbers
    model.save_pretrained(tmp_path)
    assert dtypes(tmp_path) == {"float32"}
    assert FaceEncoder.from_pretrained(tmp_path).norm.weight[0] == np.float32(1.0001)


def test_large_values_stay_float32(tmp_path: Path, other_weights: Path) -> None:
    model = FaceEncoder.from_pretrained(other_weights)
    model.norm.running_var[3] = 1e6  # float16 ends at 65504
    model.save_pretrained(tmp_path)
    assert FaceEncoder.from_pretrained(tmp_path).norm.running_var[3] == 1e6


@pytest.mark.parametrize("exists", [True, False], ids=["old folder", "new folder"])
def test_values_that_are_not_finite_are_not_saved(
    tmp_path: Path, other_weights: Path, exists: bool
) -> None:
    folder = tmp_path / "weights"
    if exists:
        shutil.copytree(other_weights, folder)
    model = FaceEncoder.from_pretrained(other_weights)
    model.embedding.weight[0, 0] = float("nan")
    with pytest.raises(WeightsError, match="not finite"):
        model.save_pretrained(folder)
    if exists:
        for path in other_weights.iterdir():
            assert (folder / path.name).read_bytes() == path.read_bytes()
    else:
        assert not folder.exists()


def test_saving_sets_the_fingerprint(tmp_path: Path, other_weights: Path) -> None:
    model = FaceEncoder.from_pretrained(other_weights)
    before = model.spec.fingerprint
    model.norm.bias[0] += 1
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())["fingerprint"]
    assert saved == model.spec.fingerprint == model.fingerprint() != before


# --- what is refused ------------------------------------------------------------------------------

Tensors = dict[str, np.ndarray]


@pytest.fixture
def folder(tmp_path: Path, other_weights: Path) -> Path:
    """A copy of the other weights, for a test to damage."""
    return shutil.copytree(other_weights, tmp_path / "damaged")


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_flipped_bit_in_a_tensor_is_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1  # the lowest bit of a float16 or of its upper byte
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="does not belong to"):
        FaceEncoder.from_pretrained(folder)


def test_weights_of_another_embedding_size_are_refused(folder: Path) -> None:
    change_config(folder, embedding_size=512, known_answer=[])
    with pytest.raises(WeightsError, match=r"embedding\.weight has shape \(8, 512\)"):
        FaceEncoder.from_pretrained(folder)


def test_changed_template_is_refused(folder: Path) -> None:
    change_config(folder, template={"width": 96, "height": 112, "left_eye": [31.0, 51.6]})
    with pytest.raises(WeightsError, match="fingerprint"):
        FaceEncoder.from_pretrained(folder)


def test_threshold_may_be_changed(folder: Path) -> None:
    change_config(folder, threshold=0.6)
    assert FaceEncoder.from_pretrained(folder).spec.threshold == 0.6


def test_fingerprint_may_be_missing(folder: Path, other_weights: Path) -> None:
    change_config(folder, fingerprint=None)
    found = FaceEncoder.from_pretrained(folder).spec.fingerprint
    assert found == FaceEncoder.from_pretrained(other_weights).spec.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t | {"extra": np.ones(3, np.float32)}, "extra is unexpected"),
        (lambda t: {n: a for n, a in t.items() if n != "norm.bias"}, r"norm\.bias is missing"),
        (lambda t: t | {"norm.bias": np.ones(9, np.float16)}, r"norm\.bias has shape \(9,\)"),
        (lambda t: t | {"norm.bias": np.ones(8, np.int64)}, r"norm\.bias holds int64"),
        (lambda t: t | {"norm.bias": np.full(8, np.nan)}, r"norm\.bias has values that are not"),
        (lambda t: {}, "is missing"),
    ],
    ids=["extra", "missing", "shape", "integers", "NaN", "none at all"],
)
@pytest.mark.parametrize("known", [True, False], ids=["fingerprint", "no fingerprint"])
def test_tensors_that_do_not_fit_are_refused(
    folder: Path, change: Callable[[Tensors], Tensors], message: str, known: bool
) -> None:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)
    if not known:
        change_config(folder, fingerprint=None)
    with pytest.raises(WeightsError, match=message):
        FaceEncoder.from_pretrained(folder)


def test_weights_of_another_stem_are_refused(folder: Path) -> None:
    change_config(folder, stem="face")
    with pytest.raises(WeightsError, match=r"trunk\.conv1\.weight has shape \(64, 3, 7, 7\)"):
        FaceEncoder.from_pretrained(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_weights_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=f"{name} is missing"):
        FaceEncoder.from_pretrained(folder)


def test_pickle_file_is_not_loaded_in_place_of_safetensors(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(FaceEncoder(ModelSpec(embedding_size=8)), folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"model\.safetensors is missing"):
        FaceEncoder.from_pretrained(folder)


@pytest.mark.parametrize("name", ["no/such/folder", "owner/name", "owner/name@v1"])
def test_unknown_weights_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=r"There is no folder|is not in the cache"):
        FaceEncoder.from_pretrained(name, cache_dir=tmp_path, local_files_only=True)
