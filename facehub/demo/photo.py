"""The page's picture input: hands the uploaded file to facehub's own loader, undecoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from gradio.image_utils import decode_base64_to_image

from facehub.demo import texts
from facehub.demo.errors import problem


def photo_input(label: str, **kwargs: Any) -> gr.Image:
    """A `gr.Image` whose value reaches the handler as the path of the original file.

    Gradio's own types decode before facehub could check the size and format, or skip the EXIF
    rotation. There is no share or download button.

    Args:
        label: shown above it.
        kwargs: further arguments of `gr.Image`.
    """
    image = gr.Image(label=label, type="filepath", buttons=["fullscreen"], **kwargs)
    # On the instance: for a subclass, Gradio writes a .pyi file beside the module.
    setattr(image, "preprocess", _original)  # noqa: B010
    return image


def _original(payload: ImageData | None) -> Any:
    """The path of the uploaded file, an image sent inline, or None."""
    if payload is None:
        return None
    if payload.url and payload.url.startswith("data:"):
        return decode_base64_to_image(payload.url)
    if not payload.path or not Path(payload.path).is_file():
        raise problem(texts.EXPIRED)
    return payload.path
