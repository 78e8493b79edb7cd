"""The session's gallery and its crops stay in step."""

import copy
import zipfile
from pathlib import Path

import pytest

from facehub.demo import session as module
from facehub.demo.session import SessionGallery, name_from_file
from facehub.errors import GalleryError, NoFaceError
from facehub.gallery import Gallery
from facehub.recognizer import default_recognizer


@pytest.fixture
def session() -> SessionGallery:
    return SessionGallery(Gallery(default_recognizer().fingerprint))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("ada.jpg", "ada"),
        ("ada_lovelace-2.jpg", "ada lovelace"),
        ("Grace Hopper (3).png", "Grace Hopper"),
        ("IMG_2041.jpg", "IMG"),
        ("123.jpg", "123"),
    ],
)
def test_name_from_file(file: str, name: str) -> None:
    assert name_from_file(file) == name


def test_enrol_keeps_the_crop_of_each_template(session: SessionGallery, examples: Path) -> None:
    for file in ("eileen_collins.jpg", "eileen_collins_tilted.jpg"):
        session.enrol("Eileen", examples / file, file, default_recognizer())
    sources = [example.source for example in session.gallery.examples("Eileen")]
    assert list(session.crops) == sources
    assert all(crop.shape == (112, 96, 3) for crop in session.crops.values())


def test_enrol_many_reports_what_failed_and_keeps_the_rest(
    session: SessionGallery, examples: Path, tmp_path: Path
) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("no picture")
    files = [str(examples / "eileen_collins.jpg"), str(text), str(examples / "grace_hopper.jpg")]
    count, failures = session.enrol_many("", files, default_recognizer())
    assert count == 2
    assert list(session.gallery) == ["eileen collins", "grace hopper"]
    assert len(failures) == 1
    assert failures[0].startswith("notes.jpg: ")
    assert str(tmp_path) not in failures[0]


def test_failed_enrol_changes_nothing(session: SessionGallery) -> None:
    import numpy as np

    with pytest.raises(NoFaceError):
        session.enrol("Nobody", np.zeros((64, 64, 3), np.uint8), "x", default_recognizer())
    assert len(session.gallery) == 0
    assert session.crops == {}


def test_remove_forgets_the_crops(session: SessionGallery, examples: Path) -> None:
    session.enrol("Eileen", examples / "eileen_collins.jpg", "e", default_recognizer())
    session.enrol("Grace", examples / "grace_hopper.jpg", "g", default_recognizer())
    session.remove("Eileen")
    assert list(session.gallery) == ["Grace"]
    assert list(session.crops) == ["2. g"]


def test_remove_one_photo(session: SessionGallery, examples: Path) -> None:
    for file in ("eileen_collins.jpg", "eileen_collins_tilted.jpg"):
        session.enrol("Eileen", examples / file, file, default_recognizer())
    session.remove("Eileen", 0)
    assert list(session.crops) == ["2. eileen_collins_tilted.jpg"]
    assert len(session.gallery.examples("Eileen")) == 1


def test_merge_keeps_all_photos(session: SessionGallery, examples: Path) -> None:
    session.enrol("Eileen", examples / "eileen_collins.jpg", "e", default_recognizer())
    session.enrol("Colonel", examples / "eileen_collins_tilted.jpg", "t", default_recognizer())
    session.rename("Colonel", "Eileen", merge=True)
    assert [e.source for e in session.gallery.examples("Eileen")] == ["1. e", "2. t"]
    assert list(session.gallery) == ["Eileen"]


def test_zip_with_a_folder_per_person(
    session: SessionGallery, examples: Path, tmp_path: Path
) -> None:
    path = tmp_path / "people.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.write(examples / "eileen_collins.jpg", "people/Eileen Collins/1.jpg")
        file.write(examples / "grace_hopper.jpg", "grace_hopper.jpg")
        file.writestr("people/Nobody/bad.jpg", b"no picture")
        file.writestr("__MACOSX/people/._1.jpg", b"rubbish")
        file.writestr("people/notes.txt", b"not a picture's name")
    count, failures = session.enrol_many("", [str(path)], default_recognizer())
    assert count == 2
    assert list(session.gallery) == ["Eileen Collins", "grace hopper"]
    assert len(failures) == 1
    assert failures[0].startswith("Nobody/bad.jpg: This is not a picture")
    assert list(tmp_path.iterdir()) == [path]


def test_a_session_starts_empty_whatever_another_holds(
    session: SessionGallery, examples: Path
) -> None:
    session.enrol("Eileen", examples / "eileen_collins.jpg", "e", default_recognizer())
    other = copy.deepcopy(session)  # as Gradio does for each session
    assert len(other.gallery) == 0
    assert other.crops == {}


def test_a_full_gallery_refuses_more(
    session: SessionGallery, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PHOTOS", 1)
    session.enrol("Eileen", examples / "eileen_collins.jpg", "e", default_recognizer())
    with pytest.raises(GalleryError, match="at most 1 photos"):
        session.enrol("Grace", examples / "grace_hopper.jpg", "g", default_recognizer())
    assert list(session.gallery) == ["Eileen"]
