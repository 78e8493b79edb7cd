"""The recogniser: from pictures to embedded faces, and the choice of one face."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from facehub import (
    FaceEncoder,
    FaceHubError,
    FaceRecognizer,
    GalleryMismatchError,
    ImageDecodeError,
    LowQualityError,
    MemoryGallery,
    MultipleFacesError,
    NoFaceError,
    QualityIssue,
    WeightsError,
    align_faces,
    default_recognizer,
    identify,
    rotated,
)
from facehub.cli.main import main
from facehub.detect.base import MAX_FACES, FaceLandmarks, Search
from facehub.detect.mediapipe import default_detector
from facehub.model.store import MODEL_VARIABLE, read_spec


def test_faces_are_embedded_from_left_to_right(
    recognizer: FaceRecognizer, both: np.ndarray
) -> None:
    left, right = recognizer.faces(both)
    assert left.face.box[2] < right.face.box[0]
    for found in (left, right):
        assert found.embedding.shape == (512,)
        assert np.linalg.norm(found.embedding) == pytest.approx(1, abs=1e-6)
        assert found.issues == (QualityIssue.SEVERAL_FACES,)


def test_faces_are_aligned_then_embedded(recognizer: FaceRecognizer, astronaut: np.ndarray) -> None:
    (found,) = recognizer.faces(astronaut)
    (face,) = align_faces(astronaut, template=recognizer.spec.template)
    np.testing.assert_array_equal(found.face.crop, face.crop)
    np.testing.assert_array_equal(found.embedding, recognizer.embedder.embed(face.crop[None])[0])
    assert found.issues == ()


def test_picture_without_a_face_gives_no_embedding(
    recognizer: FaceRecognizer, nobody: np.ndarray
) -> None:
    assert recognizer.faces(nobody) == []


def test_every_kind_of_source_gives_the_same_embedding(
    recognizer: FaceRecognizer, photos: Path, astronaut: np.ndarray
) -> None:
    path = photos / "astronaut.png"
    expected = recognizer.face(astronaut).embedding
    for source in (path, str(path), path.read_bytes(), Image.open(path)):
        np.testing.assert_array_equal(recognizer.face(source).embedding, expected)


def test_altered_photo_is_more_similar_than_another_person(
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


def test_policy_exactly_one_refuses_no_face_and_two_faces(
    recognizer: FaceRecognizer, astronaut: np.ndarray, nobody: np.ndarray, both: np.ndarray
) -> None:
    assert recognizer.face(astronaut).face.inter_eye == pytest.approx(42.6, abs=1.5)
    with pytest.raises(NoFaceError, match="No face"):
        recognizer.face(nobody)
    with pytest.raises(MultipleFacesError, match="2 faces"):
        recognizer.face(both)


def test_policy_largest_takes_the_largest_face(
    recognizer: FaceRecognizer, both: np.ndarray, nobody: np.ndarray
) -> None:
    """Hopper's face is the larger: at right, and at left in the mirrored picture."""
    left, right = recognizer.faces(both)
    assert right.face.area > left.face.area
    assert recognizer.face(both, policy="largest").face.box == right.face.box
    mirrored = recognizer.face(both[:, ::-1], policy="largest")
    assert mirrored.face.box[2] < both.shape[1] / 2
    with pytest.raises(NoFaceError):
        recognizer.face(nobody, policy="largest")


def test_reject_issues_refuses_only_the_given_issues(
    recognizer: FaceRecognizer, astronaut: np.ndarray
) -> None:
    dark = (astronaut * 0.2).astype(np.uint8)
    assert recognizer.face(dark).issues == (QualityIssue.TOO_DARK,)
    recognizer.face(dark, reject_issues={QualityIssue.BLURRED})
    with pytest.raises(LowQualityError, match="very dark"):
        recognizer.face(dark, reject_issues={QualityIssue.TOO_DARK})


def test_reject_issues_applies_only_to_the_chosen_face(
    recognizer: FaceRecognizer, both: np.ndarray
) -> None:
    picture = both.copy()
    picture[:, :320] = picture[:, :320] * 0.2  # only the smaller face is dark
    recognizer.face(picture, policy="largest", reject_issues={QualityIssue.TOO_DARK})


def test_empty_picture_is_refused(recognizer: FaceRecognizer) -> None:
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


def test_default_recognizer_finds_weights_after_a_failure(
    monkeypatch: pytest.MonkeyPatch, other_weights: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, str(tmp_path / "later"))
    with pytest.raises(WeightsError, match="There is no folder"):
        default_recognizer()
    (tmp_path / "later").symlink_to(other_weights)
    assert default_recognizer().spec.embedding_size == 8  # the failure is not cached


