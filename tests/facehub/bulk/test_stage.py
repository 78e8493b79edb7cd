"""The stage: an unexpected failure of a photo is an error of only that photo."""

from __future__ import annotations

from pathlib import Path

import pytest

from facehub import FaceRecognizer
from facehub.bulk.stage import EmbeddedPhoto, StageConfig, outcomes_of
from facehub.errors import FaceHubError, ImageError
from tests.facehub.bulk.stages import photos, stage


def test_unexpected_failure_is_an_error_of_its_photo(log: Path) -> None:
    readers = [p.read for p in photos("a", "raise", "bad", "faces xx")]
    first, second, third, fourth = outcomes_of(stage, readers)
    assert not isinstance(first, FaceHubError)
    assert isinstance(second, ImageError)
    assert str(second) == "This picture cannot be searched: ZeroDivisionError."
    assert str(third) == "The picture is damaged."
    assert not isinstance(fourth, FaceHubError)
    assert len(fourth) == 2


def test_failure_that_no_photo_causes_ends_the_stage(log: Path) -> None:
    with pytest.raises(FaceHubError, match="no use"):
        list(outcomes_of(stage, [p.read for p in photos("raise", "end")]))


def test_stage_config_gives_the_embedding_of_the_recognizer(
    recognizer: FaceRecognizer, photos: Path
) -> None:
    """With this recogniser, and loaded as in another process."""
    config = StageConfig(recognizer.fingerprint, search="auto", policy="largest")
    picture = (photos / "both.png").read_bytes()
    expected = recognizer.face(picture, policy="largest").embedding
    for embed in (config.stage(recognizer), config.load()):
        (outcome,) = embed([lambda: picture])
        photo = EmbeddedPhoto.of("both.png", outcome)
        (face,) = photo.faces
        assert face.embedding @ expected > 0.9999
    assert config.key != StageConfig(recognizer.fingerprint).key
