"""What every gallery keeps: templates and names."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

import numpy as np

from facehub.errors import GalleryError

MAX_NAME = 100


@dataclass(frozen=True, eq=False)
class Example:
    """One enrolled template.

    Attributes:
        template: float32 (512,), length 1. Biometric data: guard it like the photo.
        source: where it came from, for people to read (a file name, say).
    """

    template: np.ndarray = field(repr=False)
    source: str = ""


def clean_name(name: str) -> str:
    """A person's name as the gallery keeps it: NFC, single spaces, no control characters.

    Raises:
        GalleryError: empty or longer than 100 characters.
    """
    cleaned = tidy(name)
    if not cleaned:
        raise GalleryError("A person needs a name.")
    if len(cleaned) > MAX_NAME:
        raise GalleryError(f"A name has at most {MAX_NAME} characters.")
    return cleaned


def tidy(name: str) -> str:
    """A name as it is looked up: NFC, single spaces, no control characters; it may be empty."""
    printable = "".join(c if c.isprintable() else " " for c in name)
    return " ".join(unicodedata.normalize("NFC", printable).split())
