"""What the Identify tab does, without the page."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from facehub.demo import texts
from facehub.demo.enrolled import Change, Enrolled
from facehub.demo.errors import PageError, private_errors
from facehub.demo.host.uploads import uploads
from facehub.demo.intake import EnrolmentReport, SeveralFaces
from facehub.demo.photo import Photo, PictureSlot, read_photo
from facehub.demo.session import SessionGallery
from facehub.demo.upload import Upload
from facehub.demo.work import Work
from facehub.enrolment import Enrolment, Portrait
from facehub.errors import FaceHubError
from facehub.gallery.base import Gallery, clean_name
from facehub.gallery.review import ReviewFinding, review_gallery
from facehub.hosted.recognizer import HostedRecognizer
from facehub.identification import identify_faces
from facehub.results import IdentifiedFace

MAX_REVIEWED = 2000  # templates, of which all pairs are compared
MAX_CHOICES = 1000  # people to choose from; of a larger gallery, the first
EXAMPLE_PEOPLE = {"Eileen Collins": "eileen_collins.jpg", "Grace Hopper": "grace_hopper.jpg"}
EXAMPLE_PHOTO = "both.jpg"


class Visit(Work):
    """What one browser session has: a gallery of its own or the shared one, and a picture.

    Args:
        people: the gallery to begin with.

    Attributes:
        people: the gallery.
        probe: the picture to search.
        several: enrolled photos that show several faces, of which one is still to be chosen.
        last: the last change, as long as it can be undone.
        two_names: the first two people who may be the same person, as the page last named them.
    """

    def __init__(self, people: SessionGallery) -> None:
        super().__init__()
        self.people = people
        self.probe = PictureSlot()
        self.several: tuple[SeveralFaces, ...] = ()
        self.last: Change | None = None
        self.two_names: tuple[str, str] | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Gradio copies a state's first value for each session, which starts empty."""
        return type(self)(copy.deepcopy(self.people))


@dataclass(frozen=True, eq=False)
class Identified:
    """The faces of a picture, and the gallery they were looked for in.

    Attributes:
        photo: the picture.
        faces: from left to right.
        enrolled: people at the moment of the search.
    """

    photo: Photo
    faces: Sequence[IdentifiedFace]
    enrolled: Enrolled


