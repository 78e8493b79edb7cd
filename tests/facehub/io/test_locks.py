"""Locks on folders: one holder at a time, and none after that process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from facehub.io import locks
from facehub.io.locks import hold_folder, remove_unheld, try_lock

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no flock")

HOLDER = """
import sys
from facehub.io.locks import hold_folder

assert hold_folder(sys.argv[1]) is not None
print("held", flush=True)
sys.stdin.read()
"""


def test_folder_stays_locked_until_its_process_ends(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "face.bin").touch()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(BlockingIOError):
        hold_folder(folder)
    remove_unheld(folder)
    assert (folder / "face.bin").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    remove_unheld(folder)
    assert not folder.exists()


def test_hold_of_a_missing_folder_raises_file_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError):
        hold_folder(tmp_path / "nothing")
    remove_unheld(tmp_path / "nothing")
    folder = tmp_path / "folder"
    folder.mkdir()

    def late(handle: int, **options: bool) -> bool:
        folder.rmdir()  # the process that held the lock removes it
        return try_lock(handle, **options)

    monkeypatch.setattr(locks, "try_lock", late)
    with pytest.raises(FileNotFoundError, match="has been removed"):
        hold_folder(folder)


def test_file_system_without_locks_keeps_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is not locked and not removed."""

    def refuse(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    assert hold_folder(tmp_path) is None
    remove_unheld(tmp_path)
    assert tmp_path.exists()
