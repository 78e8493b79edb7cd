"""Folders, zips, and RecordIO files written here byte by byte."""

from __future__ import annotations

import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from facehub.errors import ArchiveError, ImageError, ImageTooLargeError
from facehub.io import containers
from facehub.io.containers import FolderSource
from facehub.io.sources import find_pictures, open_source, read_picture
from tests.train.recordio import MAGIC, part, record


@pytest.fixture
def rec(tmp_path: Path) -> Path:
    """A file as `face2rec2.py` writes it: pictures with two labels each, then description records.

    Three pictures of two identities. The third contains the magic number, so it is split.
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


def test_empty_record_is_ignored_and_short_record_is_refused(tmp_path: Path) -> None:
    content = [record(0, [3.0], text) for text in (b"one", b"two", b"")]
    (tmp_path / "train.rec").write_bytes(b"".join(part(each) for each in content))
    source = open_source(tmp_path)
    assert [source.read(name) for name in source.names] == [b"one", b"two"]
    assert list(source.ignored.values()) == ["a record without a picture"]
    (tmp_path / "train.rec").write_bytes(part(b"short"))
    with pytest.raises(
        ArchiveError,
        match=r"train\.rec is damaged at its record 1, byte 0: it is shorter than its header",
    ):
        open_source(tmp_path)


@pytest.mark.parametrize("given", ["file", "folder"])
def test_record_io_lists_and_reads_its_pictures(rec: Path, given: str) -> None:
    source = open_source(rec if given == "file" else rec.parent)
    assert source.names == ["0000000/00000001", "0000000/00000002", "0000001/00000003"]
    assert [source.read(name) for name in source.names] == [
        b"picture one",
        b"picture number two",
        b"picture " + MAGIC + b"three",
    ]


def test_record_io_with_single_labels_and_the_description_record_first(tmp_path: Path) -> None:
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


def test_record_io_without_a_description_record(tmp_path: Path) -> None:
    path = tmp_path / "some.rec"
    path.write_bytes(part(record(0, [7.0], b"only picture")))
    source = open_source(path)
    assert source.names == ["0000007/00000000"]
    assert source.read(source.names[0]) == b"only picture"


def as_dmlc_writes(data: bytes) -> bytes:
    """A record in the bytes of dmlc-core's RecordIOWriter::WriteRecord.

    Each magic number at a multiple of four bytes is left out and ends a part. The first part is of
    kind 1, the last of kind 3, those between of kind 2. A record without a magic number is one part
    of kind 0.
    """
    file, begin = b"", 0
    for at in range(0, len(data) // 4 * 4, 4):
        if data[at : at + 4] == MAGIC:
            kind = 1 if begin == 0 else 2
            file += MAGIC + struct.pack("<I", kind << 29 | at - begin) + data[begin:at]
            begin = at + 4
    kind = 3 if begin else 0
    file += MAGIC + struct.pack("<I", kind << 29 | len(data) - begin) + data[begin:]
    return file + b"\0" * (-len(file) % 4)


def test_record_io_of_random_bytes_full_of_magic_numbers(tmp_path: Path) -> None:
    rng = random.Random(0)
    pictures = []
    with (tmp_path / "train.rec").open("wb") as file:
        for number in range(200):
            pieces = [rng.choice([MAGIC, rng.randbytes(rng.randrange(6))]) for _ in range(8)]
            pictures.append(b"." + b"".join(pieces))
            # mx.recordio.IRHeader: flag, label, id, id2
            head = struct.pack("<IfQQ", 0, number // 10, number, 0)
            file.write(as_dmlc_writes(head + pictures[-1]))
    source = open_source(tmp_path)
    assert [source.read(name) for name in source.names] == pictures
    assert source.names[57] == "0000005/00000057"


def test_record_io_written_by_hand_is_read(tmp_path: Path) -> None:
    """One record with two labels, in the layout of `mx.recordio.pack`, written by hand."""
    text = (
        "0a23d7ce 25000000"  # magic; kind 0, 24 + 8 + 5 bytes
        "02000000 00000000 0900000000000000 0000000000000000"  # 2 labels; unused; id 9; id2
        "0000e040 00000040"  # 7.0, 2.0
        "68656c6c 6f000000"  # "hello", padded
    )
    (tmp_path / "one.rec").write_bytes(bytes.fromhex(text))
    source = open_source(tmp_path / "one.rec")
    assert source.names == ["0000007/00000009"]
    assert source.read("0000007/00000009") == b"hello"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-8], r"record 6, byte \d+: the file ends within it"),
        (lambda data: b"x" * 64, "record 1, byte 0: it does not start with RecordIO"),
        (lambda data: data + b"abc", r"record 7, byte \d+: the file ends within it"),
        (lambda data: data.replace(MAGIC, b"xxxx", 2)[8:], "record 1, byte 0: "),
    ],
    ids=["cut", "foreign", "tail", "begins late"],
)
def test_damaged_record_io_is_refused(
    rec: Path, damage: Callable[[bytes], bytes], message: str
) -> None:
    rec.write_bytes(damage(rec.read_bytes()))
    with pytest.raises(ArchiveError, match=rf"train\.rec is damaged at its {message}"):
        open_source(rec)


def write_index(rec: Path, starts: list[int]) -> None:
    lines = [f"{number}\t{start}\n" for number, start in enumerate(starts)]
    rec.with_suffix(".idx").write_text("".join(lines))


def three_records(tmp_path: Path) -> tuple[Path, list[int]]:
    content = [part(record(number, [0.0], b"picture")) for number in range(3)]
    (tmp_path / "train.rec").write_bytes(b"".join(content))
    return tmp_path / "train.rec", [0, len(content[0]), 2 * len(content[0])]


def test_index_file_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path, starts = three_records(tmp_path)
    write_index(path, starts)
    assert len(open_source(path).names) == 3
    for wrong, message in (
        (starts[:2], f"byte {starts[2]} it lists none, but there is one"),
        ([*starts, 3 * starts[1]], f"byte {3 * starts[1]} it lists record 3"),
        ([0, starts[1] + 4, starts[2]], f"byte {starts[1]} it lists none"),
    ):
        write_index(path, wrong)
        with pytest.raises(ArchiveError, match=rf"train\.idx does not belong to .*at {message}"):
            open_source(path)
    path.with_suffix(".idx").write_text("0\t0\n1 one\n")
    with pytest.raises(
        ArchiveError, match=r"train\.idx, line 2: expected a record number and an offset"
    ):
        open_source(path)


def test_zeros_after_the_last_record_are_refused_without_an_index(tmp_path: Path) -> None:
    """They may be padding, or missing parts of a download; the index tells which."""
    path, starts = three_records(tmp_path)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(bytes(4096))
    with pytest.raises(ArchiveError, match=rf"record 4, byte {size}: only zeros.*-s {size} "):
        open_source(path)
    write_index(path, starts)
    source = open_source(path)
    assert len(source.names) == 3
    assert source.ignored == {f"byte {size}": "zeros behind the last record"}
    write_index(path, [*starts, size])
    with pytest.raises(ArchiveError, match=r"train\.rec is damaged at its record 4"):
        open_source(path)


def test_folder_reads_pictures_in_sub_folders(tmp_path: Path) -> None:
    """Every ignored entry has a reason."""
    for name in ("b/2.JPG", "a/1.png", "a/deep/3.webp", "a/5.psd", "4.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "c").mkdir()
    source = open_source(tmp_path)
    assert source.names == ["a/1.png", "a/deep/3.webp", "b/2.JPG"]
    assert source.read("b/2.JPG") == b"b/2.JPG"
    assert source.ignored == {
        "4.png": "not in a sub-folder",
        "a/5.psd": "not a supported picture suffix",
        "c/": "an empty folder",
        "notes.txt": "not a supported picture suffix",
    }


def test_zip_ignores_what_a_folder_ignores(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("set/", "set/a/1.png", "set/c/", "set/b/2.psd"):
            archive.writestr(name, b"")
    source = open_source(path)
    assert source.names == ["set/a/1.png"]
    assert list(source.ignored) == ["set/b/2.psd", "set/c/"]


def test_damaged_zip_member_raises_an_image_error(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/1.png", b"content")
    path.write_bytes(path.read_bytes().replace(b"content", b"Content"))
    with pytest.raises(ImageError, match="is damaged or encrypted"):
        read_picture(open_source(path), "a/1.png")


def test_missing_file_raises_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="There is no file"):
        read_picture(FolderSource(tmp_path), "a/1.png")


def test_file_of_unknown_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(ArchiveError, match="not a folder, a zip or a RecordIO"):
        open_source(path)


def test_hidden_and_system_files_in_a_zip_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("Ada/1.png", "__MACOSX/Ada/._1.png", "Ada/.2.png", "@eaDir/Ada/1.png"):
            archive.writestr(name, b"")
    source = open_source(path)
    assert source.names == ["Ada/1.png"]
    assert len(source.ignored) == 3


def test_loose_option_includes_pictures_outside_sub_folders(tmp_path: Path) -> None:
    for name in ("b.png", "a/1.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    source = open_source(tmp_path, loose=True)
    assert source.names == ["a/1.png", "b.png"]
    assert list(source.ignored) == ["notes.txt"]


def test_too_large_zip_member_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/1.png", bytes(101))
        archive.writestr("a/2.png", bytes(100))
    monkeypatch.setattr(containers, "MAX_BYTES", 100)
    source = open_source(path)
    assert source.read("a/2.png") == bytes(100)
    with pytest.raises(ImageTooLargeError):
        source.read("a/1.png")


def test_find_pictures_in_files_folders_zips_and_patterns(tmp_path: Path) -> None:
    for name in ("one.png", "odd.name", "folder/deep/2.png", "pattern/3.jpg", "pattern/4.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    with zipfile.ZipFile(tmp_path / "zip.zip", "w") as archive:
        archive.writestr("5.png", b"five")
    found = find_pictures(
        [
            tmp_path / "one.png",
            tmp_path / "odd.name",
            str(tmp_path / "folder"),
            tmp_path / "zip.zip",
            tmp_path / "pattern" / "*.jpg",
        ]
    )
    assert [p.path for p in found] == [
        str(tmp_path / name)
        for name in ("one.png", "odd.name", "folder/deep/2.png", "zip.zip/5.png", "pattern/3.jpg")
    ]
    assert [p.read() for p in found][2:4] == [b"folder/deep/2.png", b"five"]


def test_file_named_like_a_pattern_is_found(tmp_path: Path) -> None:
    (tmp_path / "[1].png").write_bytes(b"x")
    assert [p.read() for p in find_pictures([tmp_path / "[1].png"])] == [b"x"]
    with pytest.raises(ArchiveError, match="Nothing matches"):
        find_pictures([tmp_path / "[2].png"])


def test_first_of_two_zip_members_with_one_name_is_read(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/1.png", b"first")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a/1.png", b"second")
    source = open_source(path)
    assert source.names == ["a/1.png"]
    assert source.read("a/1.png") == b"first"
    assert source.ignored == {"a/1.png": containers.SAME_NAME}


def test_deeply_nested_zip_member_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    name = "x/" * 32_000 + "1.png"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"content")
    tracemalloc.start()
    source = open_source(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.names == [name]
    assert peak < 20 * 2**20  # the paths of all its folders together would be 1 GB


def test_find_pictures_in_a_folder_skips_other_entries(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.webp", "sub/c.png", "notes.txt", ".hidden.jpg", ".git/d.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "broken.png").symlink_to(tmp_path / "nothing")
    found = [picture.name for picture in find_pictures([tmp_path])]
    assert found == ["a.webp", "b.JPG", "sub/c.png"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (record(0, [float("nan")], b"x"), "the label nan instead of a whole number"),
        (record(0, [float("inf")], b"x"), "the label inf"),
        (record(0, [0.5], b"x"), "the label 0.5"),
        (b"\5\0\0\0" + bytes(20), "no label"),
    ],
    ids=["NaN", "infinity", "half", "labels that are not there"],
)
def test_record_with_invalid_label_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    first = part(record(0, [0.0], b"x"))
    (tmp_path / "train.REC").write_bytes(first + part(content))
    where = rf"train\.REC is damaged at its record 2, byte {len(first)}: {message}"
    with pytest.raises(ArchiveError, match=where):
        open_source(tmp_path / "train.REC")


def test_missing_record_io_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be read: No such file"):
        find_pictures([tmp_path / "nothing.rec"])


def test_record_io_changed_after_opening_raises_an_image_error(rec: Path) -> None:
    source = open_source(rec)
    rec.write_bytes(b"x" * 10)
    with pytest.raises(ImageError, match="The record cannot be read"):
        source.read(source.names[0])
