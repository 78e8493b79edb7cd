"""Find pictures in files, folders, zips and InsightFace's RecordIO, and read them one at a time.

Files, folders and zips may be remote, see `facehub.io.remote`.
"""

from __future__ import annotations

import glob
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np

from facehub.errors import ArchiveError
from facehub.io.containers import FileSource, FolderSource, RemoteSource, ZipSource
from facehub.io.formats import SUFFIXES
from facehub.io.images import load_image
from facehub.io.recordio import RecordSource
from facehub.io.remote import RemotePlace, is_address


class Source(Protocol):
    """Named pictures. A source can be pickled; another process opens it anew.

    Attributes:
        names: "IDENTITY/IMAGE" of every picture, sorted; "IMAGE" outside a sub-folder.
        ignored: {file or empty folder: why it was skipped}.
    """

    names: list[str]
    ignored: dict[str, str]

    def read(self, name: str) -> bytes:
        """Read one encoded picture.

        Raises:
            ImageError: the picture cannot be read.
        """


def open_source(path: str | os.PathLike[str], *, loose: bool = False) -> Source:
    """Open a folder, a zip, or a RecordIO data set.

    Args:
        path: a folder, a `.zip`, a `train.rec`, a folder that holds a `train.rec`, or the URL of a
            folder or a `.zip`.
        loose: whether to include pictures outside sub-folders. Data sets have one sub-folder per
            identity.

    Raises:
        ArchiveError: the path is none of these, is damaged, or holds no supported picture.
    """
    source: Source
    if is_address(path):
        source = _open_remote(RemotePlace.at(path), loose)
        if isinstance(source, FileSource):
            raise ArchiveError(f"{path} is not a folder or a zip.")
        return _not_empty(source, path, loose)
    path = Path(path)
    if path.suffix.lower() == ".rec" or os.path.isfile(path / "train.rec"):
        source = RecordSource(path if path.suffix.lower() == ".rec" else path / "train.rec")
    elif os.path.isdir(path):  # never raises, unlike `Path.is_dir`
        source = FolderSource(path, loose=loose)
    elif os.path.isfile(path) and zipfile.is_zipfile(path):
        source = ZipSource(path, loose=loose)
    else:
        raise ArchiveError(f"{path} is not a folder, a zip or a RecordIO data set.")
    return _not_empty(source, path, loose)


def _not_empty(source: Source, path: object, loose: bool) -> Source:
    if not source.names:
        where = "" if loose else " in a sub-folder"
        others = [name for name in source.ignored if not name.endswith("/")]
        besides = f" ({len(others)} other files, {others[0]} say)" if others else ""
        raise ArchiveError(f"{path} holds no supported picture{where}{besides}.")
    return source


def _open_remote(place: RemotePlace, loose: bool) -> Source:
    if place.name.lower().endswith(".zip"):
        return ZipSource(place, loose=loose)
    is_picture = PurePosixPath(place.name).suffix.lower() in SUFFIXES
    if is_picture or not place.is_folder():
        return FileSource(place)
    return RemoteSource(place, loose=loose)


@dataclass(frozen=True)
class Picture:
    """One picture of a source.

    Attributes:
        source: the source that holds it.
        name: its name in the source.
        path: its full path, for messages: "people.zip/Ada/1.jpg".
    """

    source: Source
    name: str
    path: str

    def read(self) -> bytes:
        """Read the encoded picture.

        Raises:
            ImageError: the picture cannot be read.
        """
        return self.source.read(self.name)


def find_pictures(paths: Iterable[str | os.PathLike[str]]) -> list[Picture]:
    """List the pictures of files, folders, zips and patterns ("people/*.jpg"), local or remote.

    Args:
        paths: a file is taken whatever its suffix.

    Raises:
        ArchiveError: a folder or zip holds no picture.
    """
    return [
        picture for source, path in find_sources(paths) for picture in pictures_of(source, path)
    ]


def find_sources(
    paths: Iterable[str | os.PathLike[str]],
    on_error: Callable[[str, ArchiveError], None] | None = None,
) -> list[tuple[Source, str]]:
    """Open each file, folder and zip of `paths`: (source, path or URL).

    Args:
        paths: see `find_pictures`.
        on_error: called with each path that cannot be opened or holds no picture, and the error;
            the search then goes on.

    Raises:
        ArchiveError: a folder or zip holds no picture, and `on_error` is None.
    """
    found: list[tuple[Source, str]] = []
    for path in paths:
        try:
            matches = list(_matches(path))
        except ArchiveError as error:
            _tell(on_error, os.fspath(path), error)
            continue
        for match in matches:
            where = match.address if isinstance(match, RemotePlace) else str(match)
            try:
                found.append((_open_match(match), where))
            except ArchiveError as error:
                _tell(on_error, where, error)
    return found


def _open_match(match: Path | RemotePlace) -> Source:
    if isinstance(match, RemotePlace):
        return _not_empty(_open_remote(match, loose=True), match.address, loose=True)
    if os.path.isdir(match) or _is_archive(match):
        return open_source(match, loose=True)
    return FileSource(match)


def _tell(
    on_error: Callable[[str, ArchiveError], None] | None, path: str, error: ArchiveError
) -> None:
    if on_error is None:
        raise error
    on_error(path, error)


def pictures_of(source: Source, path: str) -> list[Picture]:
    """List the pictures of a source that was opened from this path or URL."""
    if isinstance(source, FileSource):
        return [Picture(source, name, path) for name in source.names]
    if is_address(path):
        return [Picture(source, name, f"{path.rstrip('/')}/{name}") for name in source.names]
    return [Picture(source, name, str(Path(path) / name)) for name in source.names]


def read_picture(source: Source, name: str) -> np.ndarray:
    """Read and decode a picture: uint8 (H, W, 3), RGB, 0 to 255.

    Raises:
        ImageError: the picture cannot be read or decoded.
    """
    return load_image(source.read(name))


def identity_of(name: str) -> str:
    """The identity of a picture: the folder part of its name."""
    return name.rpartition("/")[0]


def empty_identities(source: Source, kept: Iterable[str]) -> dict[str, str]:
    """List the identities of which no picture was kept: {"IDENTITY/": reason}."""
    everyone = {identity_of(name) for name in (*source.names, *source.ignored)} - {""}
    return {f"{i}/": "no picture left" for i in sorted(everyone - {identity_of(n) for n in kept})}


def _is_archive(path: Path) -> bool:
    """Whether a file is a RecordIO data set or a zip."""
    suffix = path.suffix.lower()
    return suffix == ".rec" or (
        suffix == ".zip" and os.path.isfile(path) and zipfile.is_zipfile(path)
    )


def _matches(path: str | os.PathLike[str]) -> Iterator[Path | RemotePlace]:
    """Expand a pattern, unless a file of that very name exists."""
    if is_address(path):
        yield from RemotePlace.at(path).matches()
    elif os.path.lexists(path) or not glob.has_magic(os.fspath(path)):
        yield Path(path)
    else:
        found = sorted(glob.glob(os.fspath(path), recursive=True))
        if not found:
            raise ArchiveError(f"Nothing matches {os.fspath(path)}.")
        yield from map(Path, found)
