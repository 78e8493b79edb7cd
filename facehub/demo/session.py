"""The gallery behind the page: of one browser session, or one file that all sessions share."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from facehub.demo import texts
from facehub.demo.errors import private_errors
from facehub.demo.portraits import MAX_PHOTOS, portraits
from facehub.enrolment import Enrolment, Portrait, add_enrolments, embed_portraits
from facehub.errors import GalleryError
from facehub.gallery.base import Gallery
from facehub.gallery.memory import MemoryGallery
from facehub.io.images import ImageSource
from facehub.pipeline import FaceRecognizer
from facehub.quality import ADVICE
from facehub.results import Candidate, QualityIssue

MAX_CROPS = 1000  # of a shared gallery, the newest


@dataclass(frozen=True, eq=False)
class Enrolled:
    """People and their photos at one moment.

    Attributes:
        gallery: people and templates. A session's own is never changed, a shared one may be.
        crops: uint8 (H, W, 3), RGB, by the digest of the template; those that this process saw.
    """

    gallery: Gallery
    crops: Mapping[str, np.ndarray]

    def crop_of(self, candidate: Candidate) -> np.ndarray | None:
        """The crop of a candidate's example, if it is at hand."""
        if not self.crops or candidate.name not in self.gallery:
            return None
        examples = self.gallery.examples(candidate.name)[candidate.example :]
        return self.crops.get(examples[0].digest) if examples else None


@dataclass(frozen=True)
class EnrolmentReport:
    """What became of several photos.

    Attributes:
        added: how many were added.
        known: how many were there already, so that they were not added again.
        failures: a message for each other one.
        warnings: what is odd about those that were added.
        left_out: a message for each kind of file that was left out of a zip.
    """

    added: int
    known: int
    failures: list[str]
    warnings: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def details(self) -> list[str]:
        """All messages."""
        return self.failures + self.warnings + self.left_out


class SessionGallery:
    """What has been enrolled: in one session's memory, or in a gallery that all share.

    A session's own gallery is changed as a copy that then replaces `now`: readers need no lock,
    and see people and crops that belong together.

    Args:
        gallery: people and templates to begin with.
        shared: whether all sessions share the gallery, and perhaps other processes.
        reject: quality issues for which a photo is refused.

    Attributes:
        now: what is enrolled at present. Take it once where it is read more than once.
    """

    def __init__(
        self, gallery: Gallery, *, shared: bool = False, reject: Collection[QualityIssue] = ()
    ) -> None:
        self.now = Enrolled(gallery, {})
        self.reject = reject
        self.shared = shared
        self._lock = threading.RLock()

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Gradio copies a state's first value for each session: a shared gallery stays one."""
        if self.shared:
            return self
        empty = MemoryGallery(self.gallery.fingerprint, self.gallery.size)
        return type(self)(empty, reject=self.reject)

    @property
    def gallery(self) -> Gallery:
        """People and templates at present."""
        return self.now.gallery

    @property
    def crops(self) -> Mapping[str, np.ndarray]:
        """Pictures by digest at present."""
        return self.now.crops

    def is_full(self, gallery: Gallery) -> bool:
        """Whether no photo can be added; a shared gallery takes any number."""
        return not self.shared and gallery.n_templates >= MAX_PHOTOS

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
            name, files: see `portraits`.
            recognizer: weights in use.
        """
        left_out: list[str] = []
        with ExitStack() as zips:
            shown = portraits(name.strip(), files, zips, left_out)
            if self.is_full(self.gallery):  # then nothing needs to be computed
                full = GalleryError(texts.FULL.format(limit=MAX_PHOTOS))
                shown = (replace(portrait, image=full) for portrait in shown)
            found = _embed(shown, recognizer)
        report = self.add_found(found)
        return replace(report, left_out=left_out)

    def add_found(self, found: Sequence[Enrolment]) -> EnrolmentReport:
        """Add faces that were found already; what cannot be added is told."""
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
            warnings=[
                f"{source}: {ADVICE[issue]}"
                for source, enrolment in zip(sources, done, strict=True)
                if enrolment.added and enrolment.face is not None
                for issue in enrolment.face.issues
            ],
        )

    def remove(self, name: str, photo: str | None = None) -> None:
        """Forget a person, or the photo with this digest.

        Raises:
            GalleryError: there is no such person or photo any more.
        """
        with self._change() as (gallery, crops):
            digests = [example.digest for example in gallery.examples(name)]
            if photo is not None and photo not in digests:
                raise GalleryError(texts.GONE)
            gallery.remove(name, photo)
            gone = set(digests if photo is None else [photo])
            if not self.shared:  # another person may have the same photo
                gone -= {entry.digest for entry in gallery.export()}
            for digest in gone:
                crops.pop(digest, None)

    def rename(self, name: str, new_name: str) -> None:
        """Rename a person."""
        with self._change() as (gallery, _):
            gallery.rename(name, new_name)

    def merge(self, name: str, into: str) -> None:
        """Give a person's photos to another."""
        with self._change() as (gallery, _):
            gallery.merge(name, into)

    def replace(self, people: Gallery) -> None:
        """Hold the people of another gallery instead.

        Raises:
            GalleryError: these weights cannot search it, or it is too large.
        """
        if people.size != self.gallery.size:
            raise GalleryError(texts.OTHER_LENGTH)
        if people.n_templates > MAX_PHOTOS:
            raise GalleryError(texts.FULL.format(limit=MAX_PHOTOS))
        with self._change() as (gallery, crops):
            for name in gallery:
                gallery.remove(name)
            gallery.add_many(people.export())
            crops.clear()

    def _add(self, found: Iterable[Enrolment]) -> list[Enrolment]:
        """Add what was found in photos, all of it at once.

        Raises:
            GalleryError: the gallery cannot be written.
        """
        done = []
        with self._change() as (gallery, crops):
            limited = self._limited(found, gallery)
            for enrolment in add_enrolments(gallery, limited, reject_issues=self.reject):
                done.append(enrolment)
                if enrolment.added and enrolment.face is not None:
                    (*_, newest) = gallery.examples(enrolment.portrait.name)
                    crops[newest.digest] = enrolment.face.face.crop
        return done

    def _limited(self, found: Iterable[Enrolment], gallery: Gallery) -> Iterator[Enrolment]:
        """An error where the gallery is full."""
        for enrolment in found:
            if enrolment.face is not None and self.is_full(gallery):
                full = GalleryError(texts.FULL.format(limit=MAX_PHOTOS))
                yield Enrolment(enrolment.portrait, error=full)
            else:
                yield enrolment

    @contextmanager
    def _change(self) -> Iterator[tuple[Gallery, dict[str, np.ndarray]]]:
        """Gallery and crops to change; all changes are undone where the body raises."""
        with self._lock:
            gallery, crops = self.now.gallery, dict(self.now.crops)
            if isinstance(gallery, MemoryGallery):
                gallery = gallery.copy()
            with private_errors(), gallery.transaction():
                yield gallery, crops
            while self.shared and len(crops) > MAX_CROPS:
                del crops[next(iter(crops))]
            self.now = Enrolled(gallery, crops)


def _embed(portraits: Iterable[Portrait], recognizer: FaceRecognizer) -> list[Enrolment]:
    """One picture at a time: how many requests are computed at once is the host's setting."""
    return list(embed_portraits(portraits, recognizer, workers=1))
