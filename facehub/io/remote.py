"""Folders and files at addresses: s3://bucket/people, hf://datasets/owner/name, through fsspec.

fsspec comes with huggingface-hub and knows `hf://`, `memory://` and `file://` by itself. Others
need a package: `s3://` s3fs, `gs://` gcsfs, `http://` and `https://` aiohttp.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Self, cast

from facehub.errors import ArchiveError, ImageDecodeError
from facehub.io.images import MAX_BYTES

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # of two letters at least: not C:
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp"}


def is_address(path: str | os.PathLike[str]) -> bool:
    """Whether this is an address rather than a path of this machine."""
    return _ADDRESS.match(os.fspath(path)) is not None


@dataclass(frozen=True)
class RemotePlace:
    """A file or folder at an address. Can be sent to another process, which connects anew.

    Attributes:
        address: for people to read, as it was given.
        system: the file system of fsspec.
        path: where in it.
    """

    address: str
    system: Any
    path: str

    @classmethod
    def at(cls, address: str | os.PathLike[str]) -> Self:
        """Connect to an address.

        Raises:
            ArchiveError: nothing here knows such addresses, or a package is missing for it.
        """
        address = os.fspath(address)
        scheme = address.partition("://")[0].lower()
        from fsspec.core import url_to_fs  # 0.1 s: only who gives an address waits for it

        try:
            system, path = url_to_fs(address)
        except ImportError as error:
            package = _PACKAGES.get(scheme)
            need = f"needs a package: pip install {package}" if package else f"({error})"
            raise ArchiveError(f"{scheme}:// {need}.") from error
        except Exception as error:  # each file system has errors of its own
            raise ArchiveError(f"{address} cannot be opened: {_reason(error)}.") from error
        return cls(address, system, path)

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.path.rstrip("/").rpartition("/")[2]

    def matches(self) -> list[Self]:
        """The place itself, or what a pattern ("s3://bucket/*.jpg") stands for, sorted.

        Raises:
            ArchiveError: nothing matches.
        """
        if not any(c in self.path for c in "*["):  # a "?" begins the query of an http address
            return [self]
        try:
            found = sorted(self.system.glob(self.path))
        except Exception as error:
            raise self._unreadable(error) from error
        found = [path for path in found if "/." not in path]  # hidden, as for other patterns
        if not found:
            raise ArchiveError(f"Nothing matches {self.address}.")
        return [
            replace(self, address=self.system.unstrip_protocol(path), path=path) for path in found
        ]

    def is_folder(self) -> bool:
        """Whether it is a folder.

        Raises:
            ArchiveError: there is nothing, or it cannot be read.
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
        """The size in bytes, where it is known, of every file below a folder, by relative name.

        Raises:
            ArchiveError: it cannot be read.
        """
        root = self.path.rstrip("/") + "/"
        try:
            found = self.system.find(self.path, detail=True)
        except Exception as error:
            raise self._unreadable(error) from error
        return {
            path.removeprefix(root): info.get("size")
            for path, info in found.items()
            if path.startswith(root) and not path.endswith("/")  # an object that marks a folder
        }

    def read(self, name: str = "", size: int | None = None) -> bytes:
        """A file, at most one byte more than `MAX_BYTES`.

        Args:
            name: relative to this folder; "" for this file.
            size: in bytes, if it is known; that saves a request.

        Raises:
            ImageDecodeError: it cannot be read.
        """
        path = f"{self.path.rstrip('/')}/{name}" if name else self.path
        if size == 0:  # S3 refuses to send a range of nothing
            return b""
        try:
            if size is not None and size <= MAX_BYTES:
                return cast(bytes, self.system.cat_file(path))[: MAX_BYTES + 1]
            with self.system.open(path, "rb") as file:
                return cast(bytes, file.read(MAX_BYTES + 1))
        except Exception as error:
            raise ImageDecodeError(f"The file cannot be read: {_reason(error)}.") from error

    def open(self) -> BinaryIO:
        """The file, to seek in; blocks of it are fetched as they are read.

        Raises:
            ArchiveError: it cannot be opened.
        """
        try:
            return cast(BinaryIO, self.system.open(self.path, "rb"))
        except Exception as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> ArchiveError:
        return ArchiveError(f"{self.address} cannot be read: {_reason(error)}.")


def _reason(error: Exception) -> str:
    """The first line of an error; none of fsspec's file systems share a base class."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    text = str(getattr(error, "strerror", None) or error).strip().splitlines()
    return text[0][:300].rstrip(".") if text else type(error).__name__
