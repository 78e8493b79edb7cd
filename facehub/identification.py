"""Identification (1:N): who of a gallery is in a picture?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from facehub.detect.base import Search
from facehub.errors import GalleryMismatchError
from facehub.gallery.base import Gallery
from facehub.io.images import ImageSource
from facehub.model.calibration import Calibration
from facehub.model.spec import check_threshold
from facehub.pipeline import FaceRecognizer, default_recognizer
from facehub.results import Candidate, EmbeddedFace, IdentifiedFace


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
        threshold: -1 to 1, applied as it is, instead of `ModelSpec.threshold_for`. Without one
            (uncalibrated weights), faces get candidates but no name.
        top_k: most candidates per face.
        search: "thorough" also looks for small faces.
        recognizer: weights in use; None for the default ones.

    Returns:
        Every face from left to right; an empty list where there is none. No person is named twice.

    Raises:
        ImageError: the picture cannot be used.
        GalleryMismatchError: the gallery is of other weights.
        ValueError: a threshold that is no number from -1 to 1.
    """
    limit = check_threshold(threshold)
    recognizer = recognizer or default_recognizer()
    check_gallery(gallery, recognizer)
    if limit is None:
        limit = recognizer.spec.threshold_for(gallery.n_templates)
    return identify_faces(
        recognizer.faces(image, search=search),
        gallery,
        threshold=limit,
        top_k=top_k,
        calibration=recognizer.spec.calibration,
    )


def identify_faces(
    probes: Sequence[EmbeddedFace],
    gallery: Gallery,
    *,
    threshold: float | None,
    top_k: int = 5,
    calibration: Calibration | None = None,
) -> list[IdentifiedFace]:
    """As `identify`, for the faces of one picture that have been found and embedded already.

    Args:
        probes, gallery, top_k: see `identify`.
        threshold: lowest similarity that names a person, -1 to 1; None names nobody.
        calibration: of the weights; gives candidates their odds.

    Raises:
        GalleryError: an embedding is no template of this gallery: its length, or not finite.
        ValueError: a threshold that is no number from -1 to 1.
    """
    threshold = check_threshold(threshold)
    if not probes:
        return []
    # With as many candidates as faces, each face finds a free person if there is one for it.
    ranked = gallery.search(np.stack([p.embedding for p in probes]), max(top_k, len(probes)))
    names = assign(ranked, threshold)
    templates = gallery.n_templates
    return [
        IdentifiedFace(
            probe,
            None if best is None else best.name,
            None if best is None else best.similarity,
            tuple(with_odds(c, templates, calibration) for c in candidates[:top_k]),
        )
        for probe, candidates, best in zip(probes, ranked, names, strict=True)
    ]


def with_odds(candidate: Candidate, templates: int, calibration: Calibration | None) -> Candidate:
    """The candidate with its odds in a gallery of so many templates, where they are known."""
    fmr = None if calibration is None else calibration.fmr_at(candidate.similarity)
    if calibration is None or fmr is None:
        return candidate
    return dataclasses.replace(
        candidate,
        fpir=calibration.fpir_at(candidate.similarity, templates),
        extrapolated=not calibration.was_measured(fmr),
    )


def assign(ranked: list[list[Candidate]], threshold: float | None) -> list[Candidate | None]:
    """Give each face at most one person and each person at most one face, most similar first.

    Args:
        ranked: candidates for each face, best first.
        threshold: lowest similarity that names a person; None names nobody.

    Returns:
        The person of each face, or None for unknown.
    """
    pairs = sorted(
        (
            (candidate.similarity, face, candidate)
            for face, candidates in enumerate(ranked)
            for candidate in candidates
            if threshold is not None and candidate.similarity >= threshold
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


def check_gallery(gallery: Gallery, recognizer: FaceRecognizer) -> None:
    """Find out whether the gallery's templates come from the weights in use.

    Raises:
        GalleryMismatchError: they do not.
    """
    if gallery.fingerprint != recognizer.fingerprint:
        raise GalleryMismatchError(
            "The gallery was made with other weights than the ones in use; enrol the photos again."
        )
