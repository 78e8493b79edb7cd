"""Identification: enrol people, then name each of them at most once in a picture."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from facehub import (
    Candidate,
    FaceRecognizer,
    Gallery,
    GalleryError,
    GalleryMismatchError,
    IdentifiedFace,
    ImageFormatError,
    LowQualityError,
    MemoryGallery,
    MultipleFacesError,
    NoFaceError,
    QualityIssue,
    enrol,
    identify,
)
from facehub.enrolment import Portrait, add_enrolments, embed_portraits
from facehub.identification import assign, with_odds
from facehub.model.calibration import Calibration
from facehub.model.tail import Tail


@pytest.fixture
def gallery(recognizer: FaceRecognizer) -> Gallery:
    return MemoryGallery(recognizer.fingerprint, recognizer.spec.embedding_size)


@pytest.fixture
def people(
    gallery: Gallery, recognizer: FaceRecognizer, astronaut: np.ndarray, hopper: np.ndarray
) -> Gallery:
    """Both people, enrolled."""
    enrol(gallery, "Eileen", astronaut, source="astronaut.png", recognizer=recognizer)
    enrol(gallery, "Grace", hopper, source="hopper.jpg", recognizer=recognizer)
    return gallery


# --- enrolment ------------------------------------------------------------------------------------


def test_enrol_adds_a_second_template_to_a_person(
    people: Gallery, recognizer: FaceRecognizer, astronaut: np.ndarray
) -> None:
    face = enrol(people, "Eileen", astronaut[:, ::-1], source="mirrored", recognizer=recognizer)
    assert list(people) == ["Eileen", "Grace"]
    first, second = people.examples("Eileen")
    assert (first.source, second.source) == ("astronaut.png", "mirrored")
    np.testing.assert_allclose(second.template, face.embedding, atol=1e-6)


def test_enrol_with_policy_largest_takes_the_largest_face(
    gallery: Gallery, recognizer: FaceRecognizer, both: np.ndarray
) -> None:
    face = enrol(gallery, "Grace", both, policy="largest", recognizer=recognizer)
    assert face.face.box[0] > 320
    assert gallery.n_templates == 1


@pytest.mark.parametrize(
    ("picture", "name", "error"),
    [
        ("nobody", "Ann", NoFaceError),
        ("both", "Ann", MultipleFacesError),
        ("text", "Ann", ImageFormatError),
        ("dark", "Ann", LowQualityError),
        ("astronaut", " ", GalleryError),
        ("astronaut", "x" * 101, GalleryError),
    ],
)
def test_failed_enrol_leaves_the_gallery_unchanged(
    people: Gallery,
    recognizer: FaceRecognizer,
    photos: Path,
    astronaut: np.ndarray,
    picture: str,
    name: str,
    error: type[Exception],
) -> None:
    sources = {path.stem: path for path in photos.iterdir()}
    image = (astronaut * 0.2).astype(np.uint8) if picture == "dark" else sources[picture]
    with pytest.raises(error):
        enrol(people, name, image, reject_issues={QualityIssue.TOO_DARK}, recognizer=recognizer)
    assert {n: len(people.examples(n)) for n in people} == {"Eileen": 1, "Grace": 1}


def test_gallery_of_other_weights_is_refused(
    recognizer: FaceRecognizer, astronaut: np.ndarray
) -> None:
    other = MemoryGallery("sha256:0", 512)
    with pytest.raises(GalleryMismatchError, match="other weights"):
        enrol(other, "Ann", astronaut, recognizer=recognizer)
    with pytest.raises(GalleryMismatchError, match="other weights"):
        identify(astronaut, other, recognizer=recognizer)
    assert len(other) == 0


# --- identification -------------------------------------------------------------------------------


def test_identify_names_every_enrolled_face(
    people: Gallery, recognizer: FaceRecognizer, both: np.ndarray
) -> None:
    left, right = identify(both, people, recognizer=recognizer)
    assert (left.name, right.name) == ("Eileen", "Grace")
    assert left.similarity > 0.6
    assert right.similarity > 0.9
    assert [c.name for c in left.candidates] == ["Eileen", "Grace"]
    assert left.candidates[0].similarity == left.similarity
    assert left.candidates[0].source == "astronaut.png"
    assert left.probe.face.box[2] < right.probe.face.box[0]


def test_identify_uses_the_default_weights(people: Gallery, astronaut: np.ndarray) -> None:
    assert [face.name for face in identify(astronaut, people)] == ["Eileen"]


def test_stranger_is_unknown(
    gallery: Gallery, recognizer: FaceRecognizer, astronaut: np.ndarray, hopper: np.ndarray
) -> None:
    enrol(gallery, "Eileen", astronaut, recognizer=recognizer)
    (face,) = identify(hopper, gallery, recognizer=recognizer)
    assert (face.name, face.similarity) == (None, None)
    assert [c.name for c in face.candidates] == [
        "Eileen"
    ]  # the nearest person is still a candidate
    assert face.candidates[0].similarity < recognizer.spec.threshold


def test_identify_applies_the_given_threshold(
    gallery: Gallery, recognizer: FaceRecognizer, astronaut: np.ndarray, hopper: np.ndarray
) -> None:
    enrol(gallery, "Eileen", astronaut, recognizer=recognizer)
    similarity = identify(hopper, gallery, recognizer=recognizer)[0].candidates[0].similarity
    for threshold, name in ((similarity - 0.01, "Eileen"), (similarity + 0.01, None)):
        (face,) = identify(hopper, gallery, threshold=threshold, recognizer=recognizer)
        assert face.name == name


def test_nobody_is_named_twice_in_a_picture(
    people: Gallery, recognizer: FaceRecognizer, both: np.ndarray
) -> None:
    """The astronaut is at left and, mirrored, at right: the more similar face gets the name."""
    twice = np.concatenate([both, both[:, 319::-1]], axis=1)
    faces = identify(twice, people, recognizer=recognizer)
    assert len(faces) == 3
    outer = [faces[0], faces[2]]
    assert all(face.candidates[0].name == "Eileen" for face in outer)
    assert all(face.candidates[0].similarity > recognizer.spec.threshold for face in outer)
    best = max(outer, key=lambda face: face.candidates[0].similarity)
    assert {face.name for face in outer} == {"Eileen", None}
    assert best.name == "Eileen"
    assert faces[1].name == "Grace"


def test_next_best_person_is_tried_even_beyond_top_k(
    people: Gallery, recognizer: FaceRecognizer, both: np.ndarray
) -> None:
    """Both faces are Eileen's; with threshold -1 the second one gets the name Grace."""
    twice = np.concatenate([both[:, :320], both[:, 319::-1]], axis=1)
    faces = identify(twice, people, top_k=1, threshold=-1, recognizer=recognizer)
    assert [face.candidates[0].name for face in faces] == ["Eileen", "Eileen"]
    assert {face.name for face in faces} == {"Eileen", "Grace"}


