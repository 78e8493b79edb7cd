"""The gallery of a session and its crops stay consistent."""

import copy
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from facehub.demo import portraits as uploaded
from facehub.demo import session as module
from facehub.demo import texts
from facehub.demo.session import SessionGallery
from facehub.demo.upload import SLASH, Upload
from facehub.errors import GalleryError, NoFaceError
from facehub.gallery.base import Gallery
from facehub.gallery.memory import MemoryGallery
from facehub.pipeline import default_recognizer


@pytest.fixture
def session() -> SessionGallery:
    return SessionGallery(MemoryGallery(default_recognizer().fingerprint))


def test_enrol_keeps_the_crop_of_each_template(session: SessionGallery, examples: Path) -> None:
    for file in ("eileen_collins.jpg", "eileen_collins_tilted.jpg"):
        session.enrol("Eileen", examples / file, file, default_recognizer())
    assert list(session.crops) == [e.digest for e in session.gallery.examples("Eileen")]
    assert all(crop.shape == (112, 96, 3) for crop in session.crops.values())


def test_enrol_many_reports_failures_and_adds_the_rest(
    session: SessionGallery, examples: Path, tmp_path: Path
) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("no picture")
    files = [str(examples / "eileen_collins.jpg"), str(text), str(examples / "grace_hopper.jpg")]
    report = session.enrol_many("", files, default_recognizer())
    assert (report.added, report.known) == (2, 0)
    assert list(session.gallery) == ["eileen collins", "grace hopper"]
    (failure,) = report.failures
    assert failure.startswith("notes.jpg: ")
    assert str(tmp_path) not in failure


def test_failed_enrol_changes_nothing(session: SessionGallery) -> None:
    with pytest.raises(NoFaceError):
        session.enrol("Nobody", np.zeros((64, 64, 3), np.uint8), "x", default_recognizer())
    assert len(session.gallery) == 0
    assert session.crops == {}


def test_remove_forgets_the_crops(session: SessionGallery, examples: Path) -> None:
    session.enrol("Eileen", examples / "eileen_collins.jpg", "e", default_recognizer())
    session.enrol("Grace", examples / "grace_hopper.jpg", "g", default_recognizer())
    session.remove("Eileen")
    assert list(session.gallery) == ["Grace"]
    assert list(session.crops) == [e.digest for e in session.gallery.examples("Grace")]


def test_a_crop_of_two_people_stays_until_both_are_removed(
    session: SessionGallery, examples: Path
) -> None:
    for name in ("Eileen", "Colonel"):
        session.enrol(name, examples / "eileen_collins.jpg", "e", default_recognizer())
    session.remove("Colonel")
    assert list(session.crops) == [e.digest for e in session.gallery.examples("Eileen")]
    session.remove("Eileen")
    assert session.crops == {}


def test_removing_one_photo_keeps_the_others(session: SessionGallery, examples: Path) -> None:
    for file in ("eileen_collins.jpg", "eileen_collins_tilted.jpg"):
        session.enrol("Eileen", examples / file, file, default_recognizer())
    first, second = session.gallery.examples("Eileen")
    session.remove("Eileen", first.digest)
    assert list(session.crops) == [second.digest]
    assert len(session.gallery.examples("Eileen")) == 1


def test_merge_keeps_all_photos(session: SessionGallery, examples: Path) -> None:
    session.enrol("Eileen", examples / "eileen_collins.jpg", "e", default_recognizer())
    session.enrol("Colonel", examples / "eileen_collins_tilted.jpg", "t", default_recognizer())
    session.merge("Colonel", "Eileen")
    assert [e.source for e in session.gallery.examples("Eileen")] == ["e", "t"]
    assert list(session.gallery) == ["Eileen"]


