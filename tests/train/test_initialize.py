"""Initialising a run from another run, or from weights alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from facehub.encoder import FaceEncoder
from facehub.errors import WeightsError
from facehub.model.spec import ModelSpec
from tests.thin import make_thin
from train.checkpoint import save_checkpoint
from train.config import TrainConfig
from train.data.pack import PackedFaces, open_pack
from train.initialize import initialize
from train.step import TrainingStep


@pytest.fixture(autouse=True)
def thin_network(monkeypatch: pytest.MonkeyPatch) -> None:
    make_thin(monkeypatch.setattr)


@pytest.fixture
def faces(tiny_pack: str) -> PackedFaces:
    return open_pack(Path(tiny_pack))


def make(
    faces: PackedFaces, *, n_identities: int = 8, stem: str = "imagenet", head: str = ""
) -> TrainingStep:
    torch.manual_seed(1)
    config = TrainConfig(data="", stem=stem, head=head)  # type: ignore[arg-type]
    return TrainingStep(config, faces.names[~faces.heldout], n_identities)


def start(source: Path, step: TrainingStep, faces: PackedFaces, size: tuple = (32, 32)) -> None:
    training = np.flatnonzero(~faces.heldout)
    _, labels = np.unique(faces.labels[training], return_inverse=True)
    initialize(str(source), step, faces, training, labels, size)


def test_start_from_a_run_copies_all_its_modules(faces: PackedFaces, tmp_path: Path) -> None:
    first, second = make(faces), make(faces)
    torch.nn.init.normal_(first.head.weight)
    torch.nn.init.normal_(first.encoder.trunk.conv1.weight)
    save_checkpoint(tmp_path, {"modules": first.state_dict()})
    start(tmp_path, second, faces)
    for name, tensor in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], tensor)


def test_start_from_weights_sets_centres_to_mean_embeddings(
    faces: PackedFaces, tmp_path: Path
) -> None:
    encoder = FaceEncoder(ModelSpec(stem="imagenet", flip=True)).eval()
    encoder.save_pretrained(tmp_path)
    step = make(faces)
    lengths = step.head.weight.norm(dim=1)
    start(tmp_path, step, faces, (112, 96))
    torch.testing.assert_close(step.encoder.trunk.conv1.weight, encoder.trunk.conv1.weight)
    assert not step.encoder.spec.flip
    torch.testing.assert_close(step.head.weight.norm(dim=1), lengths)
    first = faces.labels == faces.labels[~faces.heldout].min()
    with torch.inference_mode():
        x = encoder.preprocess(torch.from_numpy(np.array(faces.crops[first])))
        mean = functional.normalize(encoder.features(x)).mean(0)
    torch.testing.assert_close(
        functional.normalize(step.head.weight[0], dim=0),
        functional.normalize(mean, dim=0),
        rtol=1e-4,
        atol=1e-4,
    )


def test_start_from_a_folder_without_run_or_weights_is_refused(
    faces: PackedFaces, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=f"{tmp_path.name}/config.json is missing"):
        start(tmp_path, make(faces), faces)


def test_start_from_a_run_with_other_identities_is_refused(
    faces: PackedFaces, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path, {"modules": make(faces, n_identities=9).state_dict()})
    with pytest.raises(
        ValueError, match=f"{tmp_path.name} does not fit: its stem, head and training identities"
    ):
        start(tmp_path, make(faces), faces)


@pytest.mark.parametrize("is_run", [True, False])
def test_start_from_another_stem_is_refused(
    faces: PackedFaces, tmp_path: Path, is_run: bool
) -> None:
    other = make(faces, stem="face")
    if is_run:
        save_checkpoint(tmp_path, {"modules": other.state_dict()})
    else:
        other.encoder.save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=f"{tmp_path.name} does not fit: its stem, head and training identities"
    ):
        start(tmp_path, make(faces), faces)


@pytest.mark.parametrize("is_run", [True, False])
def test_depthwise_head_starts_from_an_average_head(
    faces: PackedFaces, tmp_path: Path, is_run: bool
) -> None:
    first, second = make(faces), make(faces, head="depthwise")
    torch.nn.init.normal_(first.encoder.trunk.conv1.weight)
    if is_run:
        save_checkpoint(tmp_path, {"modules": first.state_dict()})
    else:
        first.encoder.eval().save_pretrained(tmp_path)
    start(tmp_path, second, faces, (112, 96))
    if is_run:
        torch.testing.assert_close(second.head.weight, first.head.weight)
    crops = np.array(faces.crops[:4])
    expected = first.encoder.embed(crops)
    np.testing.assert_allclose(second.encoder.embed(crops), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("is_run", [True, False])
@pytest.mark.parametrize(
    ("before", "after"),
    [("depthwise", "average"), ("average", "flatten"), ("flatten", "depthwise")],
)
def test_start_from_another_head_is_refused(
    faces: PackedFaces, tmp_path: Path, is_run: bool, before: str, after: str
) -> None:
    other = make(faces, head=before)
    if is_run:
        save_checkpoint(tmp_path, {"modules": other.state_dict()})
    else:
        other.encoder.eval().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="a depthwise head may start from an average one"):
        start(tmp_path, make(faces, head=after), faces, (112, 96))