@pytest.mark.parametrize("top_k", [1, 2, 5])
def test_top_k_limits_the_candidates(
    people: Gallery, recognizer: FaceRecognizer, both: np.ndarray, top_k: int
) -> None:
    for face in identify(both, people, top_k=top_k, recognizer=recognizer):
        assert len(face.candidates) == min(top_k, 2)
        assert face.name is not None


def test_empty_gallery_names_nobody(
    gallery: Gallery, recognizer: FaceRecognizer, both: np.ndarray
) -> None:
    faces = identify(both, gallery, recognizer=recognizer)
    assert [(face.name, face.candidates) for face in faces] == [(None, ()), (None, ())]


def test_picture_without_a_face_gives_no_result(
    people: Gallery, recognizer: FaceRecognizer, nobody: np.ndarray
) -> None:
    assert identify(nobody, people, recognizer=recognizer) == []


def test_identify_finds_small_faces_by_default(
    people: Gallery, recognizer: FaceRecognizer, astronaut: np.ndarray, hopper: np.ndarray
) -> None:
    """The astronaut beside Hopper is too small for the quick search."""
    picture = np.full((1200, 1200, 3), 200, np.uint8)
    picture[:600, :512] = hopper
    small = cv2.resize(astronaut[:300, 70:370], (90, 90), interpolation=cv2.INTER_AREA)
    picture[900:990, 900:990] = small
    quick = identify(picture, people, search="auto", recognizer=recognizer)
    assert [face.name for face in quick] == ["Grace"]
    thorough = identify(picture, people, recognizer=recognizer)
    assert [face.name for face in thorough] == ["Grace", "Eileen"]


