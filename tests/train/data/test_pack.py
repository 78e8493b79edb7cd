"""Packing a folder or zip of aligned faces."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facehub.errors import ArchiveError
from train.data import pack as module
from train.data.pack import open_pack, pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "faces"
    for identity, grey in (("b", 20), ("a", 10)):
        (root / identity).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (96, 112), (grey + i,) * 3).save(root / identity / f"{i}.png")
    (root / "c").mkdir()
    (root / "c" / "0.jpg").write_text("no picture")
    Image.new("RGB", (50, 50)).save(root / "c" / "1.png")
    (root / "a" / "notes.txt").write_text("not a face")
    return root


@pytest.mark.parametrize("zipped", [False, True])
def test_pack_counts_and_lists_what_it_packs_and_leaves_out(
    folder: Path, tmp_path: Path, zipped: bool
) -> None:
    source = folder
    if zipped:
        source = tmp_path / "faces.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for path in folder.rglob("*.*"):
                archive.write(path, path.relative_to(folder))
    counts = pack(source, tmp_path / "pack")
    assert counts == {
        "pictures": 4,
        "identities": 2,
        "unreadable": 1,
        "wrong_size": 1,
        "ignored": 1,
        "empty": 1,
        "single": 0,
    }
    faces = open_pack(tmp_path / "pack")
    assert faces.names.tolist() == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]
    assert faces.labels.tolist() == [0, 0, 1, 1]
    assert faces.crops[:, 0, 0, 0].tolist() == [10, 11, 20, 21]
    assert faces.crops.shape == (4, 112, 96, 3)
    assert isinstance(faces.crops, np.memmap)
    left_out = json.loads((tmp_path / "pack" / "index.json").read_text())["left_out"]
    assert left_out.keys() == {"a/notes.txt", "c/", "c/0.jpg", "c/1.png"}
    assert "50 x 50 pixels" in left_out["c/1.png"]
    assert left_out["c/"] == "no picture left"


def test_centre_crop_packs_the_middle_of_wider_crops(tmp_path: Path) -> None:
    """The eyes of ArcFace's template move from x = 38.3 and 73.5 to 30.3 and 65.5."""
    picture = np.zeros((112, 112, 3), np.uint8)
    picture[:, :, 0] = np.arange(112)
    (tmp_path / "faces" / "a").mkdir(parents=True)
    Image.fromarray(picture).save(tmp_path / "faces" / "a" / "0.png")
    with pytest.raises(ValueError, match="112 x 112 pixels"):
        pack(tmp_path / "faces", tmp_path / "pack")
    counts = pack(tmp_path / "faces", tmp_path / "pack", centre_crop=True)
    assert (counts["pictures"], counts["single"]) == (1, 1)
    assert open_pack(tmp_path / "pack").crops[0, 50, :, 0].tolist() == list(range(8, 104))


def test_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no supported picture in a sub-folder"):
        pack(tmp_path, tmp_path / "pack")


def test_folder_without_usable_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "faces" / "c").mkdir(parents=True)
    Image.new("RGB", (50, 50)).save(tmp_path / "faces" / "c" / "1.png")
    with pytest.raises(ValueError, match=r"no picture to pack \(c/1.png: 50 x 50 pixels"):
        pack(tmp_path / "faces", tmp_path / "pack")
    assert not any((tmp_path / "pack").iterdir())


def test_interrupted_pack_cannot_be_opened_with_the_old_names(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(folder, tmp_path / "pack")
    (folder / "a" / "0.png").unlink()

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        pack(folder, tmp_path / "pack")
    with pytest.raises(ValueError, match="not a packed data set"):
        open_pack(tmp_path / "pack")


def test_folder_that_is_no_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a packed data set"):
        open_pack(tmp_path)
