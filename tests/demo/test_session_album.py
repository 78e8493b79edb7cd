"""The page's album: read from uploads, named, merged, and sent to a gallery."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from facehub.demo import session_album as module
from facehub.demo.session import SessionGallery
from facehub.demo.session_album import SessionAlbum
from facehub.demo.upload import SLASH
from facehub.errors import AlbumError, GalleryError
from facehub.pipeline import default_recognizer

FILES = ("eileen_collins.jpg", "eileen_collins_tilted.jpg", "both.jpg")


@pytest.fixture(scope="module")
def album(examples: Path) -> SessionAlbum:
    """Three faces of Collins, and one of Hopper."""
    return SessionAlbum.read([str(examples / name) for name in FILES], default_recognizer())


def photos(album: SessionAlbum) -> list[list[str]]:
    return [[album.faces[place].photo for place in group] for group in album.groups.values()]


def test_read_groups_the_faces_of_each_person(album: SessionAlbum) -> None:
    assert photos(album) == [list(FILES), ["both.jpg"]]
    assert list(album.groups) == [0, 3]
    assert (album.photos, album.names, album.failures) == (3, {}, ())
    assert album.fingerprint == default_recognizer().fingerprint


def test_read_takes_zips_and_folders_and_reports_failures(examples: Path, tmp_path: Path) -> None:
    """Two pictures with the same name stay separate."""
    archive = tmp_path / "holiday.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(examples / "eileen_collins.jpg", "one/1.jpg")
        file.write(examples / "eileen_collins_tilted.jpg", "two/one/1.jpg")
        file.writestr("one/bad.jpg", b"no picture")
        file.writestr("one/2.CR2", b"of a camera")
    dropped = tmp_path / f"one{SLASH}1.jpg"
    dropped.write_bytes((examples / "grace_hopper.jpg").read_bytes())
    found = SessionAlbum.read([str(archive), str(dropped)], default_recognizer())
    assert photos(found) == [["one/1.jpg"] * 2, ["one/1.jpg"]]
    failure, left_out = found.failures
    assert failure.startswith("one/bad.jpg: This is not a picture")
    assert left_out.startswith("holiday.zip: 1 left out, not a supported picture suffix")
    assert left_out.endswith("suffix: one/2.CR2.")


def test_stopped_read_groups_the_faces_found_so_far(examples: Path) -> None:
    """The album reports how many photos were read."""
    files = [str(examples / name) for name in FILES]
    seen: list[int] = []
    for progress in SessionAlbum.read_each(files, default_recognizer(), lambda: len(seen) == 3):
        seen.append(progress.seen)
    assert seen == [0, 1, 2, 2]
    assert progress.total == 3
    assert progress.album is not None
    assert photos(progress.album) == [list(FILES[:2])]
    assert progress.album.failures == ("Stopped after 2 of 3 photos.",)


def test_read_without_a_valid_photo_gives_an_empty_album(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_text("no picture")
    found = SessionAlbum.read([str(tmp_path / "bad.jpg")], default_recognizer())
    assert (found.faces, found.groups, len(found.failures)) == ((), {}, 1)


def test_an_album_holds_a_limited_number_of_faces(
    examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FACES", 1)
    files = [str(examples / name) for name in ("both.jpg", "grace_hopper.jpg")]
    found = SessionAlbum.read(files, default_recognizer())
    assert photos(found) == [["both.jpg"]]
    assert found.failures[0].startswith("An album holds at most 1 faces here")


def test_read_with_uncalibrated_weights_is_refused(examples: Path) -> None:
    recognizer = default_recognizer()
    recognizer = replace(recognizer, spec=replace(recognizer.spec, threshold=None))
    with pytest.raises(AlbumError, match="not calibrated"):
        SessionAlbum.read([str(examples / FILES[0])], recognizer)


def test_a_group_gets_a_name_that_no_other_group_has(album: SessionAlbum) -> None:
    named = album.named(0, " Eileen  Collins ")
    assert named.names == {0: "Eileen Collins"}
    assert album.names == {}  # the original is unchanged
    assert named.named(0, "Colonel").names == {0: "Colonel"}
    assert named.named(0, "Eileen Collins").names == named.names
    with pytest.raises(AlbumError, match="already a group named Eileen Collins"):
        named.named(3, "Eileen Collins")
    with pytest.raises(GalleryError, match="needs a name"):
        album.named(0, " ")
    with pytest.raises(AlbumError, match="no longer"):
        album.named(1, "Ada")


def test_merged_groups_keep_one_name_and_invalid_choices_are_refused(album: SessionAlbum) -> None:
    merged = album.named(3, "Grace").merged([3, 0])
    assert merged.groups == {0: (0, 1, 2, 3)}
    assert merged.names == {0: "Grace"}
    assert album.merged([0, 3]).names == {}
    assert album.named(0, "A").named(3, "B").merged([3, 0]).names == {0: "A"}
    for chosen, message in (([], "a group first"), ([0], "two groups"), ([0, 1], "no longer")):
        with pytest.raises(AlbumError, match=message):
            album.merged(chosen)


def test_to_album_keeps_names_photos_and_boxes(album: SessionAlbum) -> None:
    result = album.named(3, "Grace").to_album()
    assert [group.name for group in result.groups] == [None, "Grace"]
    assert [[face.photo for face in group.faces] for group in result.groups] == photos(album)
    assert result.groups[1].faces[0].box == album.faces[3].face.face.box
    assert (result.rule, result.fingerprint) == (album.rule, album.fingerprint)


def test_named_groups_are_sent_to_a_gallery(album: SessionAlbum) -> None:
    session = SessionGallery(default_recognizer().empty_gallery())
    assert album.enrolments() == []
    report = session.add_found(album.named(0, "Eileen").enrolments())
    assert (report.added, report.known, report.failures) == (3, 0, [])
    assert list(session.gallery) == ["Eileen"]
    examples = session.gallery.examples("Eileen")
    assert [example.source for example in examples] == list(FILES)
    assert set(session.crops) == {example.digest for example in examples}
    assert session.add_found(album.named(0, "Eileen").enrolments()).known == 3
