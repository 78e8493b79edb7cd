"""Result types. All are frozen; `to_dict` converts them for JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

Box = tuple[float, float, float, float]


class QualityIssue(StrEnum):
    """An issue that may make comparisons unreliable. The value is a stable identifier."""

    SEVERAL_FACES = "several_faces"
    SMALL_FACE = "small_face"
    STRONG_YAW = "strong_yaw"
    STRONG_PITCH = "strong_pitch"
    STRONG_ROLL = "strong_roll"
    BLURRED = "blurred"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    CUT_OFF = "cut_off"
    COVERED_EYES = "covered_eyes"
    COVERED_MOUTH = "covered_mouth"
    TOO_MANY_FACES = "too_many_faces"
    DOUBTFUL_FACE = "doubtful_face"


class Decision(StrEnum):
    """Outcome of a verification. The value is a stable identifier."""

    SAME = "same"
    UNCERTAIN = "uncertain"
    DIFFERENT = "different"
    CANNOT_TELL = "cannot_tell"
    UNCALIBRATED = "uncalibrated"


@dataclass(frozen=True, eq=False)
class Face:
    """An aligned face. Image coordinates are pixels, x right, y down.

    Attributes:
        crop: uint8 (112, 96, 3) or the template's size, RGB, 0 to 255; the network's input.
        box: (x0, y0, x1, y1) around all landmarks, in image pixels; may extend beyond the picture.
        pupils: float32 (2, 2), (x, y) of the image-left and the image-right pupil.
        inter_eye: distance between the pupils in image pixels.
        yaw: degrees, positive when the face turns to the right of the crop.
        pitch: degrees, positive when the face looks up in the crop.
        roll: degrees of in-plane rotation, -180 to 180, positive clockwise in the image; removed in
            the crop.
        matrix: float32 (2, 3), which maps image pixels to crop pixels.
        landmarks: float32 (478, 2), MediaPipe Face Mesh points in image pixels.
        upright_score: log odds that the crop shows a well-aligned, upright face, see
            `facehub.upright`; None if not computed.
    """

    crop: np.ndarray = field(repr=False)
    box: Box
    pupils: np.ndarray
    inter_eye: float
    yaw: float
    pitch: float
    roll: float
    matrix: np.ndarray = field(repr=False)
    landmarks: np.ndarray = field(repr=False)
    upright_score: float | None = None

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)

    def to_dict(self) -> dict[str, Any]:
        """Geometry for JSON: box, inter_eye (pixels), yaw, pitch, roll (degrees)."""
        return {
            "box": [round(float(value), 1) for value in self.box],
            "inter_eye": round(self.inter_eye, 1),
            "yaw": round(self.yaw, 1),
            "pitch": round(self.pitch, 1),
            "roll": round(self.roll, 1),
        }


@dataclass(frozen=True, eq=False)
class EmbeddedFace:
    """A face with its embedding.

    Attributes:
        face: geometry and aligned crop.
        embedding: float32 (512,), L2-normalised. Biometric data: guard it like the photo.
        issues: quality warnings, see `facehub.quality`.
    """

    face: Face
    embedding: np.ndarray = field(repr=False)
    issues: tuple[QualityIssue, ...] = ()

    def __post_init__(self) -> None:
        if not np.isfinite(self.embedding).all():  # NaN would compare as "different"
            raise ValueError("an embedding must be finite")

    def to_dict(self) -> dict[str, Any]:
        """Geometry and issues for JSON, without the embedding."""
        return {**self.face.to_dict(), "issues": [issue.value for issue in self.issues]}


@dataclass(frozen=True, eq=False)
class VerificationResult:
    """Outcome of a verification.

    Attributes:
        decision: SAME from the threshold up, UNCERTAIN just below it, DIFFERENT further below;
            CANNOT_TELL if a picture does not show the face to compare; UNCALIBRATED if the weights
            have no threshold.
        similarity: cosine similarity, -1 to 1; None if the decision is CANNOT_TELL.
        threshold: similarity from which two faces count as one person; None without one.
        uncertain_margin: width of the "uncertain" band below the threshold.
        first: face compared in the first picture, if one was selected.
        second: face compared in the second picture, if one was selected.
        reason: why the decision is CANNOT_TELL, one or two sentences; None otherwise.
        first_index: index of `first` among the faces of its picture, from left to right, from 0.
        second_index: the same for `second`.
    """

    decision: Decision
    similarity: float | None
    threshold: float | None
    uncertain_margin: float
    first: EmbeddedFace | None = None
    second: EmbeddedFace | None = None
    reason: str | None = None
    first_index: int | None = None
    second_index: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Convert to a dict for JSON."""
        return {
            "decision": self.decision.value,
            "similarity": rounded(self.similarity),
            "threshold": rounded(self.threshold),
            "uncertain_margin": rounded(self.uncertain_margin),
            "reason": self.reason,
            "first": _compared(self.first, self.first_index),
            "second": _compared(self.second, self.second_index),
        }


@dataclass(frozen=True)
class Candidate:
    """A person that a probe resembles.

    Attributes:
        name: the person.
        similarity: cosine similarity of the person's best example, -1 to 1.
        example: index of that example among the person's, from 0.
        source: that example's source.
        fpir: the candidate's odds in this gallery: the share of strangers who reach this similarity
            with someone in it, 0 to 1, see `Calibration.fpir_at`; None without a calibration.
        extrapolated: whether `fpir` comes from an FMR below the measurable range.
    """

    name: str
    similarity: float
    example: int
    source: str
    fpir: float | None = None
    extrapolated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Convert to a dict for JSON."""
        return {
            "name": self.name,
            "similarity": rounded(self.similarity),
            "example": self.example,
            "source": self.source,
            "fpir": None if self.fpir is None else float(f"{self.fpir:.3g}"),
            "extrapolated": self.extrapolated,
        }


@dataclass(frozen=True, eq=False)
class IdentifiedFace:
    """A face of a probe picture and its candidates.

    Attributes:
        probe: the face.
        name: the person, or None for unknown.
        similarity: cosine similarity to that person; None for unknown.
        candidates: the most similar people, best first, regardless of the threshold.
    """

    probe: EmbeddedFace
    name: str | None
    similarity: float | None
    candidates: tuple[Candidate, ...]

    @property
    def candidate(self) -> Candidate | None:
        """The named person's candidate, else the most similar one; None if there is none."""
        return next((c for c in self.candidates if self.name in (None, c.name)), None)

    def to_dict(self) -> dict[str, Any]:
        """Convert to a dict for JSON."""
        return {
            "name": self.name,
            "similarity": rounded(self.similarity),
            **self.probe.to_dict(),
            "candidates": [candidate.to_dict() for candidate in self.candidates],
        }


def _compared(face: EmbeddedFace | None, index: int | None) -> dict[str, Any] | None:
    return None if face is None else {"index": index, **face.to_dict()}


def rounded(similarity: float | None) -> float | None:
    """Round to four digits, as in all printed results; None stays None."""
    return None if similarity is None else round(float(similarity), 4)


def one_in(rate: float) -> str:
    """Format n of "1 in n" for a rate above 0, with two significant digits: 0.00099 -> "1,000"."""
    n = 1 / rate
    return f"{round(n, 1 - math.floor(math.log10(n))):,.0f}" if n >= 10 else f"{n:.0f}"
