"""The Identify tab: a picture to search, and the gallery beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from facehub.demo import downloads, render, texts
from facehub.demo.gallery_panel import GalleryPanel
from facehub.demo.handlers import COMPUTING, PRIVATE, Updates
from facehub.demo.host.components import photo_input
from facehub.demo.identify_controller import IdentifyController, Visit
from facehub.demo.naming import NamingForm
from facehub.demo.session import SessionGallery
from facehub.errors import FaceHubError
from facehub.hosted.recognizer import HostedRecognizer

FRAME_EVERY, LIVE_LIMIT = 0.35, 120.0  # seconds
LIVE_AT_ONCE = 2
LIVE_EMPTY = texts.LIVE_EMPTY.format(count=LIVE_AT_ONCE, minutes=LIVE_LIMIT / 60)

# Who has scrolled down to the picture sees who is in it.
SHOW = "() => document.querySelector('#names .fh-card')?.scrollIntoView({block: 'nearest'})"


class IdentifyTab:
    """The tab, laid out inside the current `gr.Blocks`.

    Args:
        page: that the tab is part of.
        controller: what the events call.
        people: a session's gallery to begin with, or the one that all share.
        downloadable: whether visitors may download a result.

    Attributes:
        visit: the state of a session; other tabs may change its gallery.
        changed: all that `after_change` changes.
    """

    def __init__(
        self,
        page: gr.Blocks,
        controller: IdentifyController,
        people: SessionGallery,
        *,
        downloadable: bool,
    ) -> None:
        self.controller = controller
        self._downloadable = downloadable
        self.visit = gr.State(Visit(people))
        with gr.Row():
            with gr.Column(min_width=300):
                self._lay_out_search(people.shared)
            with gr.Column(min_width=300):
                self.gallery = GalleryPanel(controller, people.shared)
        self._result = [self.names, self.faces, *self.naming.components]
        self.changed = [*self.gallery.components, *self._result]
        self._connect()
        if people.shared:
            page.load(self.after_change, self.visit, self.changed, **COMPUTING)

    def after_change(self, visit: Visit) -> Updates:
        """New values of the tab once the gallery has changed: names of before hold no longer."""
        return {**self.gallery.show(visit), **self.show_result(visit)}

    def show_result(self, visit: Visit, missing: str = texts.PROBE_EMPTY) -> Updates:
        """Who is in the picture, or what to do until that is known.

        Args:
            visit: of the session.
            missing: said where there is no picture.
        """
        photo, problem = visit.probe.photo, visit.probe.problem
        spec = self.controller.recognizer.spec
        try:
            found = self.controller.identify(visit)
        except FaceHubError as error:
            found, problem = None, str(error)
        if found is None:
            text = problem or (missing if photo is None else texts.NO_FACE)
            naming = self.naming.show(None, spec)
            return {self.names: render.message(text), self.faces: "", **naming}
        links = downloads.of_faces(found.faces) if self._downloadable else ""
        return {
            self.names: render.names(found, spec),
            self.faces: render.identification(found, spec) + links,
            **self.naming.show(found, spec),
        }

    def _lay_out_search(self, shared: bool) -> None:
        gr.Markdown(texts.STEP_PROBE)
        self.names = gr.HTML(render.message(texts.PROBE_EMPTY), elem_id="names")
        self.probe = photo_input(texts.PROBE, height=240, elem_id="probe")
        with gr.Row():
            self.identify = gr.Button(
                texts.IDENTIFY, variant="primary", elem_id="identify", min_width=120
            )
            self.example = gr.Button(
                texts.EXAMPLE_GALLERY,
                elem_id="identify-example",
                min_width=120,
                visible=self.controller.examples.is_dir() and not shared,
            )
        self.faces = gr.HTML(elem_id="faces")
        self.naming = NamingForm()
        with gr.Accordion(texts.LIVE, open=False, elem_id="live"):
            self.camera = photo_input(
                texts.LIVE, sources=["webcam"], streaming=True, height=240, elem_id="camera"
            )
            self.live = gr.HTML(render.message(LIVE_EMPTY), elem_id="live-faces")

    def _connect(self) -> None:
        self.gallery.connect(self.visit, self.after_change, self.changed)
        inputs, outputs = [self.visit, self.probe], [self.probe, *self._result]
        # "multiple": the answer to an earlier picture is not waited for, and is dropped.
        expected = self.probe.upload(
            self._expect,
            self.visit,
            self._result,
            queue=False,
            trigger_mode="multiple",
            **PRIVATE,
        )
        uploaded = expected.then(self._read, inputs, outputs, trigger_mode="multiple", **COMPUTING)
        cleared = self.probe.clear(self._read, inputs, outputs, **COMPUTING)
        for event in (uploaded, cleared):
            event.failure(
                lambda: render.message(texts.NOT_READ),
                outputs=self.names,
                queue=False,
                **PRIVATE,
            )
        asked = self.identify.click(self._identify, self.visit, self.changed, **COMPUTING)
        example = self.example.click(
            self._example, self.visit, [*self.changed, self.probe], **COMPUTING
        )
        for event in (uploaded, asked, example):
            event.then(None, js=SHOW, **PRIVATE)
        self.gallery.delete.click(
            self._delete, self.visit, [*self.changed, self.probe], **COMPUTING
        )
        naming = self.naming
        naming.button.click(
            self._name, [self.visit, naming.face, naming.name], self.changed, **COMPUTING
        )
        self.camera.stream(
            self._look,
            [self.visit, self.camera],
            self.live,
            stream_every=FRAME_EVERY,
            time_limit=LIVE_LIMIT,
            concurrency_limit=LIVE_AT_ONCE,
            **PRIVATE,
        )

    def _expect(self, visit: Visit) -> Updates:
        """A new picture is on its way: what was there counts no longer."""
        visit.probe.begin()
        return self.show_result(visit, texts.READING)

    def _read(self, visit: Visit, value: Any) -> Updates:
        if not self.controller.read(visit, value):
            return {self.names: gr.skip()}  # a newer one is on its way
        return {self.probe: visit.probe.photo, **self.show_result(visit)}

    def _identify(self, visit: Visit) -> Updates:
        updates = self.after_change(visit)  # others may have changed a shared gallery
        if visit.probe.photo is None and not visit.probe.problem:
            updates[self.names] = render.message(texts.NO_PROBE)
        return updates

    def _example(self, visit: Visit) -> Iterator[Updates]:
        yield {self.names: render.message(texts.READING)}
        try:
            self.controller.show_example(visit)
        except FaceHubError as error:
            yield {self.names: render.message(str(error))}
            return
        yield {**self.after_change(visit), self.probe: visit.probe.photo}

    def _delete(self, visit: Visit) -> Updates:
        try:
            self.controller.delete(visit)
        except FaceHubError as error:
            return {self.gallery.change_notice: render.message(str(error))}
        return {
            **self.after_change(visit),
            self.gallery.change_notice: render.message(texts.DELETED),
            self.probe: None,
        }

    def _name(self, visit: Visit, position: Any, name: str | None) -> Updates:
        try:
            self.controller.name_face(visit, position, name or "")
        except FaceHubError as error:
            return {self.naming.notice: render.message(str(error))}
        return self.after_change(visit)

    def _look(self, visit: Visit, frame: Any) -> str:
        if frame is None:
            return render.message(LIVE_EMPTY)
        try:
            photo, faces = self.controller.look(visit, frame)
        except FaceHubError as error:
            return render.message(str(error))
        spec = self.controller.recognizer.spec
        return render.boxed(photo, faces, spec) + render.approximate(visit.people.gallery)


def build(
    page: gr.Blocks,
    recognizer: HostedRecognizer,
    examples: Path,
    people: SessionGallery,
    *,
    downloadable: bool,
) -> IdentifyTab:
    """Lay out the tab inside the current `gr.Blocks`.

    Args:
        page: that the tab is part of.
        recognizer: weights in use.
        examples: folder of the example pictures; none are offered where it is missing.
        people: a session's gallery to begin with, or the one that all share.
        downloadable: whether visitors may download a result.
    """
    controller = IdentifyController(recognizer, examples)
    return IdentifyTab(page, controller, people, downloadable=downloadable)
