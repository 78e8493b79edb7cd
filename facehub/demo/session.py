"""The gallery behind the page: of one browser session, or one file that all sessions share."""

from __future__ import annotations

import functools
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Self

import numpy as np

from facehub.demo import texts
from facehub.enrolment import Enrolment, Portrait, add_enrolments, embed_portraits
from facehub.errors import ArchiveError, GalleryError
from facehub.gallery.base import Example
from facehub.gallery.memory import MemoryGallery
from facehub.io.images import ImageSource
from facehub.io.sources import HIDDEN, NO_PICTURE, ZipSource
from facehub.pipeline import FaceRecognizer

SLASH = "\u2215"  # folders.js puts it between a folder and a file, where no "/" is allowed
MAX_PHOTOS = 300
MAX_ZIPS = 50  # held open at once
MAX_TRIED = 2 * MAX_PHOTOS  # pictures looked at in one go
CAMERA = re.compile(  # the words that cameras and phones name files with
    r"(\b(img|dsc[nf]?|pxl|mvimg|gopr|dcim|wa|p|hdr|burst|portrait|image|photo|picture|screenshot"
    r"|whatsapp|at)\b ?)*",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class Enrolled:
    """People and their photos at one moment; never changed.

    Attributes:
        gallery: people and templates; a template's source is its key in `crops`.
        crops: uint8 (H, W, 3), RGB, by source; none for templates from a gallery file.
    """

    gallery: MemoryGallery
    crops: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class EnrolmentReport:
    """What became of several photos.

    Attributes:
        added: how many were added.
        known: how many were there already, so that they were not added again.
        failures: a message for each other one.
    """

    added: int
    known: int
    failures: list[str]


class SessionGallery:
    """What has been enrolled; lives in memory only, or in `file` as well.

    Changes are made to a copy that then replaces `now`: readers need no lock, and see people and
    crops that belong together.

    Args:
        gallery: people and templates to begin with.
        file: where the gallery is kept, shared by all sessions; None for one session's own.

    Attributes:
        now: what is enrolled at present. Take it once where it is read more than once.
    """

    def __init__(self, gallery: MemoryGallery, file: Path | None = None) -> None:
        self.now = Enrolled(gallery, {})
        self.file = file
        self._enrolled = 0
        self._lock = threading.RLock()

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Gradio copies a state's first value for each session: a shared gallery stays one."""
        if self.file is not None:
            return self
        return type(self)(MemoryGallery(self.gallery.fingerprint, self.gallery.size))

    @property
    def gallery(self) -> MemoryGallery:
        """People and templates at present."""
        return self.now.gallery

    @property
    def crops(self) -> Mapping[str, np.ndarray]:
        """Pictures by source at present."""
        return self.now.crops

    def enrol(self, name: str, image: ImageSource, file: str, recognizer: FaceRecognizer) -> None:
        """Add a photo, unless it is there already; on any error nothing changes.

        Raises:
            FaceHubError: the photo or the name cannot be used, or the gallery is full.
        """
        (done,) = self._add(_embed([Portrait(name, image, file)], recognizer))
        if done.error is not None:
            raise done.error

    def enrol_many(
        self, name: str, files: Iterable[str | bytes], recognizer: FaceRecognizer
    ) -> EnrolmentReport:
        """Add several photos.

        Args:
            name: who they show; empty to take each file's name, or its folder's, or for a zip
                without folders the zip's own.
            files: uploads: paths of pictures or of zips of pictures, or pictures as bytes.
            recognizer: weights in use.
        """
        with ExitStack() as zips:
            portraits = _portraits(name.strip(), files, zips)
            if self.gallery.n_templates >= MAX_PHOTOS:  # then nothing needs to be computed
                full = GalleryError(texts.FULL.format(limit=MAX_PHOTOS))
                portraits = (replace(portrait, image=full) for portrait in portraits)
            found = _embed(portraits, recognizer)
        sources = [enrolment.portrait.source for enrolment in found]
        try:
            done = self._add(found)
        except GalleryError as error:
            return EnrolmentReport(0, 0, [str(error)])
        return EnrolmentReport(
            added=sum(enrolment.added for enrolment in done),
            known=sum(enrolment.known for enrolment in done),
            failures=[
                f"{source}: {enrolment.error}"
                for source, enrolment in zip(sources, done, strict=True)
                if enrolment.error is not None
            ],
        )

    def remove(self, name: str, photo: str | None = None) -> None:
        """Forget a person, or the photo with this `photo_key`, wherever it is by now.

        Raises:
            GalleryError: there is no such person or photo any more.
        """
        with self._change() as (gallery, crops):
            examples = gallery.examples(name)
            if photo is None:
                gallery.remove(name)
            else:
                keys = [photo_key(example) for example in examples]
                if photo not in keys:
                    raise GalleryError(texts.GONE)
                place = keys.index(photo)
                gallery.remove(name, examples[place].digest)
                examples = examples[place : place + 1]
            for gone in examples:
                crops.pop(gone.source, None)

    def rename(self, name: str, new_name: str) -> None:
        """Rename a person."""
        with self._change() as (gallery, _):
            gallery.rename(name, new_name)

    def merge(self, name: str, into: str) -> None:
        """Give a person's photos to another."""
        with self._change() as (gallery, _):
            gallery.merge(name, into)

    def replace(self, gallery: MemoryGallery) -> None:
        """Hold another gallery instead.

        Raises:
            GalleryError: these weights cannot search it, or it is too large.
        """
        if gallery.size != self.gallery.size:
            raise GalleryError(texts.OTHER_LENGTH)
        if gallery.n_templates > MAX_PHOTOS:
            raise GalleryError(texts.FULL.format(limit=MAX_PHOTOS))
        with self._lock:
            self._keep(Enrolled(gallery, {}))
            self._enrolled += gallery.n_templates  # its sources may look like ours

    def _add(self, found: Iterable[Enrolment]) -> list[Enrolment]:
        """Add what was found in photos, all of it at once.

        Raises:
            GalleryError: the gallery cannot be written.
        """
        done = []
        with self._lock:
            gallery, crops = self.now.gallery.copy(), dict(self.now.crops)
            for enrolment in add_enrolments(gallery, self._numbered(found, gallery)):
                done.append(enrolment)
                if enrolment.added and enrolment.face is not None:
                    self._enrolled += 1
                    crops[enrolment.portrait.source] = enrolment.face.face.crop
            if any(enrolment.added for enrolment in done):
                self._keep(Enrolled(gallery, crops))
        return done

    def _numbered(self, found: Iterable[Enrolment], gallery: MemoryGallery) -> Iterator[Enrolment]:
        """Sources that differ, so that they can be keys; an error where the gallery is full."""
        for enrolment in found:
            source = f"{self._enrolled + 1}. {enrolment.portrait.source}"
            portrait = replace(enrolment.portrait, source=source)
            if enrolment.face is not None and gallery.n_templates >= MAX_PHOTOS:
                full = GalleryError(texts.FULL.format(limit=MAX_PHOTOS))
                yield Enrolment(portrait, error=full)
            else:
                yield replace(enrolment, portrait=portrait)

    @contextmanager
    def _change(self) -> Iterator[tuple[MemoryGallery, dict[str, np.ndarray]]]:
        """A copy to change, which is kept unless the body raises."""
        with self._lock:
            gallery, crops = self.now.gallery.copy(), dict(self.now.crops)
            yield gallery, crops
            self._keep(Enrolled(gallery, crops))

    def _keep(self, enrolled: Enrolled) -> None:
        if self.file is not None:
            try:
                enrolled.gallery.save(self.file)
            except GalleryError as error:
                print(error, file=sys.stderr)  # its path is for the host only
                raise GalleryError(texts.NOT_WRITTEN) from None
        self.now = enrolled


def photo_key(example: Example) -> str:
    """What names a photo on the page: the same for equal photos only, and only in this process."""
    return f"{hash((example.source, example.template.tobytes())):x}"


def name_from_file(file: str) -> str:
    """`ada_lovelace-2.jpg` shows "ada lovelace": no suffix, no number at the end.

    The numbers stay where a camera named the file: IMG_0001 and IMG_0002 need not show one person.
    """
    stem = re.sub(r"[_\-. ]+", " ", Path(file).stem).strip()
    if CAMERA.fullmatch(re.sub(r"[\d() ]+", " ", stem).strip()):
        return stem or file
    return re.sub(r"[\d() ]+$", "", stem)


def _embed(portraits: Iterable[Portrait], recognizer: FaceRecognizer) -> list[Enrolment]:
    """One picture at a time: how many requests are computed at once is the host's setting."""
    return list(embed_portraits(portraits, recognizer, workers=1))


def _portraits(name: str, files: Iterable[str | bytes], zips: ExitStack) -> Iterator[Portrait]:
    """The first `MAX_TRIED` photos of uploads; `zips` closes the zips among them."""
    for tried, portrait in enumerate(_all_portraits(files, zips)):
        if tried == MAX_TRIED:
            error = GalleryError(texts.TOO_MANY.format(limit=MAX_TRIED))
            yield Portrait(name, error, portrait.source)
            return
        yield replace(portrait, name=name or portrait.name)


def _all_portraits(files: Iterable[str | bytes], zips: ExitStack) -> Iterator[Portrait]:
    opened = 0
    for file in files:
        if isinstance(file, bytes):
            yield Portrait("", file, texts.SNAPSHOT)
            continue
        upload = Path(file).name
        if upload.lower().endswith(".zip"):
            opened += 1
            if opened > MAX_ZIPS:
                yield Portrait("", ArchiveError(texts.TOO_MANY_ZIPS.format(limit=MAX_ZIPS)), upload)
                continue
            try:
                source = ZipSource(Path(file), loose=True)
            except ArchiveError as error:
                yield Portrait("", error, upload)
                continue
            zips.enter_context(closing(source.archive))
            yield from _members(upload, source)
            continue
        folder, slash, inside = upload.partition(SLASH)
        if slash:
            yield Portrait(folder, file, f"{folder}/{inside}")
        else:
            yield Portrait(name_from_file(upload), file, upload)


def _members(upload: str, source: ZipSource) -> Iterator[Portrait]:
    """The first pictures of a zip, and why others are left out."""
    if not source.names:
        yield Portrait("", ArchiveError(texts.EMPTY_ZIP), upload)
    if len(source.names) > MAX_PHOTOS + 1:
        yield Portrait("", GalleryError(texts.FULL.format(limit=MAX_PHOTOS)), upload)
    flat = not any(PurePosixPath(name).parent.name for name in source.names)
    for name in source.names[: MAX_PHOTOS + 1]:
        path = PurePosixPath(name)
        person = path.parent.name or name_from_file(upload if flat else path.name)
        yield Portrait(person, functools.partial(source.read, name), _short(name))
    for name, reason in source.ignored.items():
        if reason not in (HIDDEN, NO_PICTURE):
            yield Portrait("", ArchiveError(f"{reason}."), _short(name))


def _short(name: str) -> str:
    """A member's name with its last folder only."""
    return "/".join(PurePosixPath(name).parts[-2:])
