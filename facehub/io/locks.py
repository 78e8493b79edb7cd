"""Locks on files and folders. They end with their process, however it ends."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def try_lock(handle: int, *, wait: bool = False) -> bool:
    """Lock what a file descriptor stands for, until it is closed.

    Args:
        handle: the file descriptor.
        wait: for whoever holds it.

    Returns:
        Whether it is locked. False: there are no such locks on this system, or in this folder.

    Raises:
        BlockingIOError: somebody else holds it.
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
    """Lock a folder until what is returned is closed, or this process ends.

    Args:
        folder: the folder.
        wait: for whoever holds it.

    Returns:
        A file descriptor, or None where there are no such locks.

    Raises:
        BlockingIOError: somebody else holds it.
        FileNotFoundError: it is not there, or no longer.
    """
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        locked = try_lock(handle, wait=wait)
        if not is_at(handle, folder):  # who held it has removed it
            raise FileNotFoundError(f"{os.fspath(folder)} has been removed")
    except BaseException:
        os.close(handle)
        raise
    if locked:
        return handle
    os.close(handle)
    return None


def remove_unheld(folder: str | os.PathLike[str]) -> None:
    """Remove a folder and all in it unless somebody holds it, or it is another user's."""
    with suppress(OSError):
        held = hold_folder(folder)
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)


def is_at(handle: int, path: str | os.PathLike[str]) -> bool:
    """Whether what a file descriptor stands for is still what lies at a path."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
