"""The gallery on the Identify tab: adding people, choosing faces, and changing who is there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from facehub.demo import render, texts
from facehub.demo.enrolled import Change
from facehub.demo.handlers import COMPUTING, PRIVATE, Updates
from facehub.demo.host.components import file_input, photo_input, skip_choice_validation
from facehub.demo.identify_controller import IdentifyController, Visit
from facehub.demo.intake import EnrolmentReport
from facehub.errors import FaceHubError
from facehub.io.formats import SUFFIXES

AfterChange = Callable[[Visit], Updates]


class GalleryPanel:
    """The panel, laid out inside the current column.

    Args:
        controller: what the events call.
        shared: whether all sessions share the gallery.

    Attributes:
        components: all that `show` changes.
    """

    def __init__(self, controller: IdentifyController, shared: bool) -> None:
        self.controller = controller
        self._empty = texts.WALL_EMPTY_SHARED if shared else texts.WALL_EMPTY
        gr.Markdown(texts.STEP_ENROL)
        self._lay_out_enrolment()
        self.wall = gr.HTML(render.message(self._empty), elem_id="wall")
        self.merge_found = gr.Button("", visible=False, elem_id="merge-found")
        self._lay_out_changes()
        self.components = [
            self.wall,
            self.merge_found,
            self.notice,
            self.person,
            self.other,
            self.one_photo,
            self.new_name,
            self.change_notice,
            self.undo,
            *self._chooser,
        ]

    def _lay_out_enrolment(self) -> None:
        self.name = gr.Textbox(
            label=texts.NAME, placeholder=texts.NAME_HINT, max_length=100, elem_id="name"
        )
        self.files = file_input(
            texts.PHOTOS,
            file_count="multiple",
            file_types=[*sorted(SUFFIXES), ".zip"],
            height=160,
            elem_id="photos",
        )
        with gr.Accordion(texts.SNAPSHOT, open=False):
            self.snapshot = photo_input(
                texts.SNAPSHOT, sources=["webcam", "clipboard"], height=240, elem_id="snapshot"
            )
        with gr.Accordion(texts.GALLERY_FILE, open=False):
            gr.Markdown(texts.GALLERY_HINT)
            self.gallery_file = file_input(
                texts.GALLERY_FILE, file_types=[".safetensors"], height=120, elem_id="gallery-file"
            )
        self.enrol = gr.Button(texts.ENROL, variant="primary", elem_id="enrol")
        self.stop = gr.Button(texts.STOP, visible=False, elem_id="stop-enrol")
        gr.HTML(render.hidden(texts.NOTHING_DROPPED), elem_id="nothing-dropped")
        self.notice = gr.HTML(elem_id="notice")
        with gr.Column(visible=False, elem_id="several") as form:
            self.question = gr.HTML(elem_id="which-question")
            self.face = gr.Radio([], label=texts.WHICH_FACE, elem_id="which-face")
            skip_choice_validation(self.face)
            with gr.Row():
                self.add_face = gr.Button(
                    texts.ADD_FACE, variant="primary", elem_id="add-face", min_width=120
                )
                self.leave_out = gr.Button(texts.LEAVE_OUT, elem_id="leave-out", min_width=120)
        self._chooser = [form, self.question, self.face]

    def _lay_out_changes(self) -> None:
        with gr.Accordion(texts.CHANGE, open=False, elem_id="change") as self.changes:
            self.person = gr.Dropdown([], label=texts.PERSON, elem_id="person")
            with gr.Row(elem_classes="fh-line"):
                self.new_name = gr.Textbox(
                    label=texts.NEW_NAME, max_length=100, elem_id="new-name", min_width=140
                )
                self.rename = gr.Button(texts.RENAME, elem_id="rename", min_width=80)
            with gr.Row(elem_classes="fh-line"):
                self.other = gr.Dropdown(
                    [], label=texts.MERGE_WITH, elem_id="merge-with", min_width=140
                )
                self.merge = gr.Button(texts.MERGE, elem_id="merge", min_width=80)
            with gr.Row(elem_classes="fh-line"):
                self.one_photo = gr.Dropdown(
                    [], label=texts.PHOTO, elem_id="one-photo", min_width=140
                )
                self.remove_photo = gr.Button(
                    texts.REMOVE_PHOTO, elem_id="remove-photo", min_width=80
                )
            self.remove = gr.Button(texts.REMOVE, elem_id="remove")
            for chooser in (self.person, self.other, self.one_photo):
                skip_choice_validation(chooser)
            self.change_notice = gr.HTML(elem_id="change-notice")
            self.undo = gr.Button(texts.UNDO, visible=False, elem_id="undo")
            self.delete = gr.Button(texts.DELETE, variant="stop", elem_id="delete")

    def show(self, visit: Visit) -> Updates:
        """Who is in the gallery, with empty fields and no notice."""
        try:
            found = self.controller.findings(visit)
            names = self.controller.names(visit)
            wall = render.wall(visit.people.now, found, self._empty)
        except FaceHubError as error:
            names, wall = [], render.message(str(error))
        name, other = visit.two_names or ("", "")
        return {
            self.wall: wall,
            self.merge_found: gr.Button(
                texts.MERGE_FOUND.format(name=name, other=other),
                visible=visit.two_names is not None,
            ),
            self.notice: "",
            self.person: gr.Dropdown(names, value=None),
            self.other: gr.Dropdown(names, value=None),
            self.one_photo: gr.Dropdown([], value=None),
            self.new_name: "",
            self.change_notice: "",
            self.undo: gr.Button(visible=visit.last is not None),
            **self._show_several(visit),
        }

    def connect(
        self,
        visit: gr.State,
        after_change: AfterChange,
        changed: list[Any],
    ) -> None:
        """Make the buttons work.

        Args:
            visit: the state.
            after_change: new values of the tab once the gallery has changed.
            changed: what `after_change` changes.
        """
        self._after_change = after_change
        fields = [self.files, self.snapshot, self.name]
        running = [self.enrol, self.stop]
        adding = self.enrol.click(
            self._enrol,
            [visit, self.name, self.files, self.snapshot],
            [*changed, *fields, *running],
            **COMPUTING,
        )
        adding.failure(self._idle, outputs=running, queue=False, **PRIVATE)
        self.stop.click(Visit.stop, visit, queue=False, **PRIVATE)
        self.add_face.click(self._choose_face, [visit, self.face], changed, **COMPUTING)
        self.leave_out.click(self._leave_out, visit, changed, queue=False, **PRIVATE)
        loaded = [*changed, self.gallery_file]
        self.gallery_file.upload(self._load, [visit, self.gallery_file], loaded, **COMPUTING)
        self.person.change(
            self._photos, [visit, self.person], self.one_photo, queue=False, **PRIVATE
        )
        changes: list[tuple[gr.Button, Callable[..., Change], list[Any]]] = [
            (self.rename, self.controller.rename, [self.person, self.new_name]),
            (self.merge, self.controller.merge, [self.person, self.other]),
            (self.remove, self.controller.remove, [self.person]),
            (self.remove_photo, self.controller.remove_photo, [self.person, self.one_photo]),
        ]
        for button, act, values in changes:
            handler = functools.partial(self._change, act)
            button.click(handler, [visit, *values], changed, **COMPUTING)
        opened = [*changed, self.changes]
        self.merge_found.click(self._merge_found, visit, opened, **COMPUTING)
        self.undo.click(self._undo, visit, changed, **COMPUTING)

    def _show_several(self, visit: Visit) -> Updates:
        form, question, face = self._chooser
        if not visit.several:
            return {
                form: gr.Column(visible=False),
                question: "",
                face: gr.Radio([], value=None),
            }
        photo, *_ = visit.several
        choices = [(texts.FACE.format(number=i + 1), i) for i in range(len(photo.faces))]
        return {
            form: gr.Column(visible=True),
            question: render.which_face(photo, "which-face"),
            face: gr.Radio(choices, value=None),
        }

    def _idle(self) -> Updates:
        return {self.enrol: gr.Button(interactive=True), self.stop: gr.Button(visible=False)}

    def _enrol(
        self, visit: Visit, name: str | None, files: list[str] | None, snapshot: Any
    ) -> Iterator[Updates]:
        name, report = name or "", EnrolmentReport()
        busy = {self.enrol: gr.Button(interactive=False), self.stop: gr.Button(visible=True)}
        try:
            for report in self.controller.enrol(visit, name, files, snapshot):
                yield {**busy, self.notice: render.progress(report.seen, report.total)}
                busy = {}
        except FaceHubError as error:
            yield {**self._idle(), self.notice: render.message(str(error))}
            return
        done = report.added or report.known or report.several
        yield {
            **self._after_change(visit),
            **self._idle(),
            self.notice: render.enrolled(report),
            self.files: None,
            self.snapshot: None,
            self.name: "" if done else name,  # to try again
        }

    def _choose_face(self, visit: Visit, position: Any) -> Updates:
        try:
            report = self.controller.choose_face(visit, position)
        except FaceHubError as error:
            return {self.notice: render.message(str(error))}
        return {**self._after_change(visit), self.notice: render.enrolled(report)}

    def _leave_out(self, visit: Visit) -> Updates:
        self.controller.leave_out(visit)
        return {self.notice: "", **self._show_several(visit)}

    def _load(self, visit: Visit, file: str | None) -> Updates:
        try:
            loaded = self.controller.load(visit, file)
        except FaceHubError as error:
            return {self.notice: render.message(str(error)), self.gallery_file: None}
        people, photos = len(loaded), loaded.n_templates
        count = texts.LOADED.format(
            people=texts.PEOPLE[people != 1].format(count=people),
            photos=texts.COUNT[photos != 1].format(count=photos),
        )
        return {
            **self._after_change(visit),
            self.notice: render.message(count),
            self.gallery_file: None,
        }

    def _photos(self, visit: Visit, person: Any) -> Any:
        try:
            choices = self.controller.photos(visit, person)
        except FaceHubError:  # the button says so
            choices = []
        return gr.Dropdown(choices, value=None)

    def _change(self, act: Callable[..., Change], visit: Visit, *values: Any) -> Updates:
        try:
            change = act(visit, *values)
        except FaceHubError as error:
            return {self.change_notice: render.message(str(error))}
        return {**self._after_change(visit), self.change_notice: render.message(change.text)}

    def _merge_found(self, visit: Visit) -> Updates:
        """Merge, and show what was done and how it is undone."""
        done = self._change(self.controller.merge_found, visit)
        return {**done, self.changes: gr.Accordion(open=True)}

    def _undo(self, visit: Visit) -> Updates:
        try:
            self.controller.undo(visit)
        except FaceHubError as error:
            return {
                self.change_notice: render.message(str(error)),
                self.undo: gr.Button(visible=False),
            }
        return {**self._after_change(visit), self.change_notice: render.message(texts.UNDONE)}
