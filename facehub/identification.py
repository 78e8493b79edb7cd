"""Identification (1:N): enrol people in a gallery, and ask who is in a picture."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from facehub.errors import GalleryMismatchError
from facehub.gallery.memory import Candidate, Gallery
from facehub.io.images import ImageSource
from facehub.landmarker import Search
from facehub.model.spec import gallery_threshold
from facehub.pipeline import EmbeddedFace, FacePolicy, FaceRecognizer, default_recognizer
from facehub.quality import QualityIssue


@dataclass(frozen=True, eq=False)
class IdentifiedFace:
    """A face of a probe picture and who it may be.

    Attributes:
        probe: the face.
        name: the person, or None for unknown.
        similarity: cosine similarity to that person; None for unknown.
        candidates: the most similar people, best first, whether or not they reach the threshold.
    """

    probe: EmbeddedFace
    name: str | None
    similarity: float | None
    candidates: tuple[Candidate, ...]


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
    _check_weights(gallery, recognizer)
    face = recognizer.face(image, policy=policy, reject_issues=reject_issues)
    gallery.add(name, face.embedding, source)
    return face


def identify(
    image: ImageSource,
    gallery: Gallery,
    *,
    threshold: float | None = None,
    top_k: int = 5,
    search: Search = "thorough",
    recognizer: FaceRecognizer | None = None,
) -> list[IdentifiedFace]:
    """Say who is in a picture.

    Args:
        image: anything `load_image` takes.
        gallery: the people to look for.
        threshold: instead of `gallery_threshold`.
        top_k: most candidates per face.
        search: "thorough" also looks for small faces.
        recognizer: weights in use; None for the default ones.

    Returns:
        Every face from left to right; an empty list where there is none. No person is named twice.

    Raises:
        ImageError: the picture cannot be used.
        GalleryMismatchError: the gallery is of other weights.
    """
    recognizer = recognizer or default_recognizer()
    _check_weights(gallery, recognizer)
    limit = threshold
    if limit is None:
        limit = gallery_threshold(recognizer.config, gallery.n_templates)
    return identify_faces(
        recognizer.faces(image, search=search), gallery, threshold=limit, top_k=top_k
    )


def identify_faces(
    probes: Sequence[EmbeddedFace], gallery: Gallery, *, threshold: float, top_k: int = 5
) -> list[IdentifiedFace]:
    """As `identify`, for the faces of one picture that have been found and embedded already."""
    if not probes:
        return []
    # With as many candidates as faces, each face finds a free person if there is one for it.
    ranked = gallery.search(np.stack([p.embedding for p in probes]), max(top_k, len(probes)))
    names = assign(ranked, threshold)
    return [
        IdentifiedFace(
            probe,
            None if best is None else best.name,
            None if best is None else best.similarity,
            tuple(candidates[:top_k]),
        )
        for probe, candidates, best in zip(probes, ranked, names, strict=True)
    ]


def assign(ranked: list[list[Candidate]], threshold: float) -> list[Candidate | None]:
    """Give each face at most one person and each person at most one face, most similar first.

    Args:
        ranked: candidates for each face, best first.
        threshold: lowest similarity that names a person.

    Returns:
        The person of each face, or None for unknown.
    """
    pairs = sorted(
        (
            (candidate.similarity, face, candidate)
            for face, candidates in enumerate(ranked)
            for candidate in candidates
            if candidate.similarity >= threshold
        ),
        key=lambda pair: (-pair[0], pair[1]),
    )
    named: list[Candidate | None] = [None] * len(ranked)
    taken: set[str] = set()
    for _, face, candidate in pairs:
        if named[face] is None and candidate.name not in taken:
            named[face] = candidate
            taken.add(candidate.name)
    return named


def _check_weights(gallery: Gallery, recognizer: FaceRecognizer) -> None:
    if gallery.fingerprint != recognizer.fingerprint:
        raise GalleryMismatchError(
            "The gallery was made with other weights than the ones in use; enrol the photos again."
        )
