"""Where the pupils sit in an aligned crop: the one place that says so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class AlignmentTemplate:
    """Geometry of the aligned crop, in crop pixels (x right, y down, pixel centres at integers).

    Attributes:
        width: crop width.
        height: crop height.
        left_eye: (x, y) of the pupil at image left (the subject's right eye).
        right_eye: (x, y) of the pupil at image right.
    """

    width: int = 96
    height: int = 112
    left_eye: tuple[float, float] = (30.4, 51.6)
    right_eye: tuple[float, float] = (65.6, 51.6)

    def __post_init__(self) -> None:
        # JSON has no tuples: make what was read from a config equal to what was written.
        object.__setattr__(self, "left_eye", tuple(float(v) for v in self.left_eye))
        object.__setattr__(self, "right_eye", tuple(float(v) for v in self.right_eye))
        if not (isinstance(self.width, int) and isinstance(self.height, int)):
            raise ValueError("The template's width and height must be whole numbers.")
        if self.width < 1 or self.height < 1:
            raise ValueError("The template needs a positive width and height.")
        if len(self.left_eye) != 2 or len(self.right_eye) != 2:
            raise ValueError("An eye position needs two coordinates.")
        if not np.isfinite([*self.left_eye, *self.right_eye]).all():
            raise ValueError("An eye position must be finite.")
        if self.left_eye[0] >= self.right_eye[0]:
            raise ValueError("left_eye must lie to the left of right_eye in the image.")

    @property
    def inter_eye(self) -> float:
        """Distance between the pupils in crop pixels."""
        return float(np.hypot(*np.subtract(self.right_eye, self.left_eye)))


DEFAULT_TEMPLATE = AlignmentTemplate()