# --- assignment -----------------------------------------------------------------------------------


def ranked(*faces: str) -> list[list[Candidate]]:
    """Candidates from "A.9 B.5": name A with similarity 0.9, then B with 0.5."""
    return [[Candidate(word[0], float(word[1:]), 0, "") for word in face.split()] for face in faces]


def names(found: list[Candidate | None]) -> str:
    return "".join("-" if candidate is None else candidate.name for candidate in found)


@pytest.mark.parametrize(
    ("faces", "expected"),
    [
        ([], ""),
        ([""], "-"),
        (["A.9 B.8"], "A"),
        (["A.4 B.3"], "-"),  # below the threshold of 0.5
        (["A.5"], "A"),  # at the threshold
        (["A.9 B.8", "B.7 A.6"], "AB"),
        (["A.9 B.8", "A.95 B.4"], "BA"),  # the second face has A, the first its next best
        (["A.9 B.4", "A.95 B.4"], "-A"),  # whose next best is too far
        (["A.9", "A.9"], "A-"),  # a tie goes to the face further left
        (["A.9 B.9", "A.9 B.9"], "AB"),
        (["A.9 B.8 C.7", "A.8 B.9 C.7", "A.7 B.7 C.6"], "ABC"),
        # Most similar first, not the best total: B goes to the second face, C to the first.
        (["B.8 C.6", "B.9 C.85", "A.55 B.5"], "CBA"),
        (["", "A.9", ""], "-A-"),
    ],
)
def test_assign_gives_each_person_to_the_most_similar_face(faces: list[str], expected: str) -> None:
    assert names(assign(ranked(*faces), 0.5)) == expected


