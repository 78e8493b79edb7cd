"""Identification (1:N): find people of a gallery in a picture."""

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
    """Identify the people in a picture.

    Args:
        image: anything `load_image` takes.
        gallery: the people to look for.
        threshold: cosine similarity, -1 to 1, applied unchanged; None:
            `ModelSpec.threshold_for`. With uncalibrated weights and no threshold, faces get
            candidates but no name.
        top_k: largest number of candidates per face.
        search: "thorough" also finds small faces, see `FaceDetector.find`.
        recognizer: the recogniser to use; None: the default one.

    Returns:
        Every face from left to right; an empty list if there is none. No person is named twice.

    Raises:
        ImageError: the picture cannot be used.
        GalleryMismatchError: the gallery belongs to other weights.
        ValueError: the threshold is not a number from -1 to 1.
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
    """Like `identify`, for faces of one picture that are already embedded.

    Args:
        probes: the faces.
        gallery, top_k: see `identify`.
        threshold: lowest similarity at which a face is named, -1 to 1; None: no face is named.
        calibration: of the weights; gives candidates their odds.

    Raises:
        GalleryError: an embedding has the wrong length or is not finite.
        ValueError: the threshold is not a number from -1 to 1.
    """
    threshold = check_threshold(threshold)
    if not probes:
        return []
    # With as many candidates as faces, each face can find a person that no other face takes.
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
    """Add a candidate's odds in a gallery with this number of templates, if they are known."""
    fmr = None if calibration is None else calibration.fmr_at(candidate.similarity)
    if calibration is None or fmr is None:
        return candidate
    return dataclasses.replace(
        candidate,
        fpir=calibration.fpir_at(candidate.similarity, templates),
        extrapolated=not calibration.was_measured(fmr),
    )


def assign(ranked: list[list[Candidate]], threshold: float | None) -> list[Candidate | None]:
    """Assign at most one person to each face and one face to each person, most similar first.

    Args:
        ranked: candidates of each face, best first.
        threshold: lowest similarity at which a face is named; None: no face is named.

    Returns:
        The candidate of each face, or None for unknown.
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
    """Check that a gallery belongs to the weights in use.

    Raises:
        GalleryMismatchError: the gallery belongs to other weights.
    """
    if gallery.fingerprint != recognizer.fingerprint:
        raise GalleryMismatchError(
            "The gallery was made with other weights than the ones in use; enrol the photos again."
        )
