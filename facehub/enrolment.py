"""Enrolment: photos of people into a gallery, for library, command and page alike."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from facehub.errors import FaceHubError
from facehub.gallery.base import Gallery, clean_name
from facehub.identification import check_gallery
from facehub.io.images import ImageSource
from facehub.pipeline import FaceRecognizer, default_recognizer
from facehub.quality import reject
from facehub.results import EmbeddedFace, QualityIssue
from facehub.select import FacePolicy

SAME_PHOTO = 0.9999  # cosine similarity of a person's templates that only one photo gives


@dataclass(frozen=True, eq=False)
class Portrait:
    """A photo of a person, to be enrolled.

    Attributes:
        name: whom it shows.
        image: anything `load_image` takes, a function that returns it, or the error that reading
            it gave.
        source: kept with the template for people to read, a file name say.
    """

    name: str
    image: ImageSource | Callable[[], ImageSource] | FaceHubError
    source: str = ""


@dataclass(frozen=True, eq=False)
class Enrolment:
    """What became of a portrait.

    Attributes:
        portrait: the photo.
        face: the face that was found, or None.
        known: whether the person had a template of this very photo already; nothing was added.
        error: why nothing was added, or None.
    """

    portrait: Portrait
    face: EmbeddedFace | None = None
    known: bool = False
    error: FaceHubError | None = None

    @property
    def added(self) -> bool:
        """Whether a template was added."""
        return self.error is None and not self.known


def enrol(
    gallery: Gallery,
    name: str,
    image: ImageSource,
    *,
    source: str = "",
    policy: FacePolicy = "exactly_one",
    reject_issues: Collection[QualityIssue] = (),
    recognizer: FaceRecognizer | None = None,
) -> EmbeddedFace:
    """Add a photo of a person to a gallery. On any error the gallery stays as it was.

    Args:
        gallery: changed in place.
        name: the person; new or known.
        image: anything `load_image` takes.
        source: kept with the template for people to read, a file name say.
        policy: what to do where the photo shows several faces, see `select_face`.
        reject_issues: quality issues that count as errors.
        recognizer: weights in use; None for the default ones.

    Returns:
        The enrolled face.

    Raises:
        ImageError, NoFaceError, MultipleFacesError, LowQualityError: the photo is no good.
        GalleryError: the name is no good, or the gallery is of other weights.
    """
    recognizer = recognizer or default_recognizer()
    check_gallery(gallery, recognizer)
    face = recognizer.face(image, policy=policy, reject_issues=reject_issues)
    gallery.add(name, face.embedding, source)
    return face


def embed_portraits(
    portraits: Iterable[Portrait],
    recognizer: FaceRecognizer,
    *,
    policy: FacePolicy = "exactly_one",
    workers: int | None = None,
) -> Iterator[Enrolment]:
    """Find and embed the face of each portrait; changes no gallery.

    Args:
        portraits: read as they are needed.
        recognizer: weights in use.
        policy: what to do where a photo shows several faces, see `select_face`.
        workers: threads, see `FaceRecognizer.faces_many`.

    Yields:
        One for each portrait, in order: a face, or an error.
    """
    waiting: collections.deque[Portrait] = collections.deque()

    def images() -> Iterator[Callable[[], ImageSource]]:
        for portrait in portraits:
            waiting.append(portrait)
            yield functools.partial(_open, portrait)

    for found in recognizer.faces_many(images(), policy=policy, workers=workers):
        if isinstance(found, FaceHubError):
            yield Enrolment(waiting.popleft(), error=found)
        else:
            yield Enrolment(waiting.popleft(), found[0])


def add_enrolments(
    gallery: Gallery,
    enrolments: Iterable[Enrolment],
    *,
    reject_issues: Collection[QualityIssue] = (),
) -> Iterator[Enrolment]:
    """Add what `embed_portraits` found to a gallery. A photo that is there already is not added.

    Args:
        gallery: changed in place.
        enrolments: passed on, with `known` and `error` filled in.
        reject_issues: quality issues that count as errors.
    """
    for enrolment in enrolments:
        portrait, face = enrolment.portrait, enrolment.face
        if face is None:
            yield enrolment
            continue
        try:
            reject(face.issues, reject_issues)
            if _has(gallery, portrait.name, face):
                yield Enrolment(portrait, face, known=True)
                continue
            gallery.add(portrait.name, face.embedding, portrait.source)
        except FaceHubError as error:
            yield Enrolment(portrait, face, error=error)
        else:
            yield enrolment


def name_error(portrait: Portrait) -> FaceHubError | None:
    """Why nobody can have the portrait's name, or None."""
    try:
        clean_name(portrait.name)
    except FaceHubError as error:
        return error
    return None


def _open(portrait: Portrait) -> ImageSource:
    image = portrait.image
    if isinstance(image, FaceHubError):
        raise image
    error = name_error(portrait)  # no need to look at a photo that cannot be enrolled
    if error is not None:
        raise error
    return image() if callable(image) else image


def _has(gallery: Gallery, name: str, face: EmbeddedFace) -> bool:
    known = gallery.examples(name) if name in gallery else ()
    return any(float(example.template @ face.embedding) > SAME_PHOTO for example in known)
