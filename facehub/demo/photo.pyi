"""The page's picture input: hands the uploaded file to facehub's own loader, undecoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from gradio.image_utils import decode_base64_to_image

from facehub.demo import texts

from gradio.events import Dependency

class PhotoInput(gr.Image):
    """`gr.Image` whose value reaches the handler as the path of the original file.

    Gradio's own types decode before facehub could check the size and format, or skip the EXIF
    rotation. Make one with `photo_input`.
    """

    is_template = True  # the browser draws it as an ordinary image

    def preprocess(self, payload: ImageData | None) -> Any:
        """The path of the uploaded file, an image sent inline, or None."""
        if payload is None:
            return None
        if payload.url and payload.url.startswith("data:"):
            return decode_base64_to_image(payload.url)
        if not payload.path or not Path(payload.path).is_file():
            raise gr.Error(texts.EXPIRED, print_exception=False)
        return payload.path
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
