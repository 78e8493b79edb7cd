"""Pictures as people have them: files, folders, zips, InsightFace's RecordIO; one at a time."""

from __future__ import annotations

import glob
import itertools
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np

from facehub.errors import ArchiveError, ImageDecodeError, ImageError, ImageTooLargeError
from facehub.io.images import MAX_BYTES, SUFFIXES, load_image, read_file
from facehub.io.recordio import RecordSource

SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir"})

# Why a file was left out.
EMPTY_FOLDER = "an empty folder"
HIDDEN = "hidden, or of a system's own folder"
LOOSE = "not in a sub-folder"
NO_PICTURE = "not the name of a JPEG, PNG or WebP picture"
SAME_NAME = "not read, as another file in the zip has the same name"


class Source(Protocol):
    """Pictures, by name.

    Attributes:
        names: "IDENTITY/IMAGE" of every picture, sorted; "IMAGE" for one outside a sub-folder.
        ignored: why, for each file and empty folder that was left out.
    """

    names: list[str]
    ignored: dict[str, str]

    def read(self, name: str) -> bytes:
        """The encoded picture.

        Raises:
            ImageError: it cannot be read.
        """


def open_source(path: str | os.PathLike[str], *, loose: bool = False) -> Source:
    """Open a folder, a zip, or a folder or file of RecordIO.

    Args:
        path: folder, `.zip`, `train.rec`, or a folder that holds `train.rec`.
        loose: whether pictures outside a sub-folder count, too. Data sets have one sub-folder per
            identity.

    Raises:
        ArchiveError: it is none of these, is damaged, or holds no picture.
    """
    path = Path(path)
    source: Source
    if path.suffix.lower() == ".rec" or os.path.isfile(path / "train.rec"):
        source = RecordSource(path if path.suffix.lower() == ".rec" else path / "train.rec")
    elif os.path.isdir(path):  # unlike `Path.is_dir`, never raises
        source = FolderSource(path, loose=loose)
    elif os.path.isfile(path) and zipfile.is_zipfile(path):
        source = ZipSource(path, loose=loose)
    else:
        raise ArchiveError(f"{path} is not a folder, a zip or a RecordIO data set.")
    if not source.names:
        where = "" if loose else " in a sub-folder"
        raise ArchiveError(f"{path} holds no JPEG, PNG or WebP picture{where}.")
    return source


@dataclass(frozen=True)
class Picture:
    """One picture of a source.

    Attributes:
        source: where it lies.
        name: its name there.
        path: for people to read: "people.zip/Ada/1.jpg".
    """

    source: Source
    name: str
    path: str

    def read(self) -> bytes:
        """The encoded picture.

        Raises:
            ImageError: it cannot be read.
        """
        return self.source.read(self.name)


def find_pictures(paths: Iterable[str | os.PathLike[str]]) -> list[Picture]:
    """All pictures of files, folders, zips and patterns ("people/*.jpg").

    Args:
        paths: a file is taken whatever its suffix says.

    Raises:
        ArchiveError: a folder or zip holds no picture.
    """
    found = []
    for path in paths:
        for match in _matches(path):
            if os.path.isdir(match) or _is_archive(match):
                source = open_source(match, loose=True)
                found += [Picture(source, name, str(match / name)) for name in source.names]
            else:
                found.append(Picture(FileSource(match), match.name, str(match)))
    return found


def read_picture(source: Source, name: str) -> np.ndarray:
    """Decode a picture: uint8 (H, W, 3), RGB.

    Raises:
        ImageError: it cannot be read or decoded.
    """
    return load_image(source.read(name))


def identity_of(name: str) -> str:
    """The folder part of a picture's name."""
    return name.rpartition("/")[0]


def empty_identities(source: Source, kept: Iterable[str]) -> dict[str, str]:
    """Reasons for "IDENTITY/": those of which not one picture was kept."""
    everyone = {identity_of(name) for name in (*source.names, *source.ignored)} - {""}
    return {f"{i}/": "no picture left" for i in sorted(everyone - {identity_of(n) for n in kept})}


