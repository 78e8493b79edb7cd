"""The gallery behind the page: of one browser session, or one file that all sessions share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Self

import numpy as np

from facehub.demo import texts
from facehub.demo.enrolled import Change, Enrolled
from facehub.demo.errors import private_errors
from facehub.demo.intake import EnrolmentReport, SeveralFaces, find_faces
from facehub.demo.portraits import MAX_PHOTOS, portraits
from facehub.enrolment import Enrolment, Portrait, add_enrolments, embed_portraits
from facehub.errors import GalleryError
from facehub.gallery.base import Entry, Gallery, clean_name
from facehub.gallery.memory import MemoryGallery
from facehub.io.images import ImageSource
from facehub.pipeline import FaceRecognizer
from facehub.results import QualityIssue

MAX_CROPS = 1000  # of a shared gallery, the newest
MAX_SEVERAL = 10  # photos of one go whose face can be chosen


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
        """Add a photo of one face, unless it is there already; on any error nothing changes.

        Raises:
            FaceHubError: the photo or the name cannot be used, or the gallery is full.
        """
        (done,) = self._add(embed_portraits([Portrait(name, image, file)], recognizer, workers=1))
        if done.error is not None:
            raise done.error

    def enrol_many(
        self, name: str, files: Iterable[str | bytes], recognizer: FaceRecognizer
    ) -> EnrolmentReport:
        """Add several photos; see `enrol_each`."""
        *_, report = self.enrol_each(name, files, recognizer)
        return report

    def enrol_each(
        self,
        name: str,
        files: Iterable[str | bytes],
        recognizer: FaceRecognizer,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[EnrolmentReport]:
        """Look at several photos one by one, then add them all at once.

        Args:
            name, files: see `portraits`.
            recognizer: weights in use.
            stopped: asked after each photo: whether to look at no more, and add what was found.

        Yields:
            How many photos have been seen, before the first and after each; at last what became of
            them. Nothing is added where the caller does not go on to the end.
        """
        found: list[Enrolment] = []
        several: list[SeveralFaces] = []
        left_out: list[str] = []
        seen = 0
        with ExitStack() as zips:
            everything = list(portraits(name.strip(), files, zips, left_out))
            yield EnrolmentReport(total=len(everything))
            if self.is_full(self.gallery):  # then nothing needs to be computed
                full = GalleryError(texts.FULL.format(limit=MAX_PHOTOS))
                everything = [replace(portrait, image=full) for portrait in everything]
            for seen, one in enumerate(find_faces(everything, recognizer, self.reject), 1):
                if isinstance(one, Enrolment):
                    found.append(one)
                elif len(several) < MAX_SEVERAL:
                    several.append(one)
                else:
                    too_many = GalleryError(texts.TOO_MANY_FACES.format(count=len(one.faces)))
                    found.append(Enrolment(one.portrait, error=too_many))
                yield EnrolmentReport(seen=seen, total=len(everything))
                if stopped():
                    break
        report = self.add_found(found)
        yield replace(
            report, left_out=left_out, several=tuple(several), seen=seen, total=len(everything)
        )

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
                f"{source}: {texts.ADVICE[issue]}"
                for source, enrolment in zip(sources, done, strict=True)
                if enrolment.added and enrolment.face is not None
                for issue in enrolment.face.issues
            ],
        )

    def remove(self, name: str, photo: str | None = None) -> Change:
        """Forget a person, or the photo with this digest.

        Raises:
            GalleryError: there is no such person or photo any more.
        """
        with self._change() as (gallery, crops):
            gone = {
                entry.digest: entry
                for entry in _entries(gallery, name)
                if photo in (None, entry.digest)
            }
            if not gone:
                raise GalleryError(texts.GONE)
            gallery.remove(name, photo)
            kept = set() if self.shared else {entry.digest for entry in gallery.export()}
            lost = {  # another person may have the same photo
                digest: crops.pop(digest) for digest in gone if digest in crops.keys() - kept
            }

        def undo(gallery: Gallery, crops: dict[str, np.ndarray]) -> None:
            gallery.add_many(gone.values())
            crops.update(lost)

        text = texts.REMOVED if photo is None else texts.REMOVED_PHOTO
        return Change(text.format(name=name), undo)

    def rename(self, name: str, new_name: str) -> Change:
        """Rename a person."""
        new_name = clean_name(new_name)
        with self._change() as (gallery, _):
            gallery.rename(name, new_name)
        text = texts.RENAMED.format(name=name, new_name=new_name)
        return Change(text, lambda gallery, _: gallery.rename(new_name, name))

    def merge(self, name: str, into: str) -> Change:
        """Give a person's photos to another."""
        with self._change() as (gallery, _):
            moved = _entries(gallery, name)
            own = {example.digest for example in gallery.examples(into)}
            gallery.merge(name, into)

        def undo(gallery: Gallery, _: dict[str, np.ndarray]) -> None:
            for entry in moved:
                if entry.digest not in own:
                    gallery.remove(into, entry.digest)
            gallery.add_many(moved)

        return Change(texts.MERGED.format(name=name, into=into), undo)

    def undo(self, change: Change) -> None:
        """Undo a change.

        Raises:
            GalleryError: the same people have been changed since, or the gallery is full.
        """
        with self._change() as (gallery, crops):
            change.undo(gallery, crops)
            if not self.shared and gallery.n_templates > MAX_PHOTOS:
                raise GalleryError(texts.FULL.format(limit=MAX_PHOTOS))

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


def _entries(gallery: Gallery, name: str) -> list[Entry]:
    """A person's templates as they were added."""
    return [Entry(name, one.template, one.source) for one in gallery.examples(name)]
