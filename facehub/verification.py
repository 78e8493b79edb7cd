"""Verification (1:1): decide whether two pictures show the same person."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Literal, get_args

import numpy as np

from facehub.errors import MultipleFacesError, NoFaceError
from facehub.io.images import ImageSource
from facehub.model.spec import ModelSpec, check_threshold
from facehub.pipeline import FaceRecognizer, default_recognizer
from facehub.quality import reject
from facehub.results import Decision, EmbeddedFace, QualityIssue, VerificationResult
from facehub.select import select_face

PairPolicy = Literal["exactly_one", "largest", "best_pair"]


def decide(similarity: float, threshold: float | None, uncertain_margin: float) -> Decision:
    """Turn a cosine similarity into a decision.

    Args:
        similarity: cosine similarity, -1 to 1.
        threshold: similarity from which two faces count as one person, or None.
        uncertain_margin: width of the "uncertain" band below the threshold.

    Raises:
        ValueError: the similarity or the margin is not a number.
    """
    if not (math.isfinite(similarity) and math.isfinite(uncertain_margin)):
        raise ValueError(f"a similarity must be a number, not {similarity!r}")
    threshold = check_threshold(threshold)
    if threshold is None:
        return Decision.UNCALIBRATED
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
        policy: for pictures with several faces: "exactly_one" gives CANNOT_TELL, "largest" compares
            the largest boxes, "best_pair" the most similar pair of faces. The
            result says which faces were compared.
        threshold: cosine similarity, -1 to 1, applied unchanged; None: the weights' threshold,
            which rises with the number of pairs for "best_pair" (`ModelSpec.threshold_for`).
            Weights without a threshold give UNCALIBRATED.
        reject_issues: quality issues that count as errors.
        recognizer: the recogniser to use; None: the default one.

    Raises:
        ImageError: a picture cannot be used.
        LowQualityError: a compared face has an issue in `reject_issues`.
        ValueError: the policy is unknown, or the threshold is not a number from -1 to 1.
        WeightsError: the default weights cannot be loaded.
    """
    check_threshold(threshold)  # fails early
    recognizer = recognizer or default_recognizer()
    return compare_faces(
        recognizer.faces(first),
        recognizer.faces(second),
        recognizer.spec,
        policy=policy,
        threshold=threshold,
        reject_issues=reject_issues,
    )


def compare_faces(
    first: Sequence[EmbeddedFace],
    second: Sequence[EmbeddedFace],
    spec: ModelSpec,
    *,
    policy: PairPolicy = "exactly_one",
    threshold: float | None = None,
    reject_issues: Collection[QualityIssue] = (),
) -> VerificationResult:
    """Like `verify`, for faces that are already embedded.

    Args:
        first, second: all faces of each picture.
        spec: of the weights.
        policy, threshold, reject_issues: see `verify`.

    Raises:
        LowQualityError: a compared face has an issue in `reject_issues`.
        ValueError: the policy is unknown, or the threshold is not a number from -1 to 1.
    """
    if policy not in get_args(PairPolicy):
        raise ValueError(f"policy must be one of {get_args(PairPolicy)}, not {policy!r}")
    limit = check_threshold(threshold)
    if limit is None:
        pairs = len(first) * len(second) if policy == "best_pair" else 1
        limit = spec.threshold_for(pairs)
    margin = spec.uncertain_margin
    chosen: list[int | None] = []
    reasons = []
    for which, faces in (("first", first), ("second", second)):
        try:
            chosen.append(_select(faces, "largest" if policy == "best_pair" else policy))
        except (NoFaceError, MultipleFacesError) as error:
            chosen.append(None)
            reasons.append(f"In the {which} picture: {error}")
    row, column = chosen
    if row is not None and column is not None and policy == "best_pair":
        scores = np.stack([f.embedding for f in first]) @ np.stack([f.embedding for f in second]).T
        row, column = map(int, np.unravel_index(scores.argmax(), scores.shape))
    one = None if row is None else first[row]
    two = None if column is None else second[column]
    if one is None or two is None:
        decision, similarity = Decision.CANNOT_TELL, None
    else:
        reject(one.issues, reject_issues)
        reject(two.issues, reject_issues)
        similarity = float(np.clip(one.embedding @ two.embedding, -1, 1))
        decision = decide(similarity, limit, margin)
    return VerificationResult(
        decision, similarity, limit, margin, one, two, " ".join(reasons) or None, row, column
    )


def _select(faces: Sequence[EmbeddedFace], policy: Literal["exactly_one", "largest"]) -> int:
    return select_face([f.face for f in faces], (), policy)
