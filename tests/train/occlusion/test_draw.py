"""Drawn occlusions: their places and labels, and equal results for equal seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facehub import align_faces, load_image
from train.occlusion.draw import DECOYS, EYES, KINDS, MOUTH, USUAL_POINTS, draw, usable_points

COVERS = {
    "mask": {MOUTH},
    "scarf": {MOUTH},
    "hand on mouth": {MOUTH},
    "thing on mouth": {MOUTH},
    "mask and clear glasses": {MOUTH},
    "dark glasses": {EYES},
    "visor": {EYES},
    "hand on eyes": {EYES},
    "thing on eyes": {EYES},
    "whole face": {EYES, MOUTH},
    "mask and dark glasses": {EYES, MOUTH},
}


@pytest.fixture(scope="module")
def crop(examples: Path) -> np.ndarray:
    (face,) = align_faces(load_image(examples / "grace_hopper.jpg"))
    return face.crop


def drawn(crop: np.ndarray, kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return draw(crop, USUAL_POINTS, kind, np.random.default_rng(seed), crop[::-1])


@pytest.mark.parametrize("kind", KINDS)
def test_occlusions_cover_and_label_their_regions(crop: np.ndarray, kind: str) -> None:
    """Most of them cover the intended region, and the labels say so."""
    labels = np.array([drawn(crop, kind, seed)[1] for seed in range(20)])
    for region in COVERS[kind]:
        assert np.mean(labels[:, region] == 1) > 0.5
    for region in {EYES, MOUTH} - COVERS[kind]:
        assert np.mean(labels[:, region] == 1) < 0.5  # a large hand may cover the other region too


@pytest.mark.parametrize("kind", DECOYS)
def test_decoys_change_the_picture_but_not_the_labels(crop: np.ndarray, kind: str) -> None:
    for seed in range(5):
        picture, labels = drawn(crop, kind, seed)
        assert labels.tolist() == [0, 0]
        assert not np.array_equal(picture, crop)


def test_mask_covers_the_mouth_and_glasses_the_eyes(crop: np.ndarray) -> None:
    """A mask changes the mouth but not the eyes, and glasses the eyes but not the mouth."""
    eyes, mouth = np.s_[46:57, 24:72], np.s_[84:94, 36:60]

    def change(kind: str, where: tuple[slice, ...]) -> float:
        pictures = [drawn(crop, kind, seed)[0] for seed in range(10)]
        return float(np.mean([np.abs(p[where].astype(int) - crop[where]).mean() for p in pictures]))

    assert change("mask", mouth) > 10 * change("mask", eyes)
    assert change("dark glasses", eyes) > 10 * change("dark glasses", mouth)


@pytest.mark.parametrize("kind", [*KINDS, *DECOYS])
def test_same_seed_draws_the_same_occlusion(crop: np.ndarray, kind: str) -> None:
    before = crop.copy()
    one, other = drawn(crop, kind, 3), drawn(crop, kind, 3)
    np.testing.assert_array_equal(one[0], other[0])
    assert one[0].dtype == np.uint8
    assert one[0].shape == crop.shape
    assert not np.array_equal(one[0], drawn(crop, kind, 4)[0])
    np.testing.assert_array_equal(crop, before)


def test_usable_points_replaces_missing_and_distant_landmarks() -> None:
    found = USUAL_POINTS + np.float32(1)
    np.testing.assert_array_equal(usable_points(found), found)
    np.testing.assert_array_equal(usable_points(found + np.float32(9)), USUAL_POINTS)
    np.testing.assert_array_equal(usable_points(np.full((5, 2), np.nan)), USUAL_POINTS)
