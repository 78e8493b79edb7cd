"""The photos that a command line names, and what is left out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facehub.cli.output import print_left_out
from facehub.errors import ArchiveError, FaceHubError, ImageDecodeError
from facehub.io.containers import (
    HIDDEN,
    LOOSE,
    FileSource,
    FolderSource,
    RemoteSource,
    ZipSource,
    worth_reporting,
)
from facehub.io.images import MAX_BYTES, read_file
from facehub.io.remote import RemotePlace, is_address
from facehub.io.sources import Picture, Source, find_sources, open_source, pictures_of
from facehub.people import empty_people, loose_pictures, name_people, person_folders

EMPTY_PERSON = "a folder without a supported picture"
STDIN = "-"  # the path of a photo on standard input


@dataclass
class Photos:
    """Photos of a command line.

    Attributes:
        pictures: in the order of the command line.
        names: who each picture shows, if known.
        ignored: path and reason of what was left out.
        failures: folders, zips and patterns that could not be used, if others could.
        incomplete: whether `ignored` holds something a user may miss, see `worth_reporting`.
    """

    pictures: list[Picture] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    ignored: list[tuple[str, str]] = field(default_factory=list)
    failures: list[tuple[str, FaceHubError]] = field(default_factory=list)
    incomplete: bool = False

    def ignored_json(self) -> list[dict[str, str]]:
        """The value of the key "ignored"."""
        return [{"photo": path, "reason": reason} for path, reason in self.ignored]

    def report_ignored(self, args: argparse.Namespace) -> None:
        """Print on standard error what was left out, unless the JSON lists it.

        What a user may miss comes first; what does not fit is counted.
        """
        if args.json:
            return
        ignored = sorted(self.ignored, key=lambda found: not worth_reporting(*found))
        print_left_out(ignored, "--json lists all")

    def leave_out(self, path: str, reason: str) -> None:
        """Note what is left out."""
        self.ignored.append((path, reason))
        self.incomplete |= worth_reporting(path, reason)


class StdinSource:
    """A picture on standard input, which is read at once."""

    def __init__(self) -> None:
        self.names, self.ignored = ["stdin"], dict[str, str]()
        self._content = read_stdin()

    def read(self, name: str) -> bytes:
        """The encoded picture."""
        return self._content


def read_stdin() -> bytes:
    """Standard input, at most one byte more than `MAX_BYTES`, as of a file.

    Raises:
        ImageDecodeError: it is closed, or cannot be read.
    """
    if sys.stdin is None:
        raise ImageDecodeError("Standard input is closed.")
    try:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageDecodeError(f"Standard input cannot be read: {error.strerror}.") from error


def read_photo(path: str) -> bytes:
    """The encoded picture of a file, an address or standard input ("-").

    Raises:
        FaceHubError: it cannot be read; the message names the path.
    """
    try:
        if path == STDIN:
            return read_stdin()
        return RemotePlace.at(path).read() if is_address(path) else read_file(path)
    except FaceHubError as error:
        raise naming(path, error) from error


def naming(path: str, error: FaceHubError) -> FaceHubError:
    """The error with the photo's path in its message, once."""
    is_named = path != STDIN and path in str(error)
    return error if is_named else type(error)(f"{path}: {error}")


def find_photos(paths: Sequence[str], name: str | None = None) -> Photos:
    """All photos of files, folders, zips, patterns, addresses and standard input ("-").

    Args:
        paths: of the command line. One that cannot be used is among the failures, and so is a
            second "-".
        name: who all of them show, if known.

    Raises:
        ArchiveError: none of them can be used.
        FaceHubError: a name is given, but a folder or zip has photos in several folders.
    """
    photos = Photos()
    for source, path in _sources(paths, photos.failures):
        if name is not None:
            _check_one_person(source, path)
        if isinstance(source, StdinSource):
            photos.pictures.append(Picture(source, source.names[0], path))
            continue
        photos.pictures += pictures_of(source, path)
        for entry, reason in source.ignored.items():
            photos.leave_out(_join(path, entry), reason)
    if name is not None:
        photos.names = [name] * len(photos.pictures)
    return _not_empty(photos)


