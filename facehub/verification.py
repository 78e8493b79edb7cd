"""Verification (1:1): do two pictures show the same person?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

import numpy as np

from facehub.errors import MultipleFacesError, NoFaceError
from facehub.io.images import ImageSource
from facehub.model.spec import EncoderConfig, gallery_threshold
from facehub.pipeline import EmbeddedFace, FaceRecognizer, default_recognizer, select_face
from facehub.quality import QualityIssue, reject

PairPolicy = Literal["exactly_one", "largest", "best_pair"]


class Decision(StrEnum):
    """Outcome of a verification. The value is a stable identifier."""

    SAME = "same"
    UNCERTAIN = "uncertain"
    DIFFERENT = "different"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, eq=False)
class VerificationResult:
    """Outcome of a verification.

    Attributes:
        decision: SAME from the threshold up, UNCERTAIN just below it, DIFFERENT further below;
            CANNOT_TELL where a picture does not show the face to compare.
        similarity: cosine similarity, -1 to 1; None where the decision is CANNOT_TELL.
        threshold: similarity from which two faces count as one person.
        uncertain_margin: width of the "uncertain" band below the threshold.
        first: face compared in the first picture, if one was chosen.
        second: face compared in the second picture, if one was chosen.
        reason: why the decision is CANNOT_TELL, one sentence or two.
    """

    decision: Decision
    similarity: float | None
    threshold: float
    uncertain_margin: float
    first: EmbeddedFace | None = None
    second: EmbeddedFace | None = None
    reason: str | None = None


def decide(similarity: float, threshold: float, uncertain_margin: float) -> Decision:
    """Turn a cosine similarity into a decision."""
    if similarity >= threshold:
        return Decision.SAME
    if similarity >= threshold - uncertain_margin:
        return Decision.UNCERTAIN
    return Decision.DIFFERENT


def verify(
    first: ImageSource,
    second: ImageSource,
    *,
    policy: PairPolicy = "exactly_one",
    threshold: float | None = None,
    reject_issues: Collection[QualityIssue] = (),
    recognizer: FaceRecognizer | None = None,
) -> VerificationResult:
    """Compare two pictures.

    Args:
        first, second: anything `load_image` takes.
        policy: where a picture shows several faces: "exactly_one" cannot tell, "largest" takes the
            largest box, "best_pair" the most similar pair of faces.
        threshold: instead of the one calibrated for the weights, which "best_pair" raises where
            there are many pairs (`gallery_threshold`).
        reject_issues: quality issues that count as errors.
        recognizer: weights in use; None for the default ones.

    Raises:
        ImageError: a picture cannot be used.
        LowQualityError: a compared face has an issue in `reject_issues`.
        ValueError: another policy.
        WeightsError: the default weights cannot be loaded.
    """
    recognizer = recognizer or default_recognizer()
    return compare_faces(
        recognizer.faces(first),
        recognizer.faces(second),
        recognizer.config,
        policy=policy,
        threshold=threshold,
        reject_issues=reject_issues,
    )


def compare_faces(
    first: Sequence[EmbeddedFace],
    second: Sequence[EmbeddedFace],
    config: EncoderConfig,
    *,
    policy: PairPolicy = "exactly_one",
    threshold: float | None = None,
    reject_issues: Collection[QualityIssue] = (),
) -> VerificationResult:
    """As `verify`, for faces that have been found and embedded already."""
    if policy not in get_args(PairPolicy):
        raise ValueError(f"policy must be one of {get_args(PairPolicy)}, not {policy!r}")
    limit = threshold
    if limit is None:  # the best of many pairs resembles sooner than one pair
        pairs = len(first) * len(second) if policy == "best_pair" else 1
        limit = gallery_threshold(config, pairs)
    margin = config.uncertain_margin
    chosen: list[EmbeddedFace | None] = []
    reasons = []
    for which, faces in (("first", first), ("second", second)):
        try:
            chosen.append(select_face(faces, "largest" if policy == "best_pair" else policy))
        except (NoFaceError, MultipleFacesError) as error:
            chosen.append(None)
            reasons.append(f"In the {which} picture: {error}")
    one, two = chosen
    if one is None or two is None:
        return VerificationResult(
            Decision.CANNOT_TELL, None, limit, margin, one, two, " ".join(reasons)
        )
    if policy == "best_pair":
        scores = np.stack([f.embedding for f in first]) @ np.stack([f.embedding for f in second]).T
        row, column = np.unravel_index(scores.argmax(), scores.shape)
        one, two = first[row], second[column]
    reject(one.issues, reject_issues)
    reject(two.issues, reject_issues)
    similarity = float(np.clip(one.embedding @ two.embedding, -1, 1))
    return VerificationResult(
        decide(similarity, limit, margin), similarity, limit, margin, one, two
    )
