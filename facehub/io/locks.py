"""Locks on files and folders. The system releases them when the process ends, even if killed."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def try_lock(handle: int, *, wait: bool = False) -> bool:
    """Lock an open file or folder until its descriptor is closed.

    Args:
        handle: the file descriptor.
        wait: wait until another holder releases the lock, instead of raising.

    Returns:
        Whether it is locked. False: this system or file system has no such locks.

    Raises:
        BlockingIOError: another process holds the lock.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # some network file systems
        return False
    return True


def hold_folder(folder: str | os.PathLike[str], *, wait: bool = False) -> int | None:
    """Lock a folder until the returned descriptor is closed or this process ends.

    Args:
        folder: the folder.
        wait: wait until another holder releases the lock, instead of raising.

    Returns:
        A file descriptor, or None if the system has no such locks.

    Raises:
        BlockingIOError: another process holds the lock.
        FileNotFoundError: the folder does not exist, or was removed meanwhile.
    """
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        locked = try_lock(handle, wait=wait)
        if not is_at(handle, folder):  # its holder has removed it
            raise FileNotFoundError(f"{os.fspath(folder)} has been removed")
    except BaseException:
        os.close(handle)
        raise
    if locked:
        return handle
    os.close(handle)
    return None


def remove_unheld(folder: str | os.PathLike[str]) -> None:
    """Remove a folder and its contents unless a process holds it or another user owns it."""
    with suppress(OSError):
        held = hold_folder(folder)
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)


def is_at(handle: int, path: str | os.PathLike[str]) -> bool:
    """Whether a path still refers to the file or folder that the descriptor has open."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
