"""Hostile and odd inputs through the library."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from facehub import FaceRecognizer, MemoryGallery, load_image
from facehub.demo.session import SessionGallery
from facehub.errors import GalleryError, ImageError
from tests.hostile.cases import ANY, FACE, FACES, NONE, Case, GalleryCase, ZipCase
from tests.hostile.galleries import GALLERIES
from tests.hostile.pictures import CASES
from tests.hostile.sound import hopper, jpeg
from tests.hostile.zips import ZIPS

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_zip = pytest.mark.parametrize("case", ZIPS, ids=lambda case: case.name)
each_gallery = pytest.mark.parametrize("case", GALLERIES, ids=lambda case: case.name)


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    for cases in (CASES, ZIPS, GALLERIES):
        assert len({case.name for case in cases}) == len(cases)
    assert len(CASES) + len(ZIPS) + len(GALLERIES) >= 400
    assert {FACE, FACES, NONE, ANY} < {case.expected for case in CASES}


@each_case
def test_library_finds_the_faces_or_raises_the_expected_error(
    case: Case, corpus: dict[str, Path], recognizer: FaceRecognizer
) -> None:
    path = corpus[case.name]
    if case.fails:
        with pytest.raises(ImageError) as caught:
            recognizer.faces(path)
        assert case.expected in str(caught.value)
        return
    faces = recognizer.faces(path)
    assert case.expected in (ANY, (NONE, FACE, FACES)[min(len(faces), 2)])
    for found in faces:
        assert found.embedding.shape == (512,)
        assert np.linalg.norm(found.embedding) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("case", [c for c in CASES if c.content], ids=lambda case: case.name)
def test_load_image_reads_bytes_or_raises_the_expected_error(case: Case) -> None:
    assert case.content is not None
    content = case.content()
    if case.fails:
        with pytest.raises(ImageError) as caught:
            load_image(content)
        assert case.expected in str(caught.value)
    else:
        pixels = load_image(content)
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3


def test_every_encoding_of_a_picture_gives_the_same_face(recognizer: FaceRecognizer) -> None:
    expected = recognizer.face(jpeg()).embedding
    for case in CASES:
        if case.expected == FACE and case.content and case.name != "face mirrored":
            similarity = recognizer.face(case.content()).embedding @ expected
            assert similarity > 0.5, case.name


@each_case
def test_library_refuses_a_picture_as_a_gallery(
    case: Case, corpus: dict[str, Path], recognizer: FaceRecognizer
) -> None:
    with pytest.raises(GalleryError, match=r"There is no gallery file|not a facehub gallery"):
        MemoryGallery.load(corpus[case.name], fingerprint=recognizer.fingerprint)


@each_gallery
def test_gallery_file_loads_or_raises_the_expected_error(
    case: GalleryCase, tmp_path: Path, recognizer: FaceRecognizer
) -> None:
    path = case.write(tmp_path, recognizer.fingerprint)
    if case.expected is not None:
        with pytest.raises(GalleryError) as caught:
            MemoryGallery.load(path, fingerprint=recognizer.fingerprint)
        assert case.expected in str(caught.value)
        return
    loaded = MemoryGallery.load(path, fingerprint=recognizer.fingerprint)
    assert tuple(loaded) == case.people
    for name in loaded:
        assert all(example.source.isprintable() for example in loaded.examples(name))
    loaded.save(path)
    again = MemoryGallery.load(path, fingerprint=recognizer.fingerprint)
    assert tuple(again) == case.people
    assert again.n_templates == loaded.n_templates
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("case", [*ZIPS, *GALLERIES], ids=lambda case: case.name)
def test_library_refuses_a_zip_or_gallery_as_a_picture(
    case: ZipCase | GalleryCase, recognizer: FaceRecognizer
) -> None:
    content = case.content("") if isinstance(case, GalleryCase) else case.content()
    if case.name == "a picture":
        assert len(recognizer.faces(content)) == 1
    else:
        with pytest.raises(ImageError, match=r"not a picture|is empty|larger than"):
            load_image(content)


def test_a_session_refuses_a_gallery_of_another_embedding_size(
    recognizer: FaceRecognizer,
) -> None:
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    with pytest.raises(GalleryError, match="another length"):
        session.replace(MemoryGallery(recognizer.fingerprint, 8))
    assert session.gallery.size == 512


@each_zip
def test_enrolling_a_zip_adds_valid_pictures_and_writes_no_file(
    case: ZipCase,
    tmp_path: Path,
    recognizer: FaceRecognizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    path = case.write(folder)
    monkeypatch.chdir(folder)
    before = {file: file.lstat().st_size for file in tmp_path.rglob("*")}
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    report = session.enrol_many("", [str(path)], recognizer)
    failures = report.failures
    assert tuple(session.gallery) == case.people
    assert report.added == session.gallery.n_templates >= len(case.people)
    assert session.crops.keys() == {entry.digest for entry in session.gallery.export()}
    wanted = len(case.failures) if case.n_failures is None else case.n_failures
    assert len(failures) == wanted, failures[:9]
    for part in case.failures:
        assert any(part in detail for detail in report.details), (part, report.details[:9])
    assert not any(str(tmp_path) in detail for detail in report.details)
    assert {file: file.lstat().st_size for file in tmp_path.rglob("*")} == before
    assert not Path("/tmp/evil.jpg").exists()


def test_valid_uploads_among_bad_ones_are_enrolled(
    tmp_path: Path, corpus: dict[str, Path], recognizer: FaceRecognizer
) -> None:
    """Valid uploads before and after the bad ones are enrolled."""
    good, smaller = tmp_path / "grace.png", tmp_path / "grace 2.png"
    hopper().save(good)
    hopper().reduce(2).save(smaller)
    bad = [str(corpus[case.name]) for case in CASES if case.fails]
    bad += [str(case.write(tmp_path)) for case in ZIPS if not case.people]
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    report = session.enrol_many("", [str(good), *bad, str(smaller)], recognizer)
    assert (report.added, report.known) == (2, 0)
    assert len(report.failures) == len(bad)
    assert tuple(session.gallery) == ("grace",)
