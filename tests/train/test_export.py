"""Exporting weights as float16."""

from pathlib import Path

import numpy as np
import pytest
import torch

from facehub.encoder import FaceEncoder
from facehub.errors import WeightsError
from train.export import export


@pytest.fixture
def best(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    FaceEncoder().eval().save_pretrained(tmp_path / "best")
    return tmp_path / "best"


def test_half_the_size_and_nearly_the_same_embeddings(best: Path, tmp_path: Path) -> None:
    exported = export(best, tmp_path / "out")
    sizes = [(p / "model.safetensors").stat().st_size for p in (best, tmp_path / "out")]
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.01)
    loaded = FaceEncoder.from_pretrained(tmp_path / "out")
    assert loaded.config.fingerprint == exported.config.fingerprint
    crops = np.random.default_rng(0).integers(0, 256, (4, 112, 96, 3), np.uint8)
    before, after = FaceEncoder.from_pretrained(best).embed(crops), loaded.embed(crops)
    assert (before * after).sum(1).min() > 0.9999


def test_weights_beyond_float16_are_refused(best: Path, tmp_path: Path) -> None:
    encoder = FaceEncoder.from_pretrained(best)
    encoder.norm.bias.fill_(1e6)
    encoder.save_pretrained(best)
    with pytest.raises(WeightsError, match="not finite"):
        export(best, tmp_path / "out")
    assert not (tmp_path / "out" / "model.safetensors").exists()
