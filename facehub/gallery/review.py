"""Find photos in a gallery that may be enrolled wrongly."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from facehub.gallery.base import Gallery
from facehub.model.spec import ModelSpec

DUPLICATE = 0.97  # cosine similarity that only copies of one picture reach
FALSE = 0.1  # probability of a false TWO_NAMES finding in a gallery of different people


class ReviewReason(StrEnum):
    """Why an enrolled photo needs review. The value is a stable identifier."""

    DUPLICATE = "duplicate"
    OUTLIER = "outlier"
    TWO_NAMES = "two_names"


@dataclass(frozen=True)
class ReviewFinding:
    """An enrolled photo that needs review.

    Attributes:
        reason: why it needs review.
        name: the person.
        example: index of the photo among the person's, from 0.
        source: the photo's source.
        other: the person of the photo that it was compared with; `name` itself for an outlier.
        other_source: that photo's source; "" for an outlier.
        similarity: cosine similarity of the two photos (-1 to 1); for an outlier, the similarity
            to the nearest of the person's other photos.
    """

    reason: ReviewReason
    name: str
    example: int
    source: str
    other: str
    other_source: str
    similarity: float


def review_gallery(gallery: Gallery, spec: ModelSpec) -> list[ReviewFinding]:
    """Find duplicates, photos far from the person's others, and people enrolled under two names.

    The more photos are compared, the more strangers look alike. TWO_NAMES therefore uses the
    threshold for the number of comparisons (`ModelSpec.threshold_for`): a gallery of different
    people has a false finding with probability `FALSE`.

    Args:
        gallery: up to a few thousand templates; all pairs are compared.
        spec: of the weights. Without a threshold, only duplicates are found. A threshold set by
            hand is applied unchanged.

    Returns:
        Findings in the order of enrolment; each photo at most once, for its most serious reason.
    """
    entries = [
        (name, position, example)
        for name in gallery
        for position, example in enumerate(gallery.examples(name))
    ]
    if len(entries) < 2:
        return []
    matrix = np.stack([example.template for _, _, example in entries])
    similarity = matrix @ matrix.T
    number = {name: i for i, name in enumerate(gallery)}
    people = np.array([number[name] for name, _, _ in entries])
    same = people[:, None] == people
    strangers = (len(entries) ** 2 - int(same.sum())) // 2
    outlier, two_names = spec.threshold, spec.threshold_for(strangers, FALSE)

    def found(reason: ReviewReason, row: int, column: int) -> ReviewFinding:
        name, position, example = entries[row]
        other, _, compared = entries[column]
        source = "" if reason is ReviewReason.OUTLIER else compared.source
        return ReviewFinding(
            reason, name, position, example.source, other, source, float(similarity[row, column])
        )

    findings = []
    np.fill_diagonal(similarity, -2)
    for row, scores in enumerate(similarity):
        before = np.where(np.arange(len(scores)) < row, scores, -2)  # each pair once
        stranger = np.where(same[row], -2, before)
        own = np.where(same[row], scores, -2)
        if before.max() >= DUPLICATE:
            findings.append(found(ReviewReason.DUPLICATE, row, int(before.argmax())))
        elif outlier is None or two_names is None:
            continue
        elif -2 < own.max() < outlier - spec.uncertain_margin:
            findings.append(found(ReviewReason.OUTLIER, row, int(own.argmax())))
        elif stranger.max() >= two_names:
            findings.append(found(ReviewReason.TWO_NAMES, row, int(stranger.argmax())))
    return findings
