"""Settings of the data augmentation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Augmentation:
    """The probability of each random change, 0 to 1; the default is "full".

    Attributes:
        flip: horizontal flip.
        move: jitter of scale, rotation and position, like an imprecise aligner.
        recolour: change of brightness, contrast and tint; one in ten becomes grey.
        low_resolution: downsampling and upsampling.
        blur: Gaussian blur.
        erase: random erasing: a grey rectangle of about a tenth of the area.
    """

    flip: float = 0.5
    move: float = 1.0
    recolour: float = 1.0
    low_resolution: float = 0.1
    blur: float = 0.1
    erase: float = 0.2

    @staticmethod
    def of(kind: str, probability: float = 0.0) -> Augmentation:
        """Make the augmentation of a configuration.

        Args:
            kind: "none", "flip" (half of the faces are flipped, nothing else) or "full".
            probability: of each change of "full" except the flip; 0: each one's default. CVLface,
                for example, uses 0.2.

        Raises:
            ValueError: the kind is unknown, or the probability is invalid for it.
        """
        if kind not in ("none", "flip", "full"):
            raise ValueError(f"augmentation must be none, flip or full, not {kind!r}")
        if not 0 <= probability <= 1:
            raise ValueError("augmentation_probability must be from 0 to 1")
        if kind != "full":
            if probability:
                raise ValueError('augmentation_probability needs augmentation = "full"')
            return FLIP if kind == "flip" else NONE
        return Augmentation(FULL.flip, *[probability] * 5) if probability else FULL


FULL = Augmentation()
FLIP = Augmentation(0.5, 0, 0, 0, 0, 0)
NONE = Augmentation(0, 0, 0, 0, 0, 0)
