"""Atomic writes: the old file or the new one, never half of one, and nothing left beside it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from facehub.io.files import write_atomically


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_write_and_replace(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    for content in (b"old", b"", bytes(range(256)) * 1000):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_target_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="not a regular file"):
        write_atomically(folder, b"new")
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX special files")
def test_target_is_no_file(tmp_path: Path) -> None:
    """A device, say: it is not replaced."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        write_atomically(tmp_path / "pipe", b"new")
    assert (tmp_path / "pipe").is_fifo()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("exists", [True, False])
def test_link_is_followed(tmp_path: Path, exists: bool) -> None:
    real, link = tmp_path / "real.bin", tmp_path / "link.bin"
    if exists:
        real.write_bytes(b"old")
    link.symlink_to(real)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nothing" / "file.bin", b"new")


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
@pytest.mark.parametrize(
    ("private", "umask", "expected"),
    [(True, 0o022, 0o600), (True, 0o000, 0o600), (False, 0o022, 0o644), (False, 0o077, 0o600)],
)
def test_permissions(tmp_path: Path, private: bool, umask: int, expected: int) -> None:
    path = tmp_path / "file.bin"
    path.touch(0o666)
    before = os.umask(umask)
    try:
        write_atomically(path, b"new", private=private)
        assert mode(path) == expected
        assert os.umask(umask) == umask  # left as it was
    finally:
        os.umask(before)