def test_weights_that_were_never_saved_have_a_fingerprint() -> None:
    encoder = FaceEncoder().eval()
    assert encoder.spec.fingerprint is None
    assert FaceRecognizer(encoder).fingerprint == encoder.fingerprint()


def test_weights_trained_further_have_another_fingerprint(other_weights: Path) -> None:
    """Otherwise one gallery would compare templates of both."""
    encoder = FaceEncoder.from_pretrained(other_weights)
    before = FaceRecognizer(encoder).fingerprint
    encoder.embedding.weight.mul_(2)
    assert FaceRecognizer(encoder).fingerprint != before


def test_from_pretrained_loads_other_weights(other_weights: Path, astronaut: np.ndarray) -> None:
    other = FaceRecognizer.from_pretrained(other_weights, device="cpu")
    assert other.face(astronaut).embedding.shape == (8,)


def test_unknown_policy_is_refused(recognizer: FaceRecognizer, astronaut: np.ndarray) -> None:
    with pytest.raises(ValueError, match="policy must be one of"):
        recognizer.face(astronaut, policy="smallest")


# --- files of facehub 0.1 -------------------------------------------------------------------------


@pytest.fixture
def old(old_weights: tuple[Path, str]) -> FaceRecognizer:
    return FaceRecognizer.from_pretrained(old_weights[0])


@pytest.fixture
def old_gallery(
    tmp_path: Path, old_weights: tuple[Path, str], old: FaceRecognizer, hopper: np.ndarray
) -> Path:
    """A gallery file with a fingerprint of version 1."""
    people = MemoryGallery(old_weights[1])
    people.add("Grace", old.face(hopper).embedding, "grace.jpg")
    people.save(tmp_path / "people.safetensors")
    return tmp_path / "people.safetensors"


def test_gallery_of_version_1_is_read_and_saved_with_the_new_fingerprint(
    old_gallery: Path, old: FaceRecognizer, hopper: np.ndarray
) -> None:
    people = old.load_gallery(old_gallery)
    assert people.fingerprint == old.fingerprint
    assert [face.name for face in identify(hopper, people, recognizer=old)] == ["Grace"]
    people.save(old_gallery)
    again = MemoryGallery.load(old_gallery, fingerprint=old.fingerprint)
    assert list(again) == ["Grace"]


def test_gallery_of_version_1_of_other_weights_is_refused(
    old_gallery: Path, other_weights: Path, tmp_path: Path
) -> None:
    other = FaceRecognizer.from_pretrained(other_weights)
    with pytest.raises(GalleryMismatchError):
        other.load_gallery(old_gallery)


def test_pytorch_encoder_reads_a_gallery_of_version_1(
    old_gallery: Path, old_weights: tuple[Path, str]
) -> None:
    encoder = FaceEncoder.from_pretrained(old_weights[0])
    assert list(FaceRecognizer(encoder).load_gallery(old_gallery)) == ["Grace"]


def test_embedding_that_is_not_finite_is_an_error(
    encoder: FaceEncoder, astronaut: np.ndarray
) -> None:
    damaged = copy.deepcopy(encoder)
    damaged.embedding.weight[0, 0] = float("nan")
    with pytest.raises(WeightsError, match="not finite"):
        FaceRecognizer(damaged).face(astronaut)


def test_the_command_reads_a_gallery_of_version_1(
    old_gallery: Path,
    old_weights: tuple[Path, str],
    photos: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, str(old_weights[0]))
    assert main(["gallery", "list", str(old_gallery)]) == 0
    assert main(["identify", str(old_gallery), str(photos / "hopper.jpg")]) == 0
    assert "Grace" in capsys.readouterr().out


def test_weights_of_version_1_load_with_the_new_fingerprint(
    tmp_path: Path, old_weights: tuple[Path, str], old: FaceRecognizer
) -> None:
    """The folder is as facehub 0.1 shipped it: an old fingerprint, no ranges, no known answer."""
    folder = tmp_path / "weights"
    shutil.copytree(old_weights[0], folder)
    values = json.loads((folder / "config.json").read_text())
    del values["known_answer"]
    (folder / "config.json").write_text(json.dumps(values | {"fingerprint": old_weights[1]}))
    loaded = FaceRecognizer.from_pretrained(folder)
    assert loaded.fingerprint == old.fingerprint
    assert "float32" in loaded.embedder.description


# --- many pictures --------------------------------------------------------------------------------


