"""Sources of encoded pictures: one file, a folder, a zip, a remote folder."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from facehub.errors import ArchiveError, ImageDecodeError, ImageError, ImageTooLargeError
from facehub.io.formats import SUFFIXES, skip_reason
from facehub.io.images import MAX_BYTES, read_file
from facehub.io.remote import RemotePlace
from facehub.io.walking import is_hidden, walk

UNSUPPORTED_SUFFIXES = frozenset(  # photo formats that facehub does not read
    {".jp2", ".jxl", ".psd", ".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"}
)

# Reasons for skipping a file.
EMPTY_FOLDER = "an empty folder"
HIDDEN = "a hidden or system file"
LOOSE = "not in a sub-folder"
NO_PICTURE = skip_reason("")
SAME_NAME = "another file in the zip has the same name"


class FileSource:
    """One file."""

    def __init__(self, path: Path | RemotePlace) -> None:
        self.path, self.names = path, [path.name]
        self.ignored: dict[str, str] = {}

    def read(self, name: str) -> bytes:
        """Read the encoded picture."""
        return self.path.read() if isinstance(self.path, RemotePlace) else read_file(self.path)


class FolderSource:
    """A folder and its sub-folders.

    Args:
        root: the folder.
        loose: see `open_source`.

    Raises:
        ArchiveError: the folder cannot be read.
    """

    def __init__(self, root: Path, *, loose: bool = False) -> None:
        self.root = root
        entries, left_out = walk(root)
        self.names, self.ignored = _sort_out(entries, loose)
        self.ignored |= left_out

    def read(self, name: str) -> bytes:
        """Read one encoded picture."""
        return read_file(self.root / name)


class RemoteSource:
    """A remote folder and its sub-folders.

    Args:
        place: the folder.
        loose: see `open_source`.

    Raises:
        ArchiveError: the folder cannot be read.
    """

    def __init__(self, place: RemotePlace, *, loose: bool = False) -> None:
        self.place = place
        sizes = place.entries()
        self.names, self.ignored = _sort_out(sizes, loose)
        self._sizes = {name: sizes[name] for name in self.names}

    def read(self, name: str) -> bytes:
        """Read one encoded picture."""
        return self.place.read(name, self._sizes[name])


class ZipSource:
    """A zip, read in memory. Member names are never used as file system paths.

    Args:
        path: the file.
        loose: see `open_source`.

    Raises:
        ArchiveError: the zip cannot be read.
    """

    def __init__(self, path: Path | RemotePlace, *, loose: bool = False) -> None:
        self.path, self._loose = path, loose
        file = path.open() if isinstance(path, RemotePlace) else path
        try:
            self.archive = zipfile.ZipFile(file)
        except Exception as error:  # on a damaged zip, zipfile raises almost anything
            reason = getattr(error, "strerror", None) or error
            raise ArchiveError(f"This zip cannot be read: {reason}.") from error
        self._members: dict[str, zipfile.ZipInfo] = {}
        repeated = {}
        for member in self.archive.infolist():
            name = member.filename.replace("\\", "/")  # old .NET on Windows writes backslashes
            if self._members.setdefault(name, member) is not member:
                repeated[name] = SAME_NAME
        self.names, self.ignored = _sort_out(self._members, loose)
        self.ignored |= repeated

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen_zip, (self.path, self._loose)

    def read(self, name: str) -> bytes:
        """Read one encoded picture, at most one byte more than `MAX_BYTES`.

        Raises:
            ImageTooLargeError: the member declares more than `MAX_BYTES`.
            ImageDecodeError: the member is damaged or encrypted.
        """
        try:
            if self._members[name].file_size > MAX_BYTES:
                raise ImageTooLargeError("This member of the zip is too large.")
            with self.archive.open(self._members[name]) as member:
                return member.read(MAX_BYTES + 1)  # a member may be larger than it declares
        except ImageError:
            raise
        except Exception as error:  # the decompressors raise almost anything
            raise ImageDecodeError("This member of the zip is damaged or encrypted.") from error


def _reopen_zip(path: Path | RemotePlace, loose: bool) -> ZipSource:
    return ZipSource(path, loose=loose)


def worth_reporting(entry: str, reason: str) -> bool:
    """Whether a user should hear about a skipped entry.

    False for hidden files, empty folders and files that are not photos, such as `notes.txt`.

    Args:
        entry, reason: an item of `Source.ignored`.
    """
    if reason == NO_PICTURE:
        return PurePosixPath(entry).suffix.lower() in UNSUPPORTED_SUFFIXES
    return reason not in (HIDDEN, EMPTY_FOLDER)


def _sort_out(entries: Iterable[str], loose: bool) -> tuple[list[str], dict[str, str]]:
    """Split entries (folders end with "/") into `names` and `ignored` of a `Source`."""
    entries = sorted(set(entries))
    names, ignored = [], {}
    for entry, following in itertools.zip_longest(entries, entries[1:], fillvalue=""):
        parts = PurePosixPath(entry).parts
        is_picture = PurePosixPath(entry).suffix.lower() in SUFFIXES
        hidden = any(map(is_hidden, parts))
        if entry.endswith("/"):
            if not following.startswith(entry):  # a folder's contents sort right after it
                ignored[entry] = EMPTY_FOLDER
        elif hidden:
            ignored[entry] = HIDDEN
        elif is_picture and (loose or "/" in entry):
            names.append(entry)
        elif is_picture:
            ignored[entry] = LOOSE
        else:
            ignored[entry] = skip_reason(PurePosixPath(entry).suffix.lower())
    return names, ignored
