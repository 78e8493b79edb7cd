"""The whole chain: pictures in, embedded faces out, and which face a picture is about."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from facehub import (
    FaceEncoder,
    FaceRecognizer,
    ImageDecodeError,
    LowQualityError,
    MultipleFacesError,
    NoFaceError,
    QualityIssue,
    WeightsError,
    align_faces,
    default_recognizer,
)
from facehub.model.store import MODEL_VARIABLE, read_spec


def test_faces(recognizer: FaceRecognizer, both: np.ndarray) -> None:
    left, right = recognizer.faces(both)
    assert left.face.box[2] < right.face.box[0]
    for found in (left, right):
        assert found.embedding.shape == (512,)
        assert np.linalg.norm(found.embedding) == pytest.approx(1, abs=1e-6)
        assert found.issues == (QualityIssue.SEVERAL_FACES,)


def test_chain_is_align_then_embed(recognizer: FaceRecognizer, astronaut: np.ndarray) -> None:
    (found,) = recognizer.faces(astronaut)
    (face,) = align_faces(astronaut, template=recognizer.spec.template)
    np.testing.assert_array_equal(found.face.crop, face.crop)
    np.testing.assert_array_equal(found.embedding, recognizer.embedder.embed(face.crop[None])[0])
    assert found.issues == ()


def test_no_face(recognizer: FaceRecognizer, nobody: np.ndarray) -> None:
    assert recognizer.faces(nobody) == []


def test_every_source_gives_the_same(
    recognizer: FaceRecognizer, photos: Path, astronaut: np.ndarray
) -> None:
    path = photos / "astronaut.png"
    expected = recognizer.face(astronaut).embedding
    for source in (path, str(path), path.read_bytes(), Image.open(path)):
        np.testing.assert_array_equal(recognizer.face(source).embedding, expected)


def test_same_person_is_more_similar(
    recognizer: FaceRecognizer, astronaut: np.ndarray, hopper: np.ndarray
) -> None:
    matrix = cv2.getRotationMatrix2D((224, 102), 15, 1)
    changed = (cv2.warpAffine(astronaut, matrix, (512, 512)) * 0.7).astype(np.uint8)
    one, again, other = (recognizer.face(p).embedding for p in (astronaut, changed, hopper))
    assert one @ again > 0.85
    assert one @ other < 0.45


def test_threads_share_a_recognizer(
    recognizer: FaceRecognizer, astronaut: np.ndarray, hopper: np.ndarray
) -> None:
    pictures = [astronaut, hopper] * 8
    alone = [recognizer.face(picture).embedding for picture in pictures[:2]]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(recognizer.face, pictures))
    for number, face in enumerate(found):
        np.testing.assert_allclose(face.embedding, alone[number % 2], atol=1e-5)


# --- the one face ---------------------------------------------------------------------------------


def test_exactly_one(
    recognizer: FaceRecognizer, astronaut: np.ndarray, nobody: np.ndarray, both: np.ndarray
) -> None:
    assert recognizer.face(astronaut).face.inter_eye == pytest.approx(42.6, abs=1.5)
    with pytest.raises(NoFaceError, match="No face"):
        recognizer.face(nobody)
    with pytest.raises(MultipleFacesError, match="2 faces"):
        recognizer.face(both)


def test_largest(recognizer: FaceRecognizer, both: np.ndarray, nobody: np.ndarray) -> None:
    """Hopper, at right, is the larger; mirrored, at left."""
    left, right = recognizer.faces(both)
    assert right.face.area > left.face.area
    assert recognizer.face(both, policy="largest").face.box == right.face.box
    mirrored = recognizer.face(both[:, ::-1], policy="largest")
    assert mirrored.face.box[2] < both.shape[1] / 2
    with pytest.raises(NoFaceError):
        recognizer.face(nobody, policy="largest")


def test_reject_issues(recognizer: FaceRecognizer, astronaut: np.ndarray) -> None:
    dark = (astronaut * 0.2).astype(np.uint8)
    assert recognizer.face(dark).issues == (QualityIssue.TOO_DARK,)
    recognizer.face(dark, reject_issues={QualityIssue.BLURRED})
    with pytest.raises(LowQualityError, match="very dark"):
        recognizer.face(dark, reject_issues={QualityIssue.TOO_DARK})


def test_rejection_is_of_the_chosen_face(recognizer: FaceRecognizer, both: np.ndarray) -> None:
    picture = both.copy()
    picture[:, :320] = picture[:, :320] * 0.2  # only the smaller face is dark
    recognizer.face(picture, policy="largest", reject_issues={QualityIssue.TOO_DARK})


def test_bad_picture(recognizer: FaceRecognizer) -> None:
    with pytest.raises(ImageDecodeError):
        recognizer.face(b"")


# --- weights --------------------------------------------------------------------------------------


def test_default_recognizer_is_loaded_once(recognizer: FaceRecognizer) -> None:
    assert default_recognizer() is recognizer


def test_threads_load_the_default_weights_once(
    other_weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, str(shutil.copytree(other_weights, tmp_path / "copy")))
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: default_recognizer(), range(4)))
    assert len(set(map(id, loaded))) == 1


def test_default_recognizer_follows_the_variable(
    recognizer: FaceRecognizer, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, str(other_weights))
    assert default_recognizer().fingerprint == read_spec(other_weights).fingerprint
    monkeypatch.delenv(MODEL_VARIABLE)
    assert default_recognizer() is recognizer


def test_default_recognizer_without_weights(
    monkeypatch: pytest.MonkeyPatch, other_weights: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, str(tmp_path / "later"))
    with pytest.raises(WeightsError, match="There is no folder"):
        default_recognizer()
    (tmp_path / "later").symlink_to(other_weights)
    assert default_recognizer().spec.embedding_size == 8  # a failure is not remembered


def test_fingerprint_of_weights_that_were_never_saved() -> None:
    encoder = FaceEncoder().eval()
    assert encoder.spec.fingerprint is None
    assert FaceRecognizer(encoder).fingerprint == encoder.fingerprint()


def test_weights_trained_further_have_another_fingerprint(other_weights: Path) -> None:
    """Or templates of both would be compared in one gallery."""
    encoder = FaceEncoder.from_pretrained(other_weights)
    before = FaceRecognizer(encoder).fingerprint
    encoder.embedding.weight.mul_(2)
    assert FaceRecognizer(encoder).fingerprint != before


def test_from_pretrained(other_weights: Path, astronaut: np.ndarray) -> None:
    other = FaceRecognizer.from_pretrained(other_weights, device="cpu")
    assert other.face(astronaut).embedding.shape == (8,)


def test_unknown_policy_is_refused(recognizer: FaceRecognizer, astronaut: np.ndarray) -> None:
    with pytest.raises(ValueError, match="policy must be one of"):
        recognizer.face(astronaut, policy="smallest")
