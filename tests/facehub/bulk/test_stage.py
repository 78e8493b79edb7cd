"""One photo's unexpected failure is that photo's alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from facehub import FaceRecognizer
from facehub.bulk.stage import EmbeddedPhoto, StageConfig, outcomes_of
from facehub.errors import FaceHubError, ImageError
from tests.facehub.bulk.stages import photos, stage


def test_an_unexpected_failure(log: Path) -> None:
    readers = [p.read for p in photos("a", "raise", "bad", "faces xx")]
    first, second, third, fourth = outcomes_of(stage, readers)
    assert not isinstance(first, FaceHubError)
    assert isinstance(second, ImageError)
    assert str(second) == "This picture cannot be searched: ZeroDivisionError."
    assert str(third) == "The picture is damaged."
    assert not isinstance(fourth, FaceHubError)
    assert len(fourth) == 2


def test_what_is_no_photos_fault_ends_all(log: Path) -> None:
    with pytest.raises(FaceHubError, match="no use"):
        list(outcomes_of(stage, [p.read for p in photos("raise", "end")]))


def test_config(recognizer: FaceRecognizer, photos: Path) -> None:
    """The same as the recogniser itself, and as another process would load it."""
    config = StageConfig(recognizer.fingerprint, search="auto", policy="largest")
    picture = (photos / "both.png").read_bytes()
    expected = recognizer.face(picture, policy="largest").embedding
    for embed in (config.stage(recognizer), config.load()):
        (outcome,) = embed([lambda: picture])
        photo = EmbeddedPhoto.of("both.png", outcome)
        (face,) = photo.faces
        assert face.embedding @ expected > 0.9999
    assert config.key != StageConfig(recognizer.fingerprint).key
