"""What all formats share."""

from __future__ import annotations

from dataclasses import dataclass

from facehub.errors import ImageTooLargeError


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture that may be decoded.

    Attributes:
        data: the file, without what the first picture can be shown without.
        orientation: 1 to 8, as in EXIF; None where the decoder's metadata says it.
        wide: whether it has several channels of 16 bits; Pillow keeps only the upper half of each.
    """

    data: bytes
    orientation: int | None = None
    wide: bool = False


def too_many(limit: int, parts: str) -> ImageTooLargeError:
    """The error for a picture stored in too many parts."""
    return ImageTooLargeError(
        f"The picture is stored in more than {limit:,} {parts}, which no camera does; save it anew."
    )