def test_faces_many_keeps_the_order_and_returns_errors_in_place(
    recognizer: FaceRecognizer, astronaut: np.ndarray, both: np.ndarray, nobody: np.ndarray
) -> None:
    """Each picture gives the same faces as alone."""
    pictures = [astronaut, nobody, b"", both, lambda: astronaut] * 3
    found = list(recognizer.faces_many(pictures, batch_size=4))
    assert [type(f).__name__ if isinstance(f, FaceHubError) else len(f) for f in found] == [
        1,
        0,
        "ImageDecodeError",
        2,
        1,
    ] * 3
    alone = recognizer.faces(both)
    for one, other in zip(found[3], alone, strict=True):  # type: ignore[arg-type]
        np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-3)
        assert (one.face.box, one.issues) == (other.face.box, other.issues)


def test_faces_many_applies_the_policy_to_each_picture(
    recognizer: FaceRecognizer, astronaut: np.ndarray, both: np.ndarray, nobody: np.ndarray
) -> None:
    found = list(recognizer.faces_many([astronaut, both, nobody], policy="exactly_one"))
    assert [type(f).__name__ for f in found] == ["list", "MultipleFacesError", "NoFaceError"]
    (largest,) = recognizer.faces_many([both], policy="largest")
    assert isinstance(largest, list)
    assert len(largest) == 1


def test_faces_many_reads_pictures_only_as_needed(
    recognizer: FaceRecognizer, astronaut: np.ndarray
) -> None:
    read = 0

    def pictures() -> Iterator[np.ndarray]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield astronaut

    with pytest.raises(ValueError, match="1 or more"):
        list(recognizer.faces_many([], batch_size=0))
    results = recognizer.faces_many(pictures(), batch_size=3)
    next(results)
    assert read == 3


# --- the threshold --------------------------------------------------------------------------------


def test_with_threshold_leaves_the_recognizer_unchanged(recognizer: FaceRecognizer) -> None:
    before = recognizer.spec
    strict = recognizer.with_threshold(0.9)
    assert strict.spec.threshold == 0.9
    assert recognizer.spec == before
    assert strict.embedder is recognizer.embedder
    assert strict.fingerprint == recognizer.fingerprint
    with pytest.raises(AttributeError):
        recognizer.spec = strict.spec  # type: ignore[misc]
    with pytest.raises(ValueError, match="threshold must be a number"):
        recognizer.with_threshold(2)


# --- crowds ---------------------------------------------------------------------------------------


class Crowd:
    """A detector that turns one face into `count`, each a little larger than the one before."""

    def __init__(self, count: int) -> None:
        self.count = count

    def find(self, image: np.ndarray, search: Search = "auto") -> list[FaceLandmarks]:
        (face,) = default_detector().find(image)
        middle = face.points.mean(axis=0)
        return [
            FaceLandmarks((face.points - middle) * (0.5 + 0.003 * n) + middle, face.pose)
            for n in range(self.count)
        ]

    def close(self) -> None: ...


@pytest.fixture
def upright(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every face counts as upright, so the picture is not searched again."""
    monkeypatch.setattr(rotated, "upright_scores", lambda crops: np.full(len(crops), 9, np.float32))


@pytest.mark.usefixtures("upright")
@pytest.mark.parametrize("count", [MAX_FACES, MAX_FACES + 30])
def test_crowd_has_only_its_largest_faces_embedded_each_with_a_warning(
    recognizer: FaceRecognizer, astronaut: np.ndarray, count: int
) -> None:
    crowd = dataclasses.replace(recognizer, detector=Crowd(count))
    found = crowd.faces(astronaut)
    assert len(found) == MAX_FACES
    widths = [face.face.box[2] - face.face.box[0] for face in found]
    assert widths == sorted(widths)
    assert widths[0] / widths[-1] == pytest.approx(
        (0.5 + 0.003 * (count - MAX_FACES)) / (0.5 + 0.003 * (count - 1)), abs=1e-3
    )
    too_many = count > MAX_FACES
    assert all((QualityIssue.TOO_MANY_FACES in face.issues) == too_many for face in found)
    (largest,) = crowd.faces_many([astronaut], policy="largest")
    assert (QualityIssue.TOO_MANY_FACES in largest[0].issues) == too_many  # type: ignore[index]


@pytest.mark.usefixtures("upright")
def test_embed_command_warns_of_too_many_faces(
    recognizer: FaceRecognizer,
    astronaut: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    crowd = dataclasses.replace(recognizer, detector=Crowd(MAX_FACES + 1))
    monkeypatch.setattr(FaceRecognizer, "from_pretrained", lambda name, **_: crowd)
    photo = tmp_path / "crowd.png"
    Image.fromarray(astronaut).save(photo)
    assert main(["embed", str(photo), "-o", str(tmp_path / "crowd.csv")]) == 0
    output, errors = capsys.readouterr()
    assert output.startswith("100 faces from 1 photo")
    assert errors.count("crowd.png: The picture shows more than 100 faces; only the 100") == 1