@dataclass(frozen=True)
class IdentifyController:
    """Changes a `Visit`'s gallery and looks for people in its picture.

    Attributes:
        recognizer: weights in use.
        examples: folder of the example pictures.
    """

    recognizer: HostedRecognizer
    examples: Path

    def read(self, visit: Visit, value: Any) -> bool:
        """Read the picture to search; see `PictureSlot.read`."""
        return visit.probe.read(value, self.recognizer.timed(), "thorough")

    def identify(self, visit: Visit) -> Identified | None:
        """Look for the people in the picture; None where there is no face to look for.

        Raises:
            GalleryError: the gallery cannot be searched now.
        """
        photo, enrolled = visit.probe.photo, visit.people.now
        if photo is None or not photo.faces:
            return None
        return Identified(photo, self._named(photo, enrolled.gallery), enrolled)

    def look(self, visit: Visit, frame: Any) -> tuple[Photo, Sequence[IdentifiedFace]]:
        """Name the faces of a webcam's frame.

        Raises:
            FaceHubError: the frame cannot be read, or the gallery not be searched.
        """
        photo = read_photo(frame, self.recognizer.timed())
        return photo, self._named(photo, visit.people.gallery)

    def enrol(
        self, visit: Visit, name: str, files: Sequence[str] | None, snapshot: Any = None
    ) -> Iterator[EnrolmentReport]:
        """Add photos to the gallery; `visit.stop()` ends it early.

        Yields:
            How far it is, and at last what became of the photos. Those with several faces wait in
            `visit.several`.

        Raises:
            PageError: there is no photo, or no name for a webcam picture.
        """
        pictures = [*(files or ()), *([] if snapshot is None else [snapshot])]
        if not pictures:
            raise PageError(texts.NO_PHOTOS)
        if snapshot is not None and not name.strip():
            raise PageError(texts.NO_NAME)  # its file's name says nothing, and is always the same
        stop = visit.start()
        with uploads(*pictures):
            timed = self.recognizer.timed("many")
            for report in visit.people.enrol_each(name, pictures, timed, stop.is_set):
                if report.several:
                    visit.several = report.several
                yield report

    def choose_face(self, visit: Visit, position: Any) -> EnrolmentReport:
        """Add the face at a position of the first photo in `visit.several`.

        Raises:
            PageError: there is no such photo or face.
        """
        if not visit.several:
            raise PageError(texts.NONE_WAITING)
        photo, *rest = visit.several
        if not isinstance(position, int) or position not in range(len(photo.faces)):
            raise PageError(texts.CHOOSE_FACE)
        report = visit.people.add_found([photo.chosen(position)])
        visit.several = tuple(rest)
        return report

    def leave_out(self, visit: Visit) -> None:
        """Choose no face of the first photo in `visit.several`."""
        visit.several = visit.several[1:]

    def load(self, visit: Visit, file: str | None) -> Gallery:
        """Replace the gallery with that of an uploaded file, which is returned.

        Raises:
            FaceHubError: the file is missing, damaged, of other weights or too large.
        """
        if file is None:
            raise PageError(texts.EXPIRED)
        try:
            with uploads(file):
                loaded = self.recognizer.load_gallery(file)
            visit.people.replace(loaded)
        except FaceHubError as error:  # name no path of the server
            raise PageError(str(error).replace(file, Upload.of(file).name)) from None
        visit.last, visit.several = None, ()
        return loaded

    def show_example(self, visit: Visit) -> None:
        """Replace the gallery and the picture with those of the example.

        Raises:
            PageError: the gallery is shared.
        """
        if visit.people.shared:
            raise PageError(texts.NOT_REPLACED)
        timed = self.recognizer.timed()
        visit.people.replace(self.recognizer.empty_gallery())
        visit.last, visit.several = None, ()
        for name, file in EXAMPLE_PEOPLE.items():
            visit.people.enrol(name, self.examples / file, file, timed)
        visit.probe.read(self.examples / EXAMPLE_PHOTO, timed, "thorough")

    def name_face(self, visit: Visit, position: Any, name: str) -> None:
        """Enrol a face of the picture.

        Args:
            visit: of the session.
            position: of the face, from left to right.
            name: whom it shows.

        Raises:
            FaceHubError: there is no such face, or it or the name cannot be used.
        """
        photo = visit.probe.photo
        if photo is None:
            raise PageError(texts.NO_PROBE)
        if not isinstance(position, int) or position not in range(len(photo.faces)):
            raise PageError(texts.CHOOSE_FACE)
        portrait = Portrait(clean_name(name), photo.pixels, texts.PROBE)
        report = visit.people.add_found([Enrolment(portrait, photo.faces[position])])
        if report.failures:
            raise PageError(report.failures[0])

    def rename(self, visit: Visit, person: Any, new_name: str) -> Change:
        """Rename a person."""
        return self._keep(visit, visit.people.rename(self._chosen(visit, person), new_name))

    def merge(self, visit: Visit, person: Any, other: Any) -> Change:
        """Give a person's photos to another person."""
        person = self._chosen(visit, person)
        if other is None:
            raise PageError(texts.NO_OTHER)
        other = self._chosen(visit, other)
        return self._keep(visit, visit.people.merge(person, other))

    def merge_found(self, visit: Visit) -> Change:
        """Merge the two people of `visit.two_names`, as the page named them.

        Raises:
            PageError: there are none, or one of them is gone.
        """
        return self.merge(visit, *(visit.two_names or (None, None)))

    def remove(self, visit: Visit, person: Any) -> Change:
        """Remove a person."""
        return self._keep(visit, visit.people.remove(self._chosen(visit, person)))

    def remove_photo(self, visit: Visit, person: Any, digest: Any) -> Change:
        """Remove one photo of a person, named by its digest."""
        person = self._chosen(visit, person)
        if not isinstance(digest, str):
            raise PageError(texts.NO_PHOTO)
        return self._keep(visit, visit.people.remove(person, digest))

    def undo(self, visit: Visit) -> None:
        """Undo the last change.

        Raises:
            FaceHubError: there is none, or the same people have been changed since.
        """
        change, visit.last = visit.last, None
        if change is None:
            raise PageError(texts.NOTHING_TO_UNDO)
        visit.people.undo(change)

    def delete(self, visit: Visit) -> None:
        """Forget everybody in the gallery and the picture; this cannot be undone."""
        visit.people.replace(self.recognizer.empty_gallery())
        visit.last, visit.several = None, ()
        visit.probe.begin()

    def names(self, visit: Visit) -> list[str]:
        """The people to choose from."""
        with private_errors():
            return list(visit.people.gallery.people(limit=MAX_CHOICES))

    def findings(self, visit: Visit) -> list[ReviewFinding]:
        """What looks wrong in the gallery; sets `visit.two_names`.

        Nothing is found where the gallery is too large to compare all photos.
        """
        gallery, found = visit.people.gallery, []
        visit.two_names = None
        if gallery.n_templates <= MAX_REVIEWED:
            with private_errors():
                found = review_gallery(gallery, self.recognizer.spec)
        pairs = ((one.name, one.other) for one in found if one.other != one.name)
        visit.two_names = next(pairs, None)
        return found

    def photos(self, visit: Visit, person: Any) -> list[tuple[str, str]]:
        """(source, digest) of a person's photos; none of one who is not there."""
        gallery = visit.people.gallery
        if person not in gallery:
            return []
        return [(one.source, one.digest) for one in gallery.examples(person)]

    def _chosen(self, visit: Visit, person: Any) -> str:
        if person is None:
            raise PageError(texts.NO_PERSON)
        if person not in visit.people.gallery:
            raise PageError(texts.NO_SUCH_PERSON)
        return str(person)

    def _keep(self, visit: Visit, change: Change) -> Change:
        visit.last = change
        return change

    def _named(self, photo: Photo, gallery: Gallery) -> list[IdentifiedFace]:
        spec = self.recognizer.spec
        with private_errors():
            return identify_faces(
                photo.faces,
                gallery,
                threshold=spec.threshold_for(gallery.n_templates),
                top_k=3,
                calibration=spec.calibration,
            )
