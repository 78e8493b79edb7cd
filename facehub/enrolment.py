"""Enrol photos of people in a gallery; shared by the library, the command and the page."""

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

SAME_PHOTO = 0.9999  # cosine similarity of two templates that only the same photo reaches


@dataclass(frozen=True, eq=False)
class Portrait:
    """A photo of a person to enrol.

    Attributes:
        name: the person's name.
        image: anything `load_image` takes, a function that returns it, or the error from reading
            it.
        source: stored with the template for display, a file name say.
    """

    name: str
    image: ImageSource | Callable[[], ImageSource] | FaceHubError
    source: str = ""


@dataclass(frozen=True, eq=False)
class Enrolment:
    """The outcome of enrolling a portrait.

    Attributes:
        portrait: the photo.
        face: the face found, or None.
        known: whether the person already had a template of the same photo; nothing was added.
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
    """Enrol a photo of a person. On an error the gallery does not change.

    Args:
        gallery: changed in place.
        name: the person, new or already enrolled.
        image: anything `load_image` takes.
        source: stored with the template for display, a file name say.
        policy: what to do if the photo shows several faces, see `select_face`.
        reject_issues: quality issues that count as errors.
        recognizer: the recogniser to use; None: the default one.

    Returns:
        The enrolled face.

    Raises:
        ImageError, NoFaceError, MultipleFacesError, LowQualityError: the photo cannot be used.
        GalleryError: the name is invalid, or the gallery belongs to other weights.
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
    """Find and embed the face of each portrait, without changing a gallery.

    Args:
        portraits: consumed lazily.
        recognizer: the recogniser to use.
        policy: what to do if a photo shows several faces, see `select_face`.
        workers: number of threads, see `FaceRecognizer.faces_many`.

    Yields:
        One outcome per portrait, in order: a face, or an error.
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
    """Add the results of `embed_portraits` to a gallery, except photos that are already enrolled.

    Args:
        gallery: changed in place.
        enrolments: from `embed_portraits`.
        reject_issues: quality issues that count as errors.

    Yields:
        The enrolments, in order, with `known` and `error` set.
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
    """The error if the portrait's name is invalid, or None."""
    try:
        clean_name(portrait.name)
    except FaceHubError as error:
        return error
    return None


def _open(portrait: Portrait) -> ImageSource:
    image = portrait.image
    if isinstance(image, FaceHubError):
        raise image
    error = name_error(portrait)  # saves reading a photo that cannot be enrolled
    if error is not None:
        raise error
    return image() if callable(image) else image


def _has(gallery: Gallery, name: str, face: EmbeddedFace) -> bool:
    known = gallery.examples(name) if name in gallery else ()
    return any(float(example.template @ face.embedding) > SAME_PHOTO for example in known)