def _sources(
    paths: Sequence[str], failures: list[tuple[str, FaceHubError]]
) -> Iterator[tuple[Source, str]]:
    taken = False
    for path in paths:
        if path != STDIN:
            yield from find_sources([path], lambda *failure: failures.append(failure))
        elif taken:
            failures.append((path, ImageDecodeError("Standard input holds one picture only.")))
        else:
            taken = True
            yield StdinSource(), path


def find_people(paths: Sequence[str]) -> Photos:
    """The photos of folders with a sub-folder for each person, or of such zips.

    A sub-folder without a picture is left out.

    Args:
        paths: of the command line. One that cannot be used is among the failures.

    Raises:
        FaceHubError: no person with a photo was found.
    """
    photos = Photos()
    for path in paths:
        try:
            source = _open_people(path)
        except FaceHubError as error:
            photos.failures.append((path, error))
            continue
        _add_people(photos, source, path)
    return _not_empty(photos)


def _add_people(photos: Photos, source: Source, path: str) -> None:
    wrapped = isinstance(source, ZipSource)
    people = name_people(source.names, wrapped=wrapped)
    left_out = dict.fromkeys(loose_pictures(source.names, wrapped=wrapped), LOOSE)
    for picture in pictures_of(source, path):
        if picture.name not in left_out:
            photos.pictures.append(picture)
            photos.names.append(people[picture.name])
    visible = [entry for entry, reason in source.ignored.items() if reason != HIDDEN]
    empty = empty_people(source.names, visible, wrapped=wrapped)
    left_out |= {**source.ignored, **dict.fromkeys(empty, EMPTY_PERSON)}
    for entry, reason in sorted(left_out.items()):
        photos.leave_out(_join(path, entry), reason)


def _open_people(path: str) -> Source:
    if path == STDIN:
        raise FaceHubError("Standard input holds one picture; use --name to say who it shows.")
    if not (is_address(path) or os.path.lexists(path)):
        raise FaceHubError(f"There is no folder or zip {path}.")
    is_zip = Path(path).suffix.lower() == ".zip" and os.path.isfile(path)
    if not (is_address(path) or is_zip or os.path.isdir(path)):
        raise FaceHubError(f"{path} is not a folder or zip; use --name to say who a photo shows.")
    if os.path.isdir(path) and not any(map(os.path.isdir, Path(path).glob("*"))):
        raise ArchiveError(f"{path} has no sub-folder per person; or use --name.")
    return open_source(path)


def _check_one_person(source: Source, path: str) -> None:
    """Refuse one name for the photos of several folders, which may show several people."""
    if isinstance(source, FileSource | StdinSource):
        return
    folders = person_folders(source.names)
    is_folder = isinstance(source, FolderSource | RemoteSource)
    if len(folders) > 1 or (is_folder and folders != [""]):
        within = ", ".join(folder for folder in folders if folder)
        raise FaceHubError(
            f"{path} has photos in sub-folders ({within[:200]}), which --name would give one name. "
            "Name the folders of that person one by one, or leave --name out: each sub-folder is "
            "a person then."
        )


def _not_empty(photos: Photos) -> Photos:
    if not photos.pictures and photos.failures:
        error = photos.failures[0][1]
        if len(photos.failures) > 1:
            others = ", ".join(path for path, _ in photos.failures[1:])
            error = type(error)(f"{error} Nor can any of the others be used: {others[:200]}.")
        raise error
    return photos


def _join(path: str, entry: str) -> str:
    if is_address(path):
        return f"{path.rstrip('/')}/{entry}"
    return str(Path(path) / entry) + "/" * entry.endswith("/")
