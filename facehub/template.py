"""Alignment templates: the positions of landmarks in an aligned crop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_SIDE = 1024  # pixels of a crop

Point = tuple[float, float]


_FURTHER = ("nose", "left_mouth", "right_mouth")


@dataclass(frozen=True)
class AlignmentTemplate:
    """Geometry of the aligned crop, in crop pixels (x right, y down, pixel centres at integers).

    Two points (the pupils) fix rotation, scale and shift. With all five, a face is aligned by
    least squares over pupils, nose and mouth.

    Attributes:
        width: crop width.
        height: crop height.
        left_eye: (x, y) of the pupil at image left (the subject's right eye).
        right_eye: (x, y) of the pupil at image right.
        nose: (x, y) of the tip of the nose, or None.
        left_mouth: (x, y) of the corner of the mouth at image left, or None.
        right_mouth: (x, y) of the corner of the mouth at image right, or None.

    Raises:
        ValueError: a size or a point is invalid.
    """

    width: int = 96
    height: int = 112
    left_eye: Point = (30.4, 51.6)
    right_eye: Point = (65.6, 51.6)
    nose: Point | None = None
    left_mouth: Point | None = None
    right_mouth: Point | None = None

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            side = getattr(self, name)
            if isinstance(side, bool) or not isinstance(side, int) or not 1 <= side <= MAX_SIDE:
                raise ValueError(f"{name} must be a whole number from 1 to {MAX_SIDE}")
        for name in ("left_eye", "right_eye", *_FURTHER):
            value = getattr(self, name)
            if value is not None or name not in _FURTHER:
                object.__setattr__(self, name, _point(value, name))
        if self.left_eye[0] >= self.right_eye[0]:
            raise ValueError("left_eye must lie to the left of right_eye in the image")
        if len({getattr(self, name) is None for name in _FURTHER}) != 1:
            raise ValueError("a template has two points (the eyes) or all five")

    @property
    def points(self) -> np.ndarray:
        """float64 (2, 2) or (5, 2), (x, y) of: left eye, right eye[, nose, mouth corners]."""
        further = [getattr(self, name) for name in _FURTHER if getattr(self, name) is not None]
        return np.array([self.left_eye, self.right_eye, *further])

    @property
    def inter_eye(self) -> float:
        """Distance between the pupils in crop pixels."""
        return float(np.hypot(*np.subtract(self.right_eye, self.left_eye)))


def _point(value: object, name: str) -> Point:
    """Check a point and convert it to a tuple of floats; JSON gives lists."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"{name} needs two coordinates")
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in value):
        raise ValueError(f"{name} needs two numbers")
    x, y = (float(v) for v in value)
    if not (abs(x) <= 10 * MAX_SIDE and abs(y) <= 10 * MAX_SIDE):
        raise ValueError(f"{name} must be finite and near the crop")
    return x, y


DEFAULT_TEMPLATE = AlignmentTemplate()
TEMPLATES = {
    "pupils96x112": DEFAULT_TEMPLATE,
    # InsightFace's `arcface_dst`, which most published face networks expect.
    "arcface112": AlignmentTemplate(
        width=112,
        height=112,
        left_eye=(38.2946, 51.6963),
        right_eye=(73.5318, 51.5014),
        nose=(56.0252, 71.7366),
        left_mouth=(41.5493, 92.3655),
        right_mouth=(70.7299, 92.2041),
    ),
}
