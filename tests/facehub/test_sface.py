"""OpenCV's SFace in place of our network: another template, 128-d, no threshold of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from facehub import Decision, FaceRecognizer, enrol, identify, verify
from facehub.cli.main import main


@pytest.fixture(scope="module")
def sface_recognizer(sface: Path) -> FaceRecognizer:
    return FaceRecognizer.from_pretrained(sface)


def test_verify_with_sface_needs_a_threshold_to_decide(
    sface_recognizer: FaceRecognizer, examples: Path
) -> None:
    one, again, other = (
        examples / name
        for name in ("eileen_collins.jpg", "eileen_collins_tilted.jpg", "grace_hopper.jpg")
    )
    same = verify(one, again, recognizer=sface_recognizer)
    different = verify(one, other, recognizer=sface_recognizer)
    assert same.decision is different.decision is Decision.UNCALIBRATED
    assert same.similarity is not None
    assert different.similarity is not None
    assert same.similarity > 0.9
    assert different.similarity < 0.3
    calibrated = sface_recognizer.with_threshold(0.4)
    assert verify(one, again, recognizer=calibrated).decision is Decision.SAME
    assert verify(one, other, recognizer=calibrated).decision is Decision.DIFFERENT


def test_crop_for_sface_is_aligned_by_five_points(
    sface_recognizer: FaceRecognizer, examples: Path
) -> None:
    """The points land near the template's; alignment by two pupils would miss them."""
    (face,) = sface_recognizer.faces(examples / "grace_hopper.jpg")
    assert face.face.crop.shape == (112, 112, 3)
    assert face.embedding.shape == (128,)
    points = face.face.landmarks[[468, 473, 4, 61, 291]]
    placed = points @ face.face.matrix[:, :2].T + face.face.matrix[:, 2]
    distances = np.linalg.norm(placed - sface_recognizer.spec.template.points, axis=1)
    assert distances.max() < 8


def test_identify_with_sface_needs_a_threshold_to_name(
    sface_recognizer: FaceRecognizer, examples: Path
) -> None:
    people = sface_recognizer.empty_gallery()
    for name in ("eileen_collins", "grace_hopper"):
        enrol(people, name, examples / f"{name}.jpg", recognizer=sface_recognizer)
    both = examples / "both.jpg"
    unnamed = identify(both, people, recognizer=sface_recognizer)
    assert [face.name for face in unnamed] == [None, None]
    best = [face.candidates[0].name for face in unnamed]
    assert sorted(best) == ["eileen_collins", "grace_hopper"]
    named = identify(both, people, recognizer=sface_recognizer.with_threshold(0.4))
    assert [face.name for face in named] == best


def test_verify_command_with_sface_needs_a_threshold_to_decide(
    sface: Path, examples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = [str(examples / f"{name}.jpg") for name in ("eileen_collins", "grace_hopper")]
    assert main(["verify", *pair, "--weights", str(sface), "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["decision"] == "uncalibrated"
    assert main(["verify", *pair, "--weights", str(sface), "--threshold", "0.4"]) == 1
