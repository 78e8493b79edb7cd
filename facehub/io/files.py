"""Write a file so that a crash leaves the old one or the new one, never half of one."""

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
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)  # of file systems that keep folders in their own way


def write_atomically(path: str | os.PathLike[str], data: bytes, *, private: bool = False) -> None:
    """Write a whole file, see `AtomicFile`.

    Raises:
        OSError: it cannot be written, or something that is no file stands there (a device, say).
    """
    with AtomicFile(path, private=private) as atomic:
        atomic.file.write(data)
        atomic.commit()


class AtomicFile:
    """Written to a temporary file in the same folder; `commit` flushes it and puts it in place.

    Without `commit`, or after an error, what was there stays as it was. What is committed survives
    a power cut. The temporary file of a process that was killed goes with the next `AtomicFile` in
    its folder (not on Windows).

    Args:
        path: the file, or a link to it; its folder must exist. If it is there, its permissions and
            its group are kept.
        private: embeddings are biometric data: only the owner may read and write the file. A file
            that is there and shared with its group, and with nobody else, stays so.

    Attributes:
        file: what to write to.

    Raises:
        OSError: it cannot be written, or something that is no file stands there (a device, say).
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
        """Put the file in place."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self._set_permissions()
        if os.name == "nt":  # which moves no open file
            self.file.close()
        os.replace(self._temporary, self._target)  # still locked, so that nobody removes it
        self.file.close()
        _sync_folder(self._target.parent)

    def _set_permissions(self) -> None:
        """Of the file that is there; of a new one those that the umask leaves."""
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
            mode &= 0o707  # what was for one group is not for another
        os.chmod(self._temporary, mode)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.file.close()
        finally:
            Path(self._temporary).unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Remove the temporary files that processes left in a folder when they were killed."""
    with suppress(OSError), os.scandir(folder) as entries:  # it may not be readable
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.name.endswith(_SUFFIX):
                _remove_part(entry.path)


def _remove_part(path: str) -> None:
    with suppress(OSError):  # in use, gone by now, or another user's
        handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            if try_lock(handle):
                os.unlink(path)
        finally:
            os.close(handle)


def _new_part(folder: Path) -> tuple[int, str]:
    """A new private file, and its path; locked for as long as it is open."""
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
        os.close(handle)  # another process found it before it was locked, and removes it


def _set_group(path: str, group: int) -> bool:
    """Whether the file belongs to the group now."""
    if os.name == "nt" or os.stat(path).st_gid == group:
        return True
    try:
        os.chown(path, -1, group)
    except PermissionError:  # the user is no member
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Let a power cut not undo what happened to the names in a folder."""
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # it can be written, but not read
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)
