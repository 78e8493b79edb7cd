"""The form that names a face of the searched picture and enrols it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from facehub.demo import texts
from facehub.demo.errors import as_user_error, user_error
from facehub.demo.photo import Photo
from facehub.demo.session import SessionGallery
from facehub.enrolment import Enrolment, Portrait
from facehub.gallery.base import clean_name

Rendered = Callable[[SessionGallery, Photo], tuple[Any, ...]]


class NamingForm:
    """Number of a face, a name, and a button; made inside the current `gr.Blocks`."""

    def __init__(self) -> None:
        with gr.Accordion(texts.NAME_FACE, open=False, elem_id="name-face"):
            self._number = gr.Number(
                1, label=texts.FACE_NUMBER, minimum=1, precision=0, elem_id="face-number"
            )
            self._name = gr.Textbox(label=texts.FACE_NAME, max_length=100, elem_id="face-name")
            self._button = gr.Button(texts.NAME_FACE, elem_id="enrol-face")

    def connect(
        self, held: list[Any], changed: list[Any], rendered: Rendered, private: dict[str, Any]
    ) -> None:
        """Make the button work.

        Args:
            held: the session's state and the searched picture's.
            changed: what `rendered` gives values for.
            rendered: the tab after a change, with the picture's names.
            private: arguments of every handler.
        """

        def on_name(
            session: SessionGallery, photo: Photo | None, number: Any, name: str
        ) -> tuple[Any, ...]:
            if photo is None:
                raise user_error(texts.NO_PROBE)
            place = int(number or 0) - 1
            if not 0 <= place < len(photo.faces):
                raise user_error(texts.NO_SUCH_FACE.format(count=len(photo.faces)))
            with as_user_error():
                portrait = Portrait(clean_name(name or ""), photo.pixels, texts.PROBE)
            report = session.add_found([Enrolment(portrait, photo.faces[place])])
            if report.failures:
                raise user_error(report.failures[0])
            return *rendered(session, photo), ""

        inputs = [*held, self._number, self._name]
        self._button.click(on_name, inputs, [*changed, self._name], **private)