def test_zip_enrolment_names_people_by_folder(
    session: SessionGallery, examples: Path, tmp_path: Path
) -> None:
    path = tmp_path / "people.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.write(examples / "eileen_collins.jpg", "people/Eileen Collins/1.jpg")
        file.write(examples / "grace_hopper.jpg", "grace_hopper.jpg")
        file.writestr("people/Nobody/bad.jpg", b"no picture")
        file.writestr("__MACOSX/people/._1.jpg", b"rubbish")
        file.writestr("people/notes.txt", b"not a picture's name")
    report = session.enrol_many("", [str(path)], default_recognizer())
    assert (report.added, report.known) == (2, 0)
    assert list(session.gallery) == ["grace hopper", "Eileen Collins"]  # by path, as the command
    (failure,) = report.failures
    assert failure.startswith("Nobody/bad.jpg: This is not a picture")
    assert report.left_out == [
        "people.zip: 1 left out, a hidden or system file: people/._1.jpg.",
        "people.zip: 1 left out, not a supported picture suffix: people/notes.txt.",
    ]
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_session_starts_with_an_empty_gallery(
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


def test_a_photo_is_removed_by_digest_and_not_by_position(
    session: SessionGallery, examples: Path
) -> None:
    for file in ("eileen_collins.jpg", "eileen_collins_tilted.jpg"):
        session.enrol("Eileen", examples / file, file, default_recognizer())
    first, second = (e.digest for e in session.gallery.examples("Eileen"))
    session.remove("Eileen", first)  # by another user, meanwhile
    session.remove("Eileen", second)
    assert list(session.gallery) == []
    session.enrol("Eileen", examples / "eileen_collins.jpg", "e.jpg", default_recognizer())
    with pytest.raises(GalleryError, match="no longer in the gallery"):
        session.remove("Eileen", second)
    assert len(session.gallery.examples("Eileen")) == 1


def test_a_reader_sees_one_snapshot_during_changes(session: SessionGallery, examples: Path) -> None:
    session.enrol("Eileen", examples / "eileen_collins.jpg", "e", default_recognizer())
    session.enrol("Grace", examples / "grace_hopper.jpg", "g", default_recognizer())
    now, seen = session.now, []
    for name in now.gallery:  # while another user changes it
        seen.append(name)
        session.rename(name, f"{name} the Second")
        session.remove(f"{name} the Second")
    assert seen == list(now.gallery) == ["Eileen", "Grace"]
    assert list(now.crops) == [e.digest for n in now.gallery for e in now.gallery.examples(n)]
    assert list(session.gallery) == []
    assert session.crops == {}


def read_only_gallery(file: Path) -> Gallery:
    """Return a shared gallery that can be read but not written."""
    gallery = default_recognizer().open_gallery(file)
    gallery._db.execute("PRAGMA query_only = ON")
    return gallery


def test_enrol_into_a_gallery_that_cannot_be_written_fails_and_adds_nothing(
    examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gallery.db"
    shared = SessionGallery(read_only_gallery(file), shared=True)
    with pytest.raises(GalleryError, match="This server cannot use its gallery") as caught:
        shared.enrol("Eileen", examples / "eileen_collins.jpg", "e", default_recognizer())
    assert str(tmp_path) not in str(caught.value)  # the path is for the host, not for visitors
    assert str(file) in capsys.readouterr().err
    with default_recognizer().open_gallery(file) as kept:
        assert list(kept) == []


def test_a_gallery_that_is_too_large_is_refused(
    session: SessionGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PHOTOS", 1)
    large = MemoryGallery(default_recognizer().fingerprint)
    for name in ("Ada", "Bob"):
        large.add(name, np.ones(512))
    with pytest.raises(GalleryError, match="at most 1 photos"):
        session.replace(large)
    assert list(session.gallery) == []


def test_the_same_photo_of_a_person_is_added_once(
    session: SessionGallery, examples: Path, tmp_path: Path
) -> None:
    photo = str(examples / "eileen_collins.jpg")
    recognizer = default_recognizer()
    report = session.enrol_many("Eileen", [photo, photo], recognizer)
    assert report == module.EnrolmentReport(1, 1, [])
    archive = tmp_path / "Eileen.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(photo, "1.jpg")
    assert session.enrol_many("", [str(archive)], recognizer) == module.EnrolmentReport(0, 1, [])
    session.enrol("Eileen", photo, "again.jpg", recognizer)
    assert session.gallery.n_templates == 1
    assert session.enrol_many("Colonel", [photo], recognizer).added == 1  # another person
    assert [e.source for e in session.gallery.examples("Colonel")] == ["eileen_collins.jpg"]


def test_a_bad_zip_is_reported_and_the_rest_is_added(
    session: SessionGallery, examples: Path, tmp_path: Path
) -> None:
    bad = tmp_path / f"{'n' * 120}.zip"
    bad.write_text("no zip")
    report = session.enrol_many(
        "", [str(bad), str(examples / "grace_hopper.jpg")], default_recognizer()
    )
    assert report == module.EnrolmentReport(
        1, 0, [f"{bad.name}: This zip cannot be read: File is not a zip file."]
    )


def test_photos_beyond_the_limit_are_reported_and_not_added(
    session: SessionGallery, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PHOTOS", 2)
    names = ("eileen_collins", "eileen_collins_tilted", "grace_hopper")
    files = [str(examples / f"{name}.jpg") for name in names]
    report = session.enrol_many("", files, default_recognizer())
    full = "grace_hopper.jpg: A gallery holds at most 2 photos here."
    assert report == module.EnrolmentReport(2, 0, [full])
    assert len(session.crops) == session.gallery.n_templates == 2


def test_enrol_many_into_a_gallery_that_cannot_be_written_reports_it_once(
    examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gallery.db"
    shared = SessionGallery(read_only_gallery(file), shared=True)
    files = [str(examples / f"{name}.jpg") for name in ("eileen_collins", "grace_hopper")]
    report = shared.enrol_many("", files, default_recognizer())
    assert report == module.EnrolmentReport(0, 0, [texts.UNAVAILABLE])
    assert str(file) in capsys.readouterr().err
    with default_recognizer().open_gallery(file) as kept:
        assert list(kept) == []
    assert shared.crops == {}


def test_a_picture_inside_a_request_is_enrolled(session: SessionGallery, examples: Path) -> None:
    content = (examples / "grace_hopper.jpg").read_bytes()
    report = session.enrol_many("Grace", [content, b"no picture"], default_recognizer())
    assert report.added == 1
    (failure,) = report.failures
    assert failure.startswith(f"{texts.SNAPSHOT}: This is not a picture")


def test_members_left_out_of_a_zip_are_reported(
    session: SessionGallery, examples: Path, tmp_path: Path
) -> None:
    path = tmp_path / "people.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("people/", b"")
        file.write(examples / "grace_hopper.jpg", "people/Grace/1.jpg")
        file.writestr("people/Bob/", b"")
        for number in range(7):
            file.writestr(f"people/Grace/{number}.CR2", b"of a camera")
        file.writestr("__MACOSX/people/._1.jpg", b"rubbish")
    report = session.enrol_many("", [str(path)], default_recognizer())
    raws = ", ".join(f"Grace/{number}.CR2" for number in range(5))
    assert report == module.EnrolmentReport(
        1,
        0,
        [],
        left_out=[
            f"people.zip: 7 left out, not a supported picture suffix: {raws} and 2 more.",
            "people.zip: 1 left out, a hidden or system file: people/._1.jpg.",
            "people.zip: 1 left out, an empty folder: people/Bob.",
        ],
    )


def test_a_zip_without_a_picture_is_reported_with_its_members(
    session: SessionGallery, examples: Path, tmp_path: Path
) -> None:
    path = tmp_path / "camera.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("Ada/1.cr2", b"of a camera")
    files = [str(path), str(examples / "grace_hopper.jpg")]
    assert session.enrol_many("", files, default_recognizer()) == module.EnrolmentReport(
        1,
        0,
        [f"camera.zip: {texts.EMPTY_ZIP}"],
        left_out=["camera.zip: 1 left out, not a supported picture suffix: Ada/1.cr2."],
    )


def test_one_name_is_not_given_to_several_people(
    session: SessionGallery, examples: Path, tmp_path: Path
) -> None:
    """A name is refused for a zip or a dropped folder with several folders."""
    photo = examples / "grace_hopper.jpg"
    several, one = tmp_path / "several.zip", tmp_path / "one.zip"
    for path, folders in ((several, ("Ada", "Bob")), (one, ("Ada",))):
        with zipfile.ZipFile(path, "w") as file:
            for folder in folders:
                file.write(photo, f"{folder}/1.jpg")
    dropped = [Upload(str(photo), f"people{SLASH}{name}{SLASH}1.jpg") for name in ("Ada", "Bob")]
    recognizer = default_recognizer()
    report = session.enrol_many("Grace", [str(several), *dropped, str(one)], recognizer)
    assert report == module.EnrolmentReport(
        1, 0, [f"several.zip: {texts.SEVERAL_FOLDERS}", f"people: {texts.SEVERAL_FOLDERS}"]
    )
    assert list(session.gallery) == ["Grace"]


@pytest.mark.parametrize("of", ["folders", "files", "zips", "a zip"])
def test_similar_and_odd_names_stay_separate(
    session: SessionGallery, examples: Path, tmp_path: Path, of: str
) -> None:
    """In the path of an upload, Gradio drops some of these characters and the end of long names."""
    photo = examples / "grace_hopper.jpg"
    names = ["Anna", "Anna!", "Anna#", "Zo\xeb", "\N{WOMAN}\N{ROCKET}", "x" * 100]
    if of == "a zip":
        files = [tmp_path / "people.zip"]
        with zipfile.ZipFile(files[0], "w") as archive:
            for name in names:
                archive.write(photo, f"{name}/1.jpg")
    elif of == "zips":
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.write(photo, "1.jpg")
        files = [Upload(str(tmp_path / "x.zip"), f"{name}.zip") for name in names]
    else:
        end = f"{SLASH}1.jpg" if of == "folders" else ".jpg"
        files = [Upload(str(photo), f"{name}{end}") for name in names]
    files.append(Upload(str(photo), f"{'y' * 101}.jpg"))
    report = session.enrol_many("", files, default_recognizer())
    assert sorted(session.gallery) == sorted(names)
    assert report.added == len(names)
    (failure,) = report.failures
    assert failure.endswith("A name has at most 100 characters.")


def test_a_zip_without_folders_is_one_person_with_the_name_of_the_zip(
    session: SessionGallery, examples: Path, tmp_path: Path
) -> None:
    files = []
    for name, photo in (("Ada", "eileen_collins.jpg"), ("Bob", "grace_hopper.jpg")):
        files.append(str(tmp_path / f"{name}.zip"))
        with zipfile.ZipFile(files[-1], "w") as file:
            file.write(examples / photo, "IMG_0001.jpg")
    report = session.enrol_many("", files, default_recognizer())
    assert report == module.EnrolmentReport(2, 0, [])
    assert list(session.gallery) == ["Ada", "Bob"]


def test_a_request_reads_a_limited_number_of_pictures(
    session: SessionGallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploaded, "MAX_TRIED", 3)
    files = []
    for number in range(2):
        files.append(str(tmp_path / f"{number}.zip"))
        with zipfile.ZipFile(files[-1], "w") as file:
            for member in range(4):
                file.writestr(f"{number}/{member}.jpg", b"no picture")
    report = session.enrol_many("", files, default_recognizer())
    assert report.added == 0
    assert len(report.failures) == 4
    assert report.failures[-1] == f"0/3.jpg: {texts.TOO_MANY.format(limit=3)}"


def test_pictures_of_a_dropped_folder_get_the_name_of_the_folder(
    session: SessionGallery, examples: Path, tmp_path: Path
) -> None:
    folders = ["Anna 1", "Anna 2", "Agent 007", "Photo", "2019", "dr. who-2"]
    files = []
    for number, folder in enumerate(folders):
        files.append(tmp_path / f"{number}" / f"{folder}{SLASH}IMG_1.jpg")
        files[-1].parent.mkdir()
        shutil.copy(examples / "eileen_collins.jpg", files[-1])
    bad = tmp_path / f"Bob{SLASH}notes.jpg"
    bad.write_text("no picture")
    report = session.enrol_many("", [*map(str, files), str(bad)], default_recognizer())
    assert report.added == len(folders)
    assert list(session.gallery) == folders
    assert session.gallery.examples("2019")[0].source == "2019/IMG_1.jpg"
    assert report.failures[0].startswith("Bob/notes.jpg: This is not a picture")


def test_a_request_reads_a_limited_number_of_zips(
    session: SessionGallery, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All zips of one request are open at the same time."""
    monkeypatch.setattr(uploaded, "MAX_ZIPS", 2)
    files = []
    for number in range(3):
        files.append(str(tmp_path / f"{number}.zip"))
        with zipfile.ZipFile(files[-1], "w") as archive:
            archive.write(examples / "grace_hopper.jpg", f"Grace {number}/1.jpg")
    report = session.enrol_many("", files, default_recognizer())
    assert report.added == 2
    assert report.failures == [f"2.zip: {texts.TOO_MANY_ZIPS.format(limit=2)}"]


def test_no_face_is_searched_for_a_full_gallery(
    session: SessionGallery, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = default_recognizer()
    files = [str(examples / "grace_hopper.jpg"), str(examples / "eileen_collins.jpg")]
    session.enrol_many("", files[:1], recognizer)
    monkeypatch.setattr(module, "MAX_PHOTOS", 1)
    monkeypatch.setattr(type(recognizer), "_find", None)  # a search for faces would fail
    report = session.enrol_many("", files, recognizer)
    assert report.added == 0
    assert all("at most 1 photos" in failure for failure in report.failures)