def test_assign_of_random_similarities_leaves_no_better_pair() -> None:
    """Nobody is named twice or below the threshold, and no better pair is left."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        scores = rng.uniform(0, 1, (5, 4))
        faces = [[Candidate("ABCD"[j], row[j], 0, "") for j in np.argsort(-row)] for row in scores]
        found = assign(faces, 0.5)
        named = [c.name for c in found if c]
        assert len(named) == len(set(named))
        has = {c.name: c.similarity for c in found if c}
        assert all(similarity >= 0.5 for similarity in has.values())
        for i, row in enumerate(scores):
            own = found[i].similarity if found[i] else 0.5
            for j, name in enumerate("ABCD"):
                # A person nearer to this face than its own person has a face at least as near.
                assert row[j] <= own or has.get(name, 0) >= row[j]


def test_identify_raises_the_threshold_with_the_size_of_the_gallery(
    recognizer: FaceRecognizer, astronaut: np.ndarray
) -> None:
    """The similarity is enough for a name in a gallery of one template, not in one of 300."""
    (face,) = recognizer.faces(astronaut)
    rng = np.random.default_rng(0)
    other = rng.normal(size=512)
    other -= other @ face.embedding * face.embedding
    other /= np.linalg.norm(other)
    similarity = recognizer.spec.threshold + 0.02
    gallery = MemoryGallery(recognizer.fingerprint)
    gallery.add("Near", similarity * face.embedding + (1 - similarity**2) ** 0.5 * other)
    assert identify(astronaut, gallery, recognizer=recognizer)[0].name == "Near"
    for i in range(299):
        gallery.add(f"Stranger {i}", -face.embedding + 0.01 * rng.normal(size=512))
    found = identify(astronaut, gallery, recognizer=recognizer)[0]
    assert found.name is None
    assert found.candidates[0].name == "Near"


# --- odds -----------------------------------------------------------------------------------------

CURVE = ((0.0, 1.0, 0.0), (0.4, 1e-3, 0.2), (0.8, 1e-5, 0.6))
TAIL = Tail(0.4, 1e-3, 0.0, 0.1 / math.log(10), 100)
CALIBRATION = Calibration("made up", None, 0.01, 0.2, 100_000, 9, CURVE, TAIL)


def test_with_odds_adds_the_fpir_to_candidates() -> None:
    """Two templates; the tail has an FMR of 1e-4 at 0.5 and an extrapolated one at 0.65."""
    probe = np.eye(4, dtype=np.float32)[0]
    gallery = MemoryGallery("sha256:0", size=4)
    for name, similarity in (("Near", 0.65), ("Far", 0.5)):
        gallery.add(name, np.array([similarity, (1 - similarity**2) ** 0.5, 0, 0]))
    ((near, far),) = gallery.search(probe[None])
    assert (near.fpir, near.extrapolated) == (None, False)
    near, far = (with_odds(c, gallery.n_templates, CALIBRATION) for c in (near, far))
    assert (near.name, near.extrapolated, far.extrapolated) == ("Near", True, False)
    assert far.fpir == pytest.approx(1 - (1 - 1e-4) ** 2, rel=1e-3)
    assert near.fpir == pytest.approx(2 * 10**-5.5, rel=1e-3)
    assert far.to_dict()["fpir"] == 2e-4
    assert near.to_dict()["extrapolated"] is True
    unmeasured = dataclasses.replace(CALIBRATION, curve=(), tail=None)
    assert with_odds(far, 2, unmeasured) is far


def test_identify_returns_the_fpir_of_candidates(
    recognizer: FaceRecognizer, astronaut: np.ndarray
) -> None:
    gallery = recognizer.empty_gallery()
    enrol(gallery, "Eileen", astronaut, recognizer=recognizer)
    (face,) = identify(astronaut, gallery, recognizer=recognizer)
    assert face.candidate is not None
    assert 0 < face.candidate.fpir < 1e-5
    calibration = recognizer.spec.calibration
    assert face.candidate.fpir == calibration.fpir_at(face.candidate.similarity, 1)


@pytest.mark.parametrize(
    ("name", "listed", "expected"),
    [("A", "A.9 B.8", "A"), ("B", "A.9 B.8", "B"), (None, "A.3 B.2", "A"), ("C", "A.9", None)],
)
def test_candidate_is_that_of_the_name_or_else_the_best(
    name: str | None, listed: str, expected: str | None
) -> None:
    face = IdentifiedFace(None, name, None, tuple(ranked(listed)[0]))
    assert (face.candidate and face.candidate.name) == expected


# --- thresholds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -1.5, 2])
def test_identify_refuses_an_invalid_threshold(
    gallery: Gallery, recognizer: FaceRecognizer, threshold: float
) -> None:
    with pytest.raises(ValueError, match="threshold must be a number from -1 to 1"):
        identify(b"not even read", gallery, threshold=threshold, recognizer=recognizer)


def test_given_threshold_replaces_the_calibrated_one(
    people: Gallery, recognizer: FaceRecognizer, astronaut: np.ndarray
) -> None:
    """Threshold -1 names every face; the calibrated threshold does not name this one."""
    people.remove("Eileen")
    (found,) = identify(astronaut, people, recognizer=recognizer.with_threshold(-1))
    assert found.name == "Grace"
    assert found.similarity is not None
    assert found.similarity < recognizer.spec.threshold_for(1)
    (found,) = identify(astronaut, people, recognizer=recognizer)
    assert found.name is None


def test_add_enrolments_rejects_faces_with_given_issues(
    gallery: Gallery, recognizer: FaceRecognizer, astronaut: np.ndarray
) -> None:
    dark = (astronaut * 0.2).astype(np.uint8)
    portraits = [Portrait("Eileen", dark), Portrait("Eileen", astronaut)]
    enrolments = list(embed_portraits(portraits, recognizer))
    first, second = add_enrolments(gallery, enrolments, reject_issues={QualityIssue.TOO_DARK})
    assert isinstance(first.error, LowQualityError)
    assert second.added
    assert gallery.n_templates == 1
    (first, _) = add_enrolments(gallery, enrolments)
    assert first.added
