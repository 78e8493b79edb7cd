"""The photos that a command line names, and what of them is left out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facehub.cli.output import line
from facehub.errors import FaceHubError
from facehub.io.containers import (
    LOOSE,
    FolderSource,
    ZipSource,
    is_hidden,
)
from facehub.io.remote import is_address
from facehub.io.sources import Picture, find_sources, identity_of, open_source, pictures_of

EMPTY_PERSON = "a folder without a picture that is read"
_LINES = 20  # of what was ignored, printed


@dataclass
class Photos:
    """Photos of a command line.

    Attributes:
        pictures: in the order of the command line.
        names: whom each of them shows, where that is known.
        ignored: path and reason of what was left out.
    """

    pictures: list[Picture] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    ignored: list[tuple[str, str]] = field(default_factory=list)

    def ignored_json(self) -> list[dict[str, str]]:
        """For the key "ignored"."""
        return [{"photo": path, "reason": reason} for path, reason in self.ignored]

    def report_ignored(self, args: argparse.Namespace) -> None:
        """Print on standard error what was left out, unless JSON says it."""
        if args.json:
            return
        for path, reason in self.ignored[:_LINES]:
            print(line(f"ignored: {path}: {reason}"), file=sys.stderr)
        if len(self.ignored) > _LINES:
            print(f"ignored: {len(self.ignored) - _LINES} more; --json lists all", file=sys.stderr)


def find_photos(paths: Sequence[str], name: str | None = None) -> Photos:
    """All photos of files, folders, zips, patterns and addresses.

    Args:
        paths: of the command line.
        name: whom they all show, if that is known.

    Raises:
        ArchiveError: a folder or zip holds no picture.
    """
    photos = Photos()
    for source, path in find_sources(paths):
        photos.pictures += pictures_of(source, path)
        photos.ignored += [(_join(path, entry), why) for entry, why in source.ignored.items()]
    if name is not None:
        photos.names = [name] * len(photos.pictures)
    return photos


def find_people(paths: Sequence[str]) -> Photos:
    """The photos of folders with a sub-folder for each person, or of such zips.

    A sub-folder without a picture is left out.

    Raises:
        FaceHubError: something else, or there is not one person with a photo in it.
    """
    photos = Photos()
    for path in paths:
        if is_address(path) or (Path(path).suffix.lower() == ".zip" and os.path.isfile(path)):
            _add_source(photos, path)
        elif os.path.isdir(path):
            _add_folder(photos, Path(path))
        elif not os.path.lexists(path):
            raise FaceHubError(f"There is no folder or zip {path}.")
        else:
            raise FaceHubError(
                f"{path} is not a folder or zip; use --name to say who a photo shows."
            )
    return photos


def _add_source(photos: Photos, path: str) -> None:
    """In a zip, folders may lie in another one: the last of them is the person's."""
    source = open_source(path)
    for picture in pictures_of(source, path):
        identity = identity_of(picture.name)
        is_zip = isinstance(source, ZipSource)
        photos.names.append(
            identity.rpartition("/")[2] if is_zip else picture.name.partition("/")[0]
        )
        photos.pictures.append(picture)
    photos.ignored += [(_join(path, entry), why) for entry, why in source.ignored.items()]


def _add_folder(photos: Photos, path: Path) -> None:
    try:
        members = sorted(path.iterdir())
    except OSError as error:
        raise FaceHubError(f"{path} cannot be read: {error.strerror}.") from error
    before, persons = len(photos.pictures), 0
    for member in members:
        if is_hidden(member.name):
            continue
        if not os.path.isdir(member):
            photos.ignored.append((str(member), LOOSE))
            continue
        persons += 1
        source = FolderSource(member, loose=True)
        found = pictures_of(source, str(member))
        photos.pictures += found
        photos.names += [member.name] * len(found)
        photos.ignored += [(_join(str(member), e), why) for e, why in source.ignored.items()]
        if not found:
            photos.ignored.append((f"{member}/", EMPTY_PERSON))
    if not persons:
        raise FaceHubError(f"{path} has no sub-folder per person; or use --name.")
    if len(photos.pictures) == before:
        raise FaceHubError(f"{path} holds no picture that is read in a sub-folder.")


def _join(path: str, entry: str) -> str:
    if is_address(path):
        return f"{path.rstrip('/')}/{entry}"
    return str(Path(path) / entry) + "/" * entry.endswith("/")
