"""Uploads as portraits: pictures, zips and dropped folders, and what of them is left out."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path, PurePosixPath

from facehub.demo import texts
from facehub.demo.upload import Upload
from facehub.enrolment import Portrait
from facehub.errors import ArchiveError, GalleryError
from facehub.io.containers import ZipSource, worth_reporting
from facehub.people import name_from_file, name_people, person_folders

MAX_PHOTOS = 300  # of a gallery, and looked at of one zip
MAX_ZIPS = 50  # held open at once
MAX_TRIED = 2 * MAX_PHOTOS  # pictures looked at in one go
_NAMED = 5  # files of a zip that are left out for one reason, named


def portraits(
    name: str, files: Iterable[str | bytes], zips: ExitStack, left_out: list[str]
) -> Iterator[Portrait]:
    """The first `MAX_TRIED` photos of uploads.

    Args:
        name: whom they show; empty to take the names of folders, zips and files, see `name_people`.
            It is no name for a zip or a dropped folder with photos in several folders.
        files: paths of pictures or of zips of pictures, or pictures as bytes.
        zips: closes the zips among them.
        left_out: gets a message for each kind of file that a zip has besides.
    """
    for tried, portrait in enumerate(_all_portraits(name, files, zips, left_out)):
        if tried == MAX_TRIED:
            error = GalleryError(texts.TOO_MANY.format(limit=MAX_TRIED))
            yield Portrait(name, error, portrait.source)
            return
        yield replace(portrait, name=name or portrait.name)


def _all_portraits(
    name: str, files: Iterable[str | bytes], zips: ExitStack, left_out: list[str]
) -> Iterator[Portrait]:
    given = [file if isinstance(file, bytes) else Upload.of(file) for file in files]
    people, refused = _dropped_people(name, [file for file in given if isinstance(file, Upload)])
    opened = 0
    for file in given:
        if isinstance(file, bytes):
            yield Portrait("", file, texts.SNAPSHOT)
            continue
        folder = file.name.partition("/")[0]
        if file.name.lower().endswith(".zip"):
            opened += 1
            yield from _of_zip(name, file, zips, left_out, opened)
        elif file.name not in people:
            yield Portrait(name_from_file(file.name), str(file), file.name)
        elif folder not in refused:
            yield Portrait(people[file.name], str(file), _short(file.name))
        elif refused[folder]:
            yield Portrait("", GalleryError(texts.SEVERAL_FOLDERS), folder)
            refused[folder] = False  # told


def _dropped_people(name: str, files: Iterable[Upload]) -> tuple[dict[str, str], dict[str, bool]]:
    """Names by the path of a picture in a dropped folder; folders that one name cannot be for."""
    folders: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if "/" in file.name and not file.name.lower().endswith(".zip"):
            folders[file.name.partition("/")[0]].append(file.name)
    people: dict[str, str] = {}
    for pictures in folders.values():
        people |= name_people(pictures)
    several = {
        folder: True
        for folder, pictures in folders.items()
        if name and len(person_folders(pictures)) > 1
    }
    return people, several


def _of_zip(
    name: str, file: Upload, zips: ExitStack, left_out: list[str], opened: int
) -> Iterator[Portrait]:
    if opened > MAX_ZIPS:
        error = ArchiveError(texts.TOO_MANY_ZIPS.format(limit=MAX_ZIPS))
        yield Portrait("", error, file.name)
        return
    try:
        source = ZipSource(Path(file), loose=True)
    except ArchiveError as damaged:
        yield Portrait("", damaged, file.name)
        return
    zips.enter_context(closing(source.archive))
    left_out += _left_out(file.name, source.ignored)
    if name and len(person_folders(source.names)) > 1:
        yield Portrait("", GalleryError(texts.SEVERAL_FOLDERS), file.name)
        return
    yield from _members(file.name, source)


def _members(upload: str, source: ZipSource) -> Iterator[Portrait]:
    """The first pictures of a zip."""
    if not source.names:
        yield Portrait("", ArchiveError(texts.EMPTY_ZIP), upload)
    if len(source.names) > MAX_PHOTOS + 1:
        yield Portrait("", GalleryError(texts.FULL.format(limit=MAX_PHOTOS)), upload)
    people = name_people(source.names, upload)
    for name in source.names[: MAX_PHOTOS + 1]:
        yield Portrait(people[name], functools.partial(source.read, name), _short(name))


def _left_out(upload: str, ignored: Mapping[str, str]) -> list[str]:
    """A message for each reason, what may be missed first."""
    entries: dict[str, list[str]] = defaultdict(list)
    for entry, reason in sorted(ignored.items(), key=lambda found: not worth_reporting(*found)):
        entries[reason].append(entry)
    return [_counted(upload, reason, found) for reason, found in entries.items()]


def _counted(upload: str, reason: str, entries: Sequence[str]) -> str:
    named = ", ".join(_short(entry) for entry in entries[:_NAMED])
    rest = len(entries) - _NAMED
    more = texts.AND_MORE.format(count=rest) if rest > 0 else ""
    return texts.LEFT_OUT.format(
        upload=upload, count=len(entries), reason=reason, names=named + more
    )


def _short(name: str) -> str:
    """A file's name with its last folder only."""
    return "/".join(PurePosixPath(name).parts[-2:])
