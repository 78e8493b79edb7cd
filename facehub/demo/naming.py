"""The form that names a face of the searched picture and enrols it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from facehub.demo import render, texts
from facehub.demo.host.components import skip_choice_validation
from facehub.demo.identify_controller import Identified
from facehub.model.spec import ModelSpec


class NamingForm:
    """A face, a name, and a button; made inside the current `gr.Blocks`.

    Attributes:
        face: position of the face.
        name: whom it shows.
        button: enrols it.
        notice: what is wrong.
        components: all that `show` changes.
    """

    def __init__(self) -> None:
        with gr.Accordion(
            texts.NAME_FACE, open=False, visible=False, elem_id="name-face"
        ) as self._form:
            self.face = gr.Dropdown([], label=texts.FACE_TO_NAME, elem_id="face-choice")
            skip_choice_validation(self.face)
            self.name = gr.Textbox(label=texts.FACE_NAME, max_length=100, elem_id="face-name")
            self.button = gr.Button(texts.NAME_FACE, elem_id="enrol-face")
            self.notice = gr.HTML(elem_id="naming-notice")
        self.components = [self._form, self.face, self.name, self.notice]

    def show(self, found: Identified | None, spec: ModelSpec) -> dict[Any, Any]:
        """Offer the faces of a picture; nothing where there is none."""
        labels = [] if found is None else render.labels(found, spec)
        return {
            self._form: gr.Accordion(visible=bool(labels)),
            self.face: gr.Dropdown([(text, i) for i, text in enumerate(labels)], value=None),
            self.name: "",
            self.notice: "",
        }
