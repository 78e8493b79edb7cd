"""Walking folders, and the symbolic links in them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from facehub.errors import ArchiveError
from facehub.io.containers import HIDDEN, LOOSE, NO_PICTURE, FolderSource, worth_reporting
from facehub.io.walking import LINK_AGAIN, LINK_NOWHERE, LINK_UP, NO_FILE, is_hidden, walk

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_linked_folder_is_read(tmp_path: Path) -> None:
    make(tmp_path / "elsewhere", "1.jpg", "deep/2.jpg")
    make(tmp_path / "people", "Bob/1.jpg").joinpath("Ada").symlink_to(tmp_path / "elsewhere")
    source = FolderSource(tmp_path / "people")
    assert source.names == ["Ada/1.jpg", "Ada/deep/2.jpg", "Bob/1.jpg"]
    assert source.read("Ada/deep/2.jpg") == b"deep/2.jpg"
    assert source.ignored == {}


def test_looping_links_are_ignored_with_a_reason(tmp_path: Path) -> None:
    root = make(tmp_path / "people", "Ada/1.jpg", "Bob/1.jpg")
    (root / "Ada" / "self").symlink_to(root / "Ada")
    (root / "Bob" / "up").symlink_to(root)
    (root / "Bob" / "higher").symlink_to(tmp_path)
    (root / "one").symlink_to(root / "two")
    (root / "two").symlink_to(root / "one")
    source = FolderSource(root)
    assert source.names == ["Ada/1.jpg", "Bob/1.jpg"]
    assert source.ignored == {
        "Ada/self/": LINK_AGAIN,
        "Bob/up/": LINK_AGAIN,
        "Bob/higher/": LINK_UP,
        "one": LINK_NOWHERE,
        "two": LINK_NOWHERE,
    }
    assert all(worth_reporting(*found) for found in source.ignored.items())


def test_folders_with_many_links_are_read_once_each(tmp_path: Path) -> None:
    """Each of 30 folders has two links to the next: 2 ** 30 paths lead to 30 folders."""
    for number in range(30):
        make(tmp_path / "all", f"{number}/1.jpg")
        for link in "ab":
            (tmp_path / "all" / str(number) / link).symlink_to(tmp_path / "all" / str(number + 1))
    make(tmp_path / "root", "x.txt").joinpath("0").symlink_to(tmp_path / "all" / "0")
    assert len(FolderSource(tmp_path / "root").names) == 30


def test_folder_is_read_before_links_to_it_and_before_hidden_folders(tmp_path: Path) -> None:
    root = make(tmp_path / "people", "Zoe/1.jpg", ".store/1/x.jpg", ".store/2/y.jpg")
    (root / "Ada").symlink_to(root / "Zoe")
    (root / "Bob").symlink_to(root / ".store" / "1")
    source = FolderSource(root)
    assert source.names == ["Bob/x.jpg", "Zoe/1.jpg"]
    assert source.ignored == {"Ada/": LINK_AGAIN, ".store/2/y.jpg": HIDDEN}


def test_pipe_and_dangling_link_are_ignored_with_a_reason(tmp_path: Path) -> None:
    os.mkfifo(make(tmp_path, "a/1.jpg") / "a" / "pipe.jpg")
    (tmp_path / "a" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    source = FolderSource(tmp_path)
    assert source.ignored == {"a/pipe.jpg": NO_FILE, "a/gone.jpg": LINK_NOWHERE}


def test_unreadable_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/1.jpg", "b/1.jpg")
    real = os.scandir

    def refused(path: Any) -> Any:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert walk(tmp_path) == (["a/", "a/1.jpg"], {"b/": "cannot be read: Permission denied"})
    with pytest.raises(ArchiveError, match="b cannot be read: Permission denied"):
        FolderSource(tmp_path / "b")


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        (".git", True),
        ("._1.jpg", True),
        ("__MACOSX", True),
        ("@eaDir", True),
        ("Thumbs.db", True),
        ("__Ada", False),
        ("Ada", False),
    ],
)
def test_hidden_names(name: str, hidden: bool) -> None:
    assert is_hidden(name) is hidden


@pytest.mark.parametrize(
    ("entry", "reason", "missed"),
    [
        ("Ada/1.CR2", NO_PICTURE, True),
        ("Ada/notes.txt", NO_PICTURE, False),
        ("1.jpg", LOOSE, True),
        (".git/1.jpg", HIDDEN, False),
    ],
)
def test_worth_reporting(entry: str, reason: str, missed: bool) -> None:
    assert worth_reporting(entry, reason) is missed
