"""Types shared by all formats."""

from __future__ import annotations

from dataclasses import dataclass

from facehub.errors import ImageTooLargeError


@dataclass(frozen=True, eq=False)
class Prepared:
    """An encoded picture that is safe to decode.

    Attributes:
        data: the file, stripped to the parts that the first picture needs.
        orientation: 1 to 8, as in EXIF; None if the decoder applies it.
        wide: whether it has several 16-bit channels, of which Pillow keeps only the upper byte.
    """

    data: bytes
    orientation: int | None = None
    wide: bool = False


def too_many(limit: int, parts: str) -> ImageTooLargeError:
    """Make the error for a picture stored in too many parts."""
    return ImageTooLargeError(
        f"The picture is stored in more than {limit:,} {parts}, as no camera does; save it again."
    )
