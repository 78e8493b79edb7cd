"""Remote files and folders through fsspec: s3://bucket/people, hf://datasets/owner/name.

fsspec comes with huggingface-hub and supports `hf://`, `memory://` and `file://` alone. Others need
a package: s3fs for `s3://`, gcsfs for `gs://`, aiohttp for `http://` and `https://`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Self, cast

from facehub.errors import ArchiveError, ImageDecodeError
from facehub.io.images import MAX_BYTES

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # at least two letters, unlike "C:"
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp"}


def is_address(path: str | os.PathLike[str]) -> bool:
    """Whether this is a URL (`scheme://...`) rather than a local path."""
    return _ADDRESS.match(os.fspath(path)) is not None


@dataclass(frozen=True)
class RemotePlace:
    """A remote file or folder. It can be pickled; another process connects anew.

    Attributes:
        address: the URL as it was given, for messages.
        system: fsspec's file system.
        path: the path inside it.
    """

    address: str
    system: Any
    path: str

    @classmethod
    def at(cls, address: str | os.PathLike[str]) -> Self:
        """Connect to an address.

        Raises:
            ArchiveError: the scheme is unknown, or its package is not installed.
        """
        address = os.fspath(address)
        scheme = address.partition("://")[0].lower()
        from fsspec.core import url_to_fs  # takes 0.1 s: imported only when needed

        try:
            system, path = url_to_fs(address)
        except ImportError as error:
            package = _PACKAGES.get(scheme)
            need = f"needs a package: pip install {package}" if package else f"({error})"
            raise ArchiveError(f"{scheme}:// {need}.") from error
        except Exception as error:  # each file system raises different errors
            raise ArchiveError(f"{address} cannot be opened: {_reason(error)}.") from error
        return cls(address, system, path)

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.path.rstrip("/").rpartition("/")[2]

    def matches(self) -> list[Self]:
        """Expand a pattern ("s3://bucket/*.jpg"), sorted; without one, the place itself.

        Raises:
            ArchiveError: nothing matches.
        """
        if not any(c in self.path for c in "*["):  # "?" starts an HTTP query
            return [self]
        try:
            found = sorted(self.system.glob(self.path))
        except Exception as error:
            raise self._unreadable(error) from error
        found = [path for path in found if "/." not in path]  # skip hidden ones, as local globs do
        if not found:
            raise ArchiveError(f"Nothing matches {self.address}.")
        return [
            replace(self, address=self.system.unstrip_protocol(path), path=path) for path in found
        ]

    def is_folder(self) -> bool:
        """Whether it is a folder.

        Raises:
            ArchiveError: the address does not exist, or cannot be read.
        """
        try:
            if self.system.isdir(self.path):
                return True
            if self.system.exists(self.path):
                return False
        except Exception as error:
            raise self._unreadable(error) from error
        raise ArchiveError(f"There is nothing at {self.address}.")

    def entries(self) -> dict[str, int | None]:
        """List every file below a folder: {relative name: size in bytes, or None if unknown}.

        Raises:
            ArchiveError: the folder cannot be read.
        """
        root = self.path.rstrip("/") + "/"
        try:
            found = self.system.find(self.path, detail=True)
        except Exception as error:
            raise self._unreadable(error) from error
        return {
            path.removeprefix(root): info.get("size")
            for path, info in found.items()
            if path.startswith(root) and not path.endswith("/")  # "x/" only marks a folder
        }

    def read(self, name: str = "", size: int | None = None) -> bytes:
        """Read a file, at most one byte more than `MAX_BYTES`.

        Args:
            name: relative to this folder; "" for this file itself.
            size: in bytes, if known; saves a request.

        Raises:
            ImageDecodeError: the file cannot be read.
        """
        path = f"{self.path.rstrip('/')}/{name}" if name else self.path
        if size == 0:  # S3 refuses an empty range
            return b""
        try:
            if size is not None and size <= MAX_BYTES:
                return cast(bytes, self.system.cat_file(path))[: MAX_BYTES + 1]
            with self.system.open(path, "rb") as file:
                return cast(bytes, file.read(MAX_BYTES + 1))
        except Exception as error:
            raise ImageDecodeError(f"The file cannot be read: {_reason(error)}.") from error

    def open(self) -> BinaryIO:
        """Open the file for random access; blocks are fetched as they are read.

        Raises:
            ArchiveError: the file cannot be opened.
        """
        try:
            return cast(BinaryIO, self.system.open(self.path, "rb"))
        except Exception as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> ArchiveError:
        return ArchiveError(f"{self.address} cannot be read: {_reason(error)}.")


def _reason(error: Exception) -> str:
    """The first line of an error; fsspec's file systems share no base class of errors."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    text = str(getattr(error, "strerror", None) or error).strip().splitlines()
    return text[0][:300].rstrip(".") if text else type(error).__name__
