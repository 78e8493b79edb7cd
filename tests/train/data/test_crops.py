"""Fitting crops to the input of a network."""

from __future__ import annotations

import numpy as np
import pytest

from facehub import FaceRecognizer
from facehub.template import DEFAULT_TEMPLATE, TEMPLATES, AlignmentTemplate
from train.data import crops as module
from train.data.crops import embed_crops, pad_crops


def test_padded_crops_fit_the_template_of_arcface() -> None:
    """Eight reflected columns on either side move the pupils to those of ArcFace's template."""
    crops = np.zeros((1, 112, 96, 3), np.uint8)
    crops[:, :, :, 0] = np.arange(96)
    found = pad_crops(crops, TEMPLATES["arcface112"])
    assert found.shape == (1, 112, 112, 3)
    columns = [*range(8, 0, -1), *range(96), *range(94, 86, -1)]
    assert found[0, 50, :, 0].tolist() == columns
    moved = DEFAULT_TEMPLATE.points + np.array([8, 0])
    assert np.abs(moved - TEMPLATES["arcface112"].points[:2]).max() < 0.2


def test_odd_padding_has_more_at_the_end() -> None:
    template = AlignmentTemplate(width=5, height=4, left_eye=(1, 1), right_eye=(3, 1))
    crops = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1)
    assert pad_crops(crops, template)[0, :, :, 0].tolist() == [
        [1, 0, 1, 2, 1],
        [4, 3, 4, 5, 4],
        [7, 6, 7, 8, 7],
        [4, 3, 4, 5, 4],
    ]


def test_crops_of_the_right_size_stay_unchanged() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 96, 3), np.uint8)
    np.testing.assert_array_equal(pad_crops(crops, DEFAULT_TEMPLATE), crops)


def test_crops_larger_than_the_input_are_refused() -> None:
    with pytest.raises(
        ValueError, match="input of 96 x 112 pixels is smaller than a crop of 112 x 112"
    ):
        pad_crops(np.zeros((1, 112, 112, 3), np.uint8), DEFAULT_TEMPLATE)


def test_embedding_in_chunks_equals_embedding_at_once(
    recognizer: FaceRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (5, 112, 96, 3), np.uint8)
    monkeypatch.setattr(module, "CHUNK", 2)
    expected = recognizer.embedder.embed(crops)
    np.testing.assert_allclose(embed_crops(recognizer.embedder, crops), expected, atol=1e-5)
