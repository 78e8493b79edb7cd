"""A picture on the page: read once into memory, shown from there, its upload removed at once."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.data_classes import ImageData

from facehub.demo import texts
from facehub.demo.errors import problem
from facehub.demo.host.uploads import uploads
from facehub.demo.picture import data_uri, thumbnail
from facehub.io.images import load_image
from facehub.landmarker import Search
from facehub.pipeline import EmbeddedFace, FaceRecognizer


@dataclass(frozen=True, eq=False)
class Photo:
    """An uploaded picture and its faces, held in the session's memory.

    Attributes:
        pixels: uint8 (H, W, 3), RGB, at most 1,280 on a side.
        size: (width, height) of the upload, which the faces' boxes refer to.
        faces: from left to right.
    """

    pixels: np.ndarray = field(repr=False)
    size: tuple[int, int]
    faces: tuple[EmbeddedFace, ...]

    @property
    def largest(self) -> int:
        """Position of the face with the largest box."""
        return max(range(len(self.faces)), key=lambda i: self.faces[i].face.area)


def read_photo(value: Any, recognizer: FaceRecognizer, search: Search = "auto") -> Photo:
    """Load an upload, find its faces, and remove its file.

    Raises:
        ImageError: it cannot be used; the file is removed all the same.
    """
    with uploads(value):
        pixels = load_image(value)
    faces = tuple(recognizer.faces(pixels, search=search))
    return Photo(thumbnail(pixels), (pixels.shape[1], pixels.shape[0]), faces)


def photo_input(label: str, **kwargs: Any) -> gr.Image:
    """A `gr.Image` whose value reaches the handler as the path of the original file.

    Gradio's own types decode before facehub could check the size and format, or skip the EXIF
    rotation. What a handler returns for it is a `Photo`, which is shown from memory, not from a
    file. There is no share or download button.

    Args:
        label: shown above it.
        kwargs: further arguments of `gr.Image`.
    """
    kwargs.setdefault("buttons", ["fullscreen"])
    image = gr.Image(label=label, type="filepath", **kwargs)
    # On the instance: for a subclass, Gradio writes a .pyi file beside the module.
    setattr(image, "preprocess", _original)  # noqa: B010
    setattr(image, "postprocess", _from_memory)  # noqa: B010
    return image


def _original(payload: ImageData | None) -> Any:
    """The path of the uploaded file, the bytes of an image sent inline, or None."""
    if payload is None:
        return None
    if payload.url and payload.url.startswith("data:"):
        try:
            return base64.b64decode(payload.url.partition(",")[2], validate=True)
        except ValueError:
            raise problem(texts.DAMAGED) from None
    if not payload.path or not Path(payload.path).is_file():
        raise problem(texts.EXPIRED)
    return payload.path


def _from_memory(photo: Photo | None) -> ImageData | None:
    return None if photo is None else ImageData(url=data_uri(photo.pixels))
