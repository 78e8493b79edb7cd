"""The Album tab."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from facehub.demo import album_wall, downloads, render, texts
from facehub.demo.errors import PageError
from facehub.demo.handlers import COMPUTING, PRIVATE, Updates
from facehub.demo.host.components import file_input, skip_choice_validation
from facehub.demo.host.uploads import uploads
from facehub.demo.identify_controller import Visit
from facehub.demo.identify_tab import IdentifyTab
from facehub.demo.session_album import SessionAlbum
from facehub.demo.work import Work
from facehub.errors import FaceHubError
from facehub.hosted.recognizer import HostedRecognizer
from facehub.io.formats import SUFFIXES

EXAMPLE = ("both.jpg", "eileen_collins.jpg", "eileen_collins_tilted.jpg", "grace_hopper.jpg")


def build(
    recognizer: HostedRecognizer, examples: Path, identify: IdentifyTab, *, downloadable: bool
) -> None:
    """Lay out the tab inside the current `gr.Blocks`.

    Args:
        recognizer: weights in use.
        examples: folder of the example pictures; none are offered where it is missing.
        identify: the tab whose gallery the named groups can be sent to.
        downloadable: whether visitors may download an album.
    """

    def updates_of(found: SessionAlbum | None, said: str = "") -> Updates:
        """New values of all that shows the album, and what is said about it."""
        forgotten: Updates = {
            album: None,
            groups: gr.CheckboxGroup([], value=[], visible=False),
            bar: gr.Column(visible=False),
            notice: said,
            links: "",
            forget_button: gr.Button(visible=False),
        }
        if found is None:
            return {**forgotten, wall: render.message(texts.ALBUM_EMPTY)}
        if not found.faces:
            return {**forgotten, wall: render.message(texts.ALBUM_NO_FACE, found.failures)}
        return {
            album: found,
            wall: album_wall.wall(found, "album-groups"),
            groups: gr.CheckboxGroup(album_wall.choices(found), value=[], visible=True),
            bar: gr.Column(visible=True),
            notice: said,
            links: downloads.of_album(found.to_album()) if downloadable else "",
            forget_button: gr.Button(visible=True),
        }

    def present(found: SessionAlbum | None) -> SessionAlbum:
        if found is None:
            raise PageError(texts.ALBUM_EXPIRED)
        return found

    def keys(chosen: Any) -> list[int]:
        return [key for key in chosen or [] if isinstance(key, int)]

    def idle() -> Updates:
        """What reading photos changes, back again."""
        return {
            group_button: gr.Button(interactive=True),
            example_button: gr.Button(interactive=True),
            stop_button: gr.Button(visible=False),
            reading: "",
        }

    def grouped(work: Work, given: Sequence[str]) -> Iterator[Updates]:
        busy: Updates = {
            group_button: gr.Button(interactive=False),
            example_button: gr.Button(interactive=False),
            stop_button: gr.Button(visible=True),
        }
        stop = work.start()
        try:
            timed = recognizer.timed("many")
            for progress in SessionAlbum.read_each(given, timed, stop.is_set):
                if progress.album is None:
                    yield {**busy, reading: render.progress(progress.seen, progress.total)}
                    busy = {}
                else:
                    yield {**updates_of(progress.album), **idle()}
        except FaceHubError as error:
            yield {**idle(), reading: render.message(str(error))}

    def on_group(work: Work, given: list[str] | None) -> Iterator[Updates]:
        if not given:
            yield {reading: render.message(texts.NO_PHOTOS)}
            return
        try:
            with uploads(*given):
                yield from grouped(work, given)
        except PageError as error:
            yield {reading: render.message(str(error))}
        yield {files: None}

    def on_example(work: Work) -> Iterator[Updates]:
        yield from grouped(work, [str(examples / name) for name in EXAMPLE])

    def told(change: Callable[..., Updates]) -> Callable[..., Updates]:
        """Say an expected error where the album's notices are."""

        def handler(*values: Any) -> Updates:
            try:
                return change(*values)
            except FaceHubError as error:
                return {notice: render.message(str(error))}

        return handler

    def on_name(found: SessionAlbum | None, chosen: Any, given: str) -> Updates:
        chosen = keys(chosen)
        if len(chosen) != 1:
            raise PageError(texts.ALBUM_ONE)
        return {**updates_of(present(found).named(chosen[0], given or "")), name: ""}

    def on_merge(found: SessionAlbum | None, chosen: Any) -> Updates:
        return updates_of(present(found).merged(keys(chosen)))

    def on_send(found: SessionAlbum | None, visit: Visit) -> Updates:
        faces = present(found).enrolments()
        if not faces:
            raise PageError(texts.ALBUM_NO_NAME)
        report = visit.people.add_found(faces)
        text = texts.ENROLLED_KNOWN if report.known else texts.ENROLLED
        counted = text.format(count=report.added, known=report.known)
        sent = render.message(texts.ALBUM_SENT.format(report=counted), report.failures)
        return {**identify.after_change(visit), notice: sent}

    album, work = gr.State(), gr.State(Work())
    with gr.Row():
        with gr.Column(min_width=300):
            gr.Markdown(texts.ALBUM_STEP)
            files = file_input(
                texts.PHOTOS,
                file_count="multiple",
                file_types=[*sorted(SUFFIXES), ".zip"],
                height=160,
                elem_id="album-photos",
            )
            group_button = gr.Button(texts.ALBUM_FIND, variant="primary", elem_id="album-find")
            stop_button = gr.Button(texts.ALBUM_STOP, visible=False, elem_id="album-stop")
            example_button = gr.Button(
                texts.ALBUM_EXAMPLE, elem_id="album-example", visible=examples.is_dir()
            )
            gr.HTML(render.hidden(texts.NOTHING_DROPPED), elem_id="album-nothing-dropped")
            reading = gr.HTML(elem_id="album-reading")
            wall = gr.HTML(render.message(texts.ALBUM_EMPTY), elem_id="album-wall")
        with gr.Column(min_width=300, scale=2):
            groups = gr.CheckboxGroup(
                [], label=texts.ALBUM_GROUPS, visible=False, elem_id="album-groups"
            )
            skip_choice_validation(groups)
            with gr.Column(visible=False, elem_id="album-bar") as bar:
                with gr.Row():
                    name = gr.Textbox(
                        show_label=False,
                        container=False,
                        placeholder=texts.ALBUM_NAME,
                        label=texts.ALBUM_NAME,
                        max_length=100,
                        elem_id="album-name",
                        min_width=160,
                        scale=3,
                    )
                    name_button = gr.Button(
                        texts.ALBUM_SET_NAME, elem_id="album-set", min_width=110
                    )
                    merge_button = gr.Button(texts.MERGE, elem_id="album-merge", min_width=110)
                send_button = gr.Button(texts.ALBUM_SEND, elem_id="album-send")
            notice = gr.HTML(elem_id="album-notice")
            links = gr.HTML(elem_id="album-links")
            forget_button = gr.Button(
                texts.ALBUM_FORGET, variant="stop", size="sm", visible=False, elem_id="album-forget"
            )

    changed = [album, wall, groups, bar, notice, links, forget_button]
    running = [group_button, example_button, stop_button, reading]
    for work_begun in (
        group_button.click(on_group, [work, files], [*changed, *running, files], **COMPUTING),
        example_button.click(on_example, work, [*changed, *running], **COMPUTING),
    ):
        work_begun.failure(idle, outputs=running, queue=False, **PRIVATE)
    stop_button.click(Work.stop, work, queue=False, **PRIVATE)
    gr.on(
        [name_button.click, name.submit],
        told(on_name),
        [album, groups, name],
        [*changed, name],
        **COMPUTING,
    )
    merge_button.click(told(on_merge), [album, groups], changed, **COMPUTING)
    sent = [*identify.changed, notice]
    send_button.click(told(on_send), [album, identify.visit], sent, **COMPUTING)
    forget_button.click(lambda: updates_of(None), outputs=changed, **COMPUTING)
