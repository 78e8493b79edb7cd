"""Look through a gallery for photos that may be enrolled wrongly."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from facehub.gallery.base import Gallery
from facehub.model.spec import ModelSpec

DUPLICATE = 0.97  # cosine similarity that only copies of one picture reach
FALSE = 0.1  # chance that a gallery of different people has a finding of two names


class Doubt(StrEnum):
    """What is odd about an enrolled photo. The value is a stable identifier."""

    DUPLICATE = "duplicate"
    OUTLIER = "outlier"
    TWO_NAMES = "two_names"


@dataclass(frozen=True)
class Finding:
    """An enrolled photo to look at again.

    Attributes:
        doubt: why.
        name: the person.
        example: position of the photo among the person's.
        source: the photo's source.
        other: the person of the photo that it was compared with; `name` itself for an outlier.
        other_source: that photo's source; "" for an outlier.
        similarity: cosine similarity of the two; of an outlier, to the nearest of the person's
            other photos.
    """

    doubt: Doubt
    name: str
    example: int
    source: str
    other: str
    other_source: str
    similarity: float


def review_gallery(gallery: Gallery, spec: ModelSpec) -> list[Finding]:
    """Find duplicates, photos far from the person's others, and people enrolled under two names.

    All photos are compared with all others: the more there are, the more strangers look alike. So
    two names are doubted only from the threshold for so many comparisons on
    (`ModelSpec.threshold_for`), with which a gallery of different people has a chance of `FALSE` of
    a wrong finding.

    Args:
        gallery: of up to some thousand templates; all pairs are compared.
        spec: of the weights; without a threshold, duplicates alone are found. A threshold that was
            given by hand is applied as it is.

    Returns:
        Findings in the order of enrolment; each photo at most once, for its gravest doubt.
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

    def found(doubt: Doubt, row: int, column: int) -> Finding:
        name, position, example = entries[row]
        other, _, compared = entries[column]
        source = "" if doubt is Doubt.OUTLIER else compared.source
        return Finding(
            doubt, name, position, example.source, other, source, float(similarity[row, column])
        )

    findings = []
    np.fill_diagonal(similarity, -2)
    for row, scores in enumerate(similarity):
        before = np.where(np.arange(len(scores)) < row, scores, -2)  # each pair once
        stranger = np.where(same[row], -2, before)
        own = np.where(same[row], scores, -2)
        if before.max() >= DUPLICATE:
            findings.append(found(Doubt.DUPLICATE, row, int(before.argmax())))
        elif outlier is None or two_names is None:
            continue
        elif -2 < own.max() < outlier - spec.uncertain_margin:
            findings.append(found(Doubt.OUTLIER, row, int(own.argmax())))
        elif stranger.max() >= two_names:
            findings.append(found(Doubt.TWO_NAMES, row, int(stranger.argmax())))
    return findings
