"""Folders, zips, and RecordIO files written here byte by byte."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from facehub.errors import ImageError
from facehub.io.sources import FolderSource, open_source, read_picture
from tests.train.recordio import MAGIC, part, record


@pytest.fixture
def rec(tmp_path: Path) -> Path:
    """As `face2rec2.py` writes it: pictures with two labels each, then what describes them.

    Three pictures of two identities; the third holds the magic number and so is split.
    """
    split = record(3, [1.0, 9.0], b"picture " + MAGIC + b"three")
    before, after = split.split(MAGIC)
    content = [
        part(record(1, [0.0, 1.0], b"picture one")),
        part(record(2, [0.0, 1.0], b"picture number two")),
        part(before, 1) + part(after, 3),
        part(record(4, [1.0, 3.0], b"")),
        part(record(5, [3.0, 4.0], b"")),
        part(record(0, [4.0, 6.0], b"")),  # pictures are records 1 to 3, identities 4 and 5
    ]
    path = tmp_path / "train.rec"
    path.write_bytes(b"".join(content))
    return path


def test_records_of_one_number_and_without_a_picture(tmp_path: Path) -> None:
    content = [record(0, [3.0], text) for text in (b"one", b"two", b"")]
    (tmp_path / "train.rec").write_bytes(b"".join(part(each) for each in content))
    source = open_source(tmp_path)
    assert [source.read(name) for name in source.names] == [b"one", b"two"]
    assert list(source.ignored.values()) == ["a record without a picture"]
    (tmp_path / "train.rec").write_bytes(part(b"short"))
    with pytest.raises(ValueError, match="shorter than its head"):
        open_source(tmp_path)


@pytest.mark.parametrize("given", ["file", "folder"])
def test_record_io(rec: Path, given: str) -> None:
    source = open_source(rec if given == "file" else rec.parent)
    assert source.names == ["0000000/00000001", "0000000/00000002", "0000001/00000003"]
    assert [source.read(name) for name in source.names] == [
        b"picture one",
        b"picture number two",
        b"picture " + MAGIC + b"three",
    ]


def test_record_io_with_single_labels_and_the_describing_record_first(tmp_path: Path) -> None:
    content = [
        part(record(0, [3.0, 4.0], b"")),
        part(record(1, [5.0], b"picture one")),
        part(record(2, [6.0], b"x")),
        part(record(3, [1.0, 3.0], b"")),
    ]
    (tmp_path / "train.rec").write_bytes(b"".join(content))
    source = open_source(tmp_path)
    assert source.names == ["0000005/00000001", "0000006/00000002"]
    assert source.ignored == {}


def test_record_io_without_a_describing_record(tmp_path: Path) -> None:
    path = tmp_path / "some.rec"
    path.write_bytes(part(record(0, [7.0], b"only picture")))
    source = open_source(path)
    assert source.names == ["0000007/00000000"]
    assert source.read(source.names[0]) == b"only picture"


@pytest.mark.parametrize("damage", ["cut", "foreign", "tail"])
def test_damaged_record_io(rec: Path, damage: str) -> None:
    data = rec.read_bytes()
    rec.write_bytes({"cut": data[:-8], "foreign": b"x" * 64, "tail": data + b"abc"}[damage])
    with pytest.raises(ValueError, match="damaged"):
        open_source(rec)


def test_folder_takes_pictures_in_sub_folders(tmp_path: Path) -> None:
    """What is left out has a reason, except for files that are no pictures beside the folders."""
    for name in ("b/2.JPG", "a/1.png", "a/deep/3.webp", "a/5.bmp", "4.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "c").mkdir()
    source = open_source(tmp_path)
    assert source.names == ["a/1.png", "a/deep/3.webp", "b/2.JPG"]
    assert source.read("b/2.JPG") == b"b/2.JPG"
    assert source.ignored == {
        "4.png": "not in a sub-folder",
        "a/5.bmp": "not the name of a JPEG, PNG or WebP picture",
        "c/": "an empty folder",
    }


def test_a_zip_ignores_the_same(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("set/", "set/a/1.png", "set/c/", "set/b/2.bmp"):
            archive.writestr(name, b"")
    source = open_source(path)
    assert source.names == ["set/a/1.png"]
    assert list(source.ignored) == ["set/b/2.bmp", "set/c/"]


def test_a_damaged_member_is_an_error_of_its_picture(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/1.png", b"content")
    path.write_bytes(path.read_bytes().replace(b"content", b"Content"))
    with pytest.raises(ImageError, match="cannot be read: Bad CRC-32"):
        read_picture(open_source(path), "a/1.png")


def test_a_missing_file_is_an_error_of_its_picture(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        read_picture(FolderSource(tmp_path), "a/1.png")


def test_something_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(ValueError, match="not a folder, a zip or a RecordIO"):
        open_source(path)