class FileSource:
    """One file."""

    def __init__(self, path: Path) -> None:
        self.path, self.names = path, [path.name]
        self.ignored: dict[str, str] = {}

    def read(self, name: str) -> bytes:
        """The encoded picture."""
        return read_file(self.path)


class FolderSource:
    """A folder, with sub-folders.

    Args:
        root: the folder.
        loose: see `open_source`.
    """

    def __init__(self, root: Path, *, loose: bool = False) -> None:
        self.root = root
        self.names, self.ignored = _sort_out(_entries(root), loose)

    def read(self, name: str) -> bytes:
        """The encoded picture."""
        return read_file(self.root / name)


class ZipSource:
    """A zip, read in memory: no member's path is ever used as a path.

    Args:
        path: the file.
        loose: see `open_source`.

    Raises:
        ArchiveError: it cannot be read.
    """

    def __init__(self, path: Path, *, loose: bool = False) -> None:
        try:
            self.archive = zipfile.ZipFile(path)
        except Exception as error:  # a damaged zip makes the reader raise almost anything
            reason = getattr(error, "strerror", None) or error
            raise ArchiveError(f"This zip cannot be read: {reason}.") from error
        self._members: dict[str, zipfile.ZipInfo] = {}
        repeated = {}
        for member in self.archive.infolist():
            if self._members.setdefault(member.filename, member) is not member:
                repeated[member.filename] = SAME_NAME
        self.names, self.ignored = _sort_out(self._members, loose)
        self.ignored |= repeated

    def read(self, name: str) -> bytes:
        """The encoded picture."""
        try:
            if self._members[name].file_size > MAX_BYTES:
                raise ImageTooLargeError("This member of the zip is too large.")
            with self.archive.open(self._members[name]) as member:
                return member.read(MAX_BYTES + 1)  # a member may be larger than it says
        except ImageError:
            raise
        except Exception as error:  # the decompressors raise almost anything
            raise ImageDecodeError("This member of the zip is damaged or encrypted.") from error


def _entries(root: Path) -> Iterator[str]:
    """Files, and folders with a "/" at their ends; links that lead nowhere are neither."""
    for path in root.rglob("*"):
        if path.is_dir():
            yield path.relative_to(root).as_posix() + "/"
        elif os.path.isfile(path):  # unlike `Path.is_file`, never raises
            yield path.relative_to(root).as_posix()


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or a system's own."""
    return name.startswith(".") or name in SYSTEM_FOLDERS


def _is_archive(path: Path) -> bool:
    """Whether a file is a data set; a picture is a picture whatever its suffix says."""
    suffix = path.suffix.lower()
    return suffix == ".rec" or (
        suffix == ".zip" and os.path.isfile(path) and zipfile.is_zipfile(path)
    )


def _matches(path: str | os.PathLike[str]) -> Sequence[Path]:
    """The path itself, or what a pattern stands for where no such file is there."""
    if os.path.lexists(path) or not glob.has_magic(os.fspath(path)):
        return [Path(path)]
    found = [Path(match) for match in sorted(glob.glob(os.fspath(path), recursive=True))]
    if not found:
        raise ArchiveError(f"Nothing matches {os.fspath(path)}.")
    return found


def _sort_out(entries: Iterable[str], loose: bool) -> tuple[list[str], dict[str, str]]:
    """`names` and `ignored` of a `Source` from its files, and its folders, which end with "/"."""
    entries = sorted(set(entries))
    names, ignored = [], {}
    for entry, following in itertools.zip_longest(entries, entries[1:], fillvalue=""):
        parts = PurePosixPath(entry).parts
        is_picture = PurePosixPath(entry).suffix.lower() in SUFFIXES
        hidden = any(map(is_hidden, parts))
        if entry.endswith("/"):
            if not following.startswith(entry):  # what is in a folder comes after it
                ignored[entry] = EMPTY_FOLDER
        elif hidden:
            ignored[entry] = HIDDEN
        elif is_picture and (loose or "/" in entry):
            names.append(entry)
        elif is_picture:
            ignored[entry] = LOOSE
        elif loose or "/" in entry:
            ignored[entry] = NO_PICTURE
    return names, ignored
