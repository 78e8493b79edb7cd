"""Write a file so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, Self


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

    Without `commit`, or after an error, what was there stays as it was.

    Args:
        path: the file, or a link to it; its folder must exist.
        private: readable and writable by the owner only (embeddings are biometric data).

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
        handle, self._temporary = tempfile.mkstemp(
            prefix=f".{self._target.name}.", dir=self._target.parent
        )
        self.file: BinaryIO = os.fdopen(handle, "wb")

    def commit(self) -> None:
        """Put the file in place."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        if not self._private:  # mkstemp makes it private
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(self._temporary, 0o666 & ~umask)
        os.replace(self._temporary, self._target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.file.close()
        finally:
            Path(self._temporary).unlink(missing_ok=True)
