"""Which random changes faces undergo in training, and how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Augmentation:
    """The share of the faces that undergo each change, 0 to 1; the default is "full".

    Attributes:
        flip: mirrored.
        move: scaled, turned and shifted as by an imprecise aligner.
        recolour: other brightness, contrast and tint; one in ten of them grey.
        low_resolution: as from a small picture.
        blur: out of focus.
        cover: a rectangle of one grey, a tenth of the area or so.
    """

    flip: float = 0.5
    move: float = 1.0
    recolour: float = 1.0
    low_resolution: float = 0.1
    blur: float = 0.1
    cover: float = 0.2

    @staticmethod
    def of(kind: str, probability: float = 0.0) -> Augmentation:
        """What a configuration asks for.

        Args:
            kind: "none", "flip" (half of the faces mirrored, nothing else) or "full".
            probability: share for each change of "full" but the flip, or 0 for each one's default.
                CVLface, for one, takes 0.2.

        Raises:
            ValueError: there is no such kind, or the probability does not fit it.
        """
        if kind not in ("none", "flip", "full"):
            raise ValueError(f"augmentation must be none, flip or full, not {kind!r}")
        if not 0 <= probability <= 1:
            raise ValueError("augmentation_probability must lie between 0 and 1")
        if kind != "full":
            if probability:
                raise ValueError('augmentation_probability needs augmentation = "full"')
            return FLIP if kind == "flip" else NONE
        return Augmentation(FULL.flip, *[probability] * 5) if probability else FULL


FULL = Augmentation()
FLIP = Augmentation(0.5, 0, 0, 0, 0, 0)
NONE = Augmentation(0, 0, 0, 0, 0, 0)
