"""Pictures inside the page itself, never as files that the server would have to keep."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

MAX_SHOWN = 1280  # pixels of the longer side of a picture sent back


def data_uri(pixels: np.ndarray) -> str:
    """A JPEG of uint8 (H, W, 3) RGB pixels as a `data:` address."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def thumbnail(pixels: np.ndarray, side: int = MAX_SHOWN) -> np.ndarray:
    """The same picture, at most `side` pixels wide and high."""
    if max(pixels.shape[:2]) <= side:
        return pixels
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side))
    return np.asarray(picture)
