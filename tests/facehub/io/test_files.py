"""Atomic writes: the old file or the new one, never half of one, and no leftover file."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from facehub.io import files
from facehub.io.files import AtomicFile, remove_parts, write_atomically

POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX permissions, locks and signals")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_write_creates_and_replaces_a_file(tmp_path: Path) -> None:
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


def test_write_to_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="not a regular file"):
        write_atomically(folder, b"new")
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX special files")
def test_write_to_a_pipe_is_refused(tmp_path: Path) -> None:
    """A pipe or a device is not replaced."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        write_atomically(tmp_path / "pipe", b"new")
    assert (tmp_path / "pipe").is_fifo()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("exists", [True, False])
def test_write_follows_a_link(tmp_path: Path, exists: bool) -> None:
    real, link = tmp_path / "real.bin", tmp_path / "link.bin"
    if exists:
        real.write_bytes(b"old")
    link.symlink_to(real)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_write_to_a_missing_folder_raises_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nothing" / "file.bin", b"new")


@POSIX
@pytest.mark.parametrize(
    ("private", "umask", "expected"),
    [(True, 0o022, 0o600), (True, 0o000, 0o600), (False, 0o022, 0o644), (False, 0o077, 0o600)],
)
def test_permissions_of_a_new_file(
    tmp_path: Path, private: bool, umask: int, expected: int
) -> None:
    path = tmp_path / "file.bin"
    before = os.umask(umask)
    try:
        write_atomically(path, b"new", private=private)
        assert mode(path) == expected
        assert os.umask(umask) == umask  # left as it was
    finally:
        os.umask(before)


@POSIX
@pytest.mark.parametrize(
    ("private", "before", "after"),
    [
        (False, 0o664, 0o664),
        (False, 0o600, 0o600),
        (False, 0o444, 0o444),
        (True, 0o660, 0o660),  # shared with the group on purpose
        (True, 0o640, 0o640),
        (True, 0o644, 0o600),  # the default of most umasks
        (True, 0o666, 0o600),
        (True, 0o600, 0o600),
    ],
)
def test_replaced_file_keeps_its_permissions_unless_private(
    tmp_path: Path, private: bool, before: int, after: int
) -> None:
    path = tmp_path / "file.bin"
    path.touch()
    path.chmod(before)
    write_atomically(path, b"new", private=private)
    assert mode(path) == after


@POSIX
@pytest.mark.parametrize("private", [False, True])
def test_replaced_file_keeps_its_group(tmp_path: Path, private: bool) -> None:
    path = tmp_path / "file.bin"
    path.touch()
    groups = {*os.getgroups(), *([4242] if os.geteuid() == 0 else [])} - {path.stat().st_gid}
    if not groups:
        pytest.skip("this user has one group only")
    group = groups.pop()
    os.chown(path, -1, group)
    path.chmod(0o660)
    write_atomically(path, b"new", private=private)
    assert (path.stat().st_gid, mode(path)) == (group, 0o660)


@POSIX
def test_group_loses_its_rights_if_the_group_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.bin"
    path.touch()
    path.chmod(0o660)
    monkeypatch.setattr(files, "_set_group", lambda *_: False)  # this user is not in the group
    write_atomically(path, b"new", private=True)
    assert mode(path) == 0o600


@POSIX
def test_the_folder_is_flushed_after_the_file_is_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without that, a power cut could bring back the old file, or none."""
    path, steps = tmp_path / "file.bin", list[object]()
    fsync, replace = os.fsync, os.replace

    def flush(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        steps.append((kind, path.exists()))
        fsync(handle)

    def move(source: str, target: Path) -> None:
        steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", move)
    write_atomically(path, b"new")
    assert steps == [("file", False), "replace", ("folder", True)]


# Writes half of a file, reports that it is ready, and waits.
WRITER = """
import sys, time
from facehub.io.files import AtomicFile

with AtomicFile(sys.argv[1], private=True) as atomic:
    atomic.file.write(b"half")
    atomic.file.flush()
    print("ready", flush=True)
    sys.stdin.read()
    atomic.commit()
"""


def writer(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@POSIX
@pytest.mark.models
def test_temporary_file_of_a_killed_process_is_removed_by_the_next_write(tmp_path: Path) -> None:
    """The temporary file of a running process stays."""
    killed, living = writer(tmp_path / "killed.npz"), writer(tmp_path / "living.npz")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    parts = set(tmp_path.iterdir())
    assert len(parts) == 2
    assert {mode(part) for part in parts} == {0o600}
    write_atomically(tmp_path / "other.npz", b"new")
    assert len(set(tmp_path.iterdir()) & parts) == 1
    living.communicate("")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        "other.npz": b"new",
        "living.npz": b"half",
    }


@POSIX
def test_only_temporary_files_are_removed(tmp_path: Path) -> None:
    others = [tmp_path / name for name in (".facehub-x", "x.part", ".facehub", "facehub-x.part")]
    for path in (tmp_path / ".facehub-x.part", *others):
        path.touch()
    (tmp_path / ".facehub-folder.part").mkdir()
    (tmp_path / ".facehub-link.part").symlink_to(others[0])
    remove_parts(tmp_path)
    names = {".facehub-folder.part", ".facehub-link.part"}
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in others} | names
    remove_parts(tmp_path / "nothing")


@POSIX
def test_temporary_file_removed_before_its_lock_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, calls = files.try_lock, list[int]()

    def lock_late(handle: int) -> bool:
        calls.append(handle)
        if len(calls) == 1:
            monkeypatch.setattr(files, "try_lock", lock)
            remove_parts(tmp_path)
            monkeypatch.setattr(files, "try_lock", lock_late)
        return lock(handle)

    monkeypatch.setattr(files, "try_lock", lock_late)
    with AtomicFile(tmp_path / "file.bin") as atomic:
        atomic.file.write(b"new")
        atomic.commit()
    assert len(calls) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]
