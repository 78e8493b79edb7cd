"""Folders, zips and .bin files with pairs."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest

from facehub.errors import ArchiveError
from facehub.io.sources import open_source
from train.evaluation.pairs import Pair
from train.evaluation.pairs_text import PairsError
from train.evaluation.sources import locate, open_pairs

LFW = "1\t1\nAnn\t1\t2\nAnn\t1\tBob\t1\n"
PICTURES = ("Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", "Bob/Bob_0001.jpg")


def make_folder(root: Path, names: tuple[str, ...] = PICTURES) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def make_zip(path: Path, *, above: str = "", pairs: str | None = LFW) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in PICTURES:
            archive.writestr(above + name, name)
        if pairs is not None:
            archive.writestr(f"{above}pairs.txt", pairs)
    return path


def check(path: Path, pairs_file: Path | None = None, *, above: str = "") -> None:
    found = open_pairs(path, pairs_file)
    first, second, third = (above + name for name in PICTURES)
    assert found.pairs == [Pair(first, second, True), Pair(first, third, False)]
    assert found.read(first) == PICTURES[0].encode()
    assert (found.dataset, found.aligned) == ("LFW", False)
    assert found.labels is not None
    assert found.labels.tolist() == [0, 0, 1]


def test_folder_is_opened_with_pairs_in_it_or_beside_it(tmp_path: Path) -> None:
    """Pairs are in the folder, beside it or elsewhere; pictures in it or in a sub-folder."""
    folder = make_folder(tmp_path / "lfw")
    (tmp_path / "pairs.txt").write_text(LFW)
    check(folder)
    (tmp_path / "pairs.txt").rename(folder / "pairs.txt")
    check(folder)
    check(tmp_path, folder / "pairs.txt", above="lfw/")
    check(tmp_path, above="lfw/")
    (tmp_path / "lfw" / "pairs.txt").write_bytes(LFW.encode("utf-16"))
    check(tmp_path, above="lfw/")


def test_outermost_pairs_file_is_used(tmp_path: Path) -> None:
    """The outermost file is used. Two on the same level are refused."""
    folder = make_folder(tmp_path / "lfw")
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "pairs.txt").write_text("1\t1\nNobody\t1\t2\nNobody\t1\tAnn\t1\n")
    with pytest.raises(PairsError, match=r"a/pairs\.txt and b/pairs\.txt: choose one"):
        open_pairs(folder)
    (folder / "pairs.txt").write_text(LFW)
    check(folder)


@pytest.mark.parametrize("above", ["", "lfw/", "data/lfw-deepfunneled/"])
def test_zip_with_pairs_is_opened(above: str, tmp_path: Path) -> None:
    check(make_zip(tmp_path / "x.zip", above=above), above=above)


def test_zip_is_opened_with_pairs_beside_it(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", pairs=None)
    with pytest.raises(ValueError, match=r"x\.zip lacks pairs\.txt"):
        open_pairs(path)
    (tmp_path / "pairs.txt").write_text(LFW)
    check(path)


def test_pictures_of_another_format_are_found(tmp_path: Path) -> None:
    """`align` writes WebP files."""
    names = tuple(name.replace(".jpg", ".webp") for name in PICTURES)
    folder = make_folder(tmp_path / "lfw", names)
    (folder / "pairs.txt").write_text(LFW)
    assert open_pairs(folder).names == list(names)


def test_pairs_file_of_the_simple_form_is_opened(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "set")
    (tmp_path / "calfw.csv").write_text(f"{PICTURES[0]},{PICTURES[1]},1\nAnn/Ann_0001,x,0\n")
    with pytest.raises(ValueError, match=r"set lacks x$"):
        open_pairs(folder, tmp_path / "calfw.csv")
    make_folder(folder, ("x.png",))
    found = open_pairs(folder, tmp_path / "calfw.csv")
    assert found.dataset == "calfw"
    assert found.pairs[1] == Pair("Ann/Ann_0001.jpg", "x.png", False)
    assert open_pairs(folder, tmp_path / "calfw.csv", "my set").dataset == "my set"


def test_bin_set_is_opened_with_its_own_pairs(tmp_path: Path) -> None:
    path = tmp_path / "agedb_30.bin"
    path.write_bytes(pickle.dumps(([b"a", b"b", b"a", b"c"], [True, False])))
    found = open_pairs(path)
    assert (found.dataset, found.aligned, len(found.pairs)) == ("agedb_30", True, 2)
    assert open_pairs(path, dataset="AgeDB").dataset == "AgeDB"
    with pytest.raises(ValueError, match="has its own pairs"):
        open_pairs(path, tmp_path / "pairs.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\xff\xfe\x00", "not a text file"),
        (b"Ann\t1\t2\n", "needs pairs of one person and pairs of two people"),
        (b"1\t1\nAnn\t1\t2\nAnn\t1\tCid\t1\n", r"lfw lacks Cid/Cid_0001\.jpg$"),
        (b"1\t1\nZoe\t1\t2\nAnn\t1\tCid\t1\n", r"lacks Zoe/Zoe_0001.jpg and 2 other pictures"),
        (b"1\t1\nAnn\tx\t2\n", r"line 2: not a pair"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_pairs_are_refused(text: bytes, message: str, zipped: bool, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "lfw")
    (folder / "pairs.txt").write_bytes(text)
    path = folder
    if zipped:
        path = tmp_path / "lfw"
        files = [(f.relative_to(tmp_path), f.read_bytes()) for f in folder.rglob("*.*")]
        path = tmp_path / "zip" / "lfw"
        path.parent.mkdir()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files:
                archive.writestr(str(name), content)
    with pytest.raises(ValueError, match=message) as refused:
        open_pairs(path)
    assert "lfw" in str(refused.value)


def test_missing_set_is_refused(tmp_path: Path) -> None:
    for name in ("none", "none.bin"):
        with pytest.raises(ArchiveError):
            open_pairs(tmp_path / name)


def test_picture_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "lfw")
    make_folder(tmp_path, ("secret.jpg",))
    with pytest.raises(ValueError, match=r"lacks \.\./secret\.jpg"):
        locate(open_source(folder), ["Ann/Ann_0001.jpg", "../secret.jpg"], "lfw")
