"""Training of the check that a face is upright; its two implementations agree."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load

from facehub import upright
from facehub.align import align
from facehub.detect.mediapipe import default_detector
from facehub.upright import network_input, upright_scores
from train.__main__ import main
from train.data.heldout import is_heldout
from train.upright import (
    SIDE,
    Crops,
    _normalised,
    _tensors,
    detect_rotated,
    fit_upright,
    make_network,
    misalign,
    paste_face,
)


@pytest.fixture(scope="module")
def crops(astronaut: np.ndarray, hopper: np.ndarray) -> np.ndarray:
    """uint8 (2, 112, 96, 3)."""
    return np.stack([align(p, default_detector().find(p)[0]).crop for p in (astronaut, hopper)])


def test_scores_in_numpy_equal_pytorch(crops: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = make_network().half().float().eval()
    tensors = {name: tensor.astype(np.float32) for name, tensor in _tensors(network).items()}
    monkeypatch.setattr(upright, "_weights", lambda: tensors)
    with torch.inference_mode():
        expected = network(torch.from_numpy(network_input(list(crops))))[:, 0].numpy()
    np.testing.assert_allclose(upright_scores(list(crops)), expected, atol=1e-4)


def test_input_in_training_equals_the_input_in_use(crops: np.ndarray) -> None:
    small = [cv2.resize(crop, (24, 28), interpolation=cv2.INTER_AREA) for crop in crops]
    faces = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 127.5 - 1
    np.testing.assert_allclose(_normalised(faces), network_input(list(crops)), atol=0.05)


def test_pasted_face_is_detected_at_the_returned_pupils(crops: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    near = 0
    for _ in range(8):
        picture, pupils = paste_face(crops[0], rng)
        assert picture.shape == (SIDE, SIDE, 3)
        assert picture.dtype == np.uint8
        assert pupils[0, 0] < pupils[1, 0]
        span = np.linalg.norm(pupils[1] - pupils[0])
        for face in default_detector().find(picture):
            near += bool(np.abs(face.pupils - pupils).max() < 0.15 * span)
    assert near >= 7


def test_rotated_detections_are_labelled_upright_or_not(crops: np.ndarray) -> None:
    rngs = np.random.default_rng(0).spawn(6)
    found = detect_rotated(np.repeat(crops, 3, axis=0), default_detector(), rngs)
    assert found.pixels.shape == (len(found.upright), 112, 96, 3)
    assert 6 <= found.upright.sum() < 24  # at least the six that are turned a little
    assert not found.upright.all()


def test_shipped_network_rejects_misaligned_crops(crops: np.ndarray) -> None:
    wrong = misalign(np.repeat(crops, 20, axis=0), np.random.default_rng(0))
    assert (upright_scores(list(wrong)) < upright.SURE).mean() > 0.9


def test_fit_upright_learns(crops: np.ndarray) -> None:
    """The network separates two faces from wrong crops of them."""
    right = np.repeat(crops, 8, axis=0)
    wrong = misalign(right, np.random.default_rng(1))
    labels = np.repeat([True, False], len(right))
    found = Crops(np.concatenate([right, wrong]), labels)
    network = fit_upright(right, found, steps=100)
    with torch.inference_mode():
        score = network(torch.from_numpy(network_input([*crops, *wrong])))[:, 0]
    assert score[:2].min() > score[2:].median() + 1


def test_upright_command_writes_weights_like_the_shipped_ones(
    tmp_path: Path, crops: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(n) for n in range(40) if not is_heldout(str(n))][:4]
    for number, name in enumerate(names):
        (tmp_path / "faces" / name).mkdir(parents=True)
        Image.fromarray(crops[number % 2]).save(tmp_path / "faces" / name / "1.png")
    target = tmp_path / "upright.safetensors"
    assert (
        main(["upright", str(tmp_path / "faces"), str(target), "--count", "3", "--steps", "5"]) == 0
    )
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "aligned",
        "found",
        "found",
    ]
    shipped = load((Path(upright.__file__).parent / "assets" / upright.WEIGHTS_FILE).read_bytes())
    made = load(target.read_bytes())
    assert {n: (t.shape, t.dtype) for n, t in made.items()} == {
        n: (t.shape, t.dtype) for n, t in shipped.items()
    }
