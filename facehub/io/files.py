"""Atomic file writes: a crash leaves the old file or the new one, never half of one."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Self

from facehub.io.locks import is_at, try_lock

_PREFIX, _SUFFIX = ".facehub-", ".part"
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)  # file systems that cannot fsync a folder


def write_atomically(path: str | os.PathLike[str], data: bytes, *, private: bool = False) -> None:
    """Write a whole file through `AtomicFile`.

    Args:
        path: see `AtomicFile`.
        data: the file's new content.
        private: see `AtomicFile`.

    Raises:
        OSError: the file cannot be written, or the path is not a regular file (a device, say).
    """
    with AtomicFile(path, private=private) as atomic:
        atomic.file.write(data)
        atomic.commit()


class AtomicFile:
    """A temporary file in the same folder; `commit` flushes it and moves it into place.

    Without `commit`, or after an error, the existing file stays as it was. A committed file
    survives a power cut. If a process is killed, the next `AtomicFile` in the folder removes its
    temporary file (not on Windows).

    Args:
        path: the file, or a link to it; its folder must exist. An existing file keeps its
            permissions and its group.
        private: only the owner may read and write the file (embeddings are biometric data). An
            existing file that is shared with its group, and with nobody else, stays shared.

    Attributes:
        file: the open binary file to write to.

    Raises:
        OSError: the file cannot be written, or the path is not a regular file (a device, say).
    """

    def __init__(self, path: str | os.PathLike[str], *, private: bool = False) -> None:
        self._target = Path(os.path.realpath(path))
        self._private = private
        if os.path.exists(self._target) and not os.path.isfile(self._target):
            raise OSError(errno.EINVAL, "not a regular file")
        remove_parts(self._target.parent)
        handle, self._temporary = _new_part(self._target.parent)
        self.file: BinaryIO = os.fdopen(handle, "wb")

    def commit(self) -> None:
        """Flush the file and move it into place.

        Raises:
            OSError: the file cannot be written or moved.
        """
        self.file.flush()
        os.fsync(self.file.fileno())
        self._set_permissions()
        if os.name == "nt":  # Windows cannot move an open file
            self.file.close()
        os.replace(self._temporary, self._target)  # still locked: nobody else removes it
        self.file.close()
        _sync_folder(self._target.parent)

    def _set_permissions(self) -> None:
        """Keep the permissions of an existing file; apply the umask to a new one."""
        try:
            there = os.stat(self._target)
        except FileNotFoundError:
            if not self._private:  # mkstemp makes it private
                umask = os.umask(0)
                os.umask(umask)
                os.chmod(self._temporary, 0o666 & ~umask)
            return
        mode = stat.S_IMODE(there.st_mode) & 0o777
        if self._private and mode & 0o007:
            mode = 0o600
        if not _set_group(self._temporary, there.st_gid):
            mode &= 0o707  # another group must not inherit the old group's rights
        os.chmod(self._temporary, mode)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.file.close()
        finally:
            Path(self._temporary).unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder."""
    with suppress(OSError), os.scandir(folder) as entries:  # the folder may be unreadable
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.name.endswith(_SUFFIX):
                _remove_part(entry.path)


def _remove_part(path: str) -> None:
    with suppress(OSError):  # in use, already gone, or another user's
        handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            if try_lock(handle):
                os.unlink(path)
        finally:
            os.close(handle)


def _new_part(folder: Path) -> tuple[int, str]:
    """Create a private file, locked while it is open: (file descriptor, path)."""
    while True:
        handle, path = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX, dir=folder)
        try:
            with suppress(BlockingIOError):
                try_lock(handle)
                if is_at(handle, path):
                    return handle, path
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # another process took it for a leftover before it was locked


def _set_group(path: str, group: int) -> bool:
    """Try to give the file to a group; return whether it belongs to it now."""
    if os.name == "nt" or os.stat(path).st_gid == group:
        return True
    try:
        os.chown(path, -1, group)
    except PermissionError:  # the user is not a member
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Make a rename in a folder survive a power cut."""
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # writable, but not readable
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)
