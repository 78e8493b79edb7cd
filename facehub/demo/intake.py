"""Photos on their way into a gallery: the face of each, or several faces to choose from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from facehub.enrolment import Enrolment, Portrait, name_error
from facehub.errors import FaceHubError
from facehub.io.images import ImageSource
from facehub.pipeline import FaceRecognizer
from facehub.results import EmbeddedFace, QualityIssue
from facehub.select import select_face


@dataclass(frozen=True, eq=False)
class SeveralFaces:
    """A photo that shows several faces: the user says which one is meant.

    Attributes:
        portrait: the photo; its pixels are not kept.
        faces: from left to right.
    """

    portrait: Portrait
    faces: tuple[EmbeddedFace, ...] = field(repr=False)

    def chosen(self, position: int) -> Enrolment:
        """The face at a position, to be added."""
        face = self.faces[position]
        issues = tuple(i for i in face.issues if i is not QualityIssue.SEVERAL_FACES)
        return Enrolment(self.portrait, replace(face, issues=issues))


@dataclass(frozen=True)
class EnrolmentReport:
    """What became of several photos.

    Attributes:
        added: how many were added.
        known: how many were there already, so that they were not added again.
        failures: a message for each other one.
        warnings: what is odd about those that were added.
        left_out: a message for each kind of file that was left out of a zip.
        several: photos whose face is still to be chosen.
        seen: how many were looked at.
        total: how many there are to look at.
    """

    added: int = 0
    known: int = 0
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    several: tuple[SeveralFaces, ...] = field(default=(), compare=False)
    seen: int = field(default=0, compare=False)
    total: int = field(default=0, compare=False)

    @property
    def details(self) -> list[str]:
        """All messages."""
        return self.failures + self.warnings + self.left_out


def find_faces(
    portraits: Iterable[Portrait], recognizer: FaceRecognizer, rejected: Collection[QualityIssue]
) -> Iterator[Enrolment | SeveralFaces]:
    """Find the face of each photo, one photo at a time: the host bounds what runs at once.

    Args:
        portraits: read as they are needed.
        recognizer: weights in use.
        rejected: quality issues for which a photo is refused; with `SEVERAL_FACES` among them, one
            that shows several is an error.
    """
    for portrait in portraits:
        try:
            faces = recognizer.faces(_open(portrait))
            if len(faces) > 1 and QualityIssue.SEVERAL_FACES not in rejected:
                yield SeveralFaces(replace(portrait, image=faces[0].face.crop), tuple(faces))
                continue
            found = faces[select_face([face.face for face in faces], ())]
        except FaceHubError as error:
            yield Enrolment(portrait, error=error)
        else:
            yield Enrolment(portrait, found)


def _open(portrait: Portrait) -> ImageSource:
    if isinstance(portrait.image, FaceHubError):
        raise portrait.image
    error = name_error(portrait)  # no need to look at a photo that cannot be enrolled
    if error is not None:
        raise error
    return portrait.image() if callable(portrait.image) else portrait.image
