"""The Album tab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from facehub.demo import album_wall, downloads, render, texts
from facehub.demo.errors import as_user_error, user_error
from facehub.demo.host.components import file_input, skip_choice_validation
from facehub.demo.host.uploads import uploads
from facehub.demo.identify_controller import Visit
from facehub.demo.identify_tab import IdentifyTab
from facehub.demo.session_album import SessionAlbum
from facehub.demo.settings import COMPUTED
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

    def shown(album: SessionAlbum | None, notice: str = "") -> tuple[Any, ...]:
        """Album, wall, groups to choose from, bar below them, notice, links, button to forget."""
        if album is None or not album.faces:
            text = texts.ALBUM_EMPTY if album is None else texts.ALBUM_NO_FACE
            details = () if album is None else album.failures
            empty = gr.CheckboxGroup([], value=[], visible=False)
            bar, forget = gr.Column(visible=False), gr.Button(visible=False)
            return None, render.message(text, details), empty, bar, notice, "", forget
        return (
            album,
            album_wall.wall(album, "album-groups"),
            gr.CheckboxGroup(album_wall.choices(album), value=[], visible=True),
            gr.Column(visible=True),
            notice,
            downloads.of_album(album.to_album()) if downloadable else "",
            gr.Button(visible=True),
        )

    def present(album: SessionAlbum | None) -> SessionAlbum:
        if album is None:
            raise user_error(texts.ALBUM_EXPIRED)
        return album

    def keys(chosen: Any) -> list[int]:
        return [key for key in chosen or [] if isinstance(key, int)]

    def grouped(files: list[str]) -> tuple[Any, ...]:
        try:
            return shown(SessionAlbum.read(files, recognizer.timed("many")))
        except FaceHubError as error:
            return shown(None, render.message(str(error)))

    def on_group(files: list[str] | None) -> Any:
        if not files:
            raise user_error(texts.NO_PHOTOS)
        with uploads(*files):
            return *grouped(files), None

    def on_example() -> Any:
        return grouped([str(examples / name) for name in EXAMPLE])

    def on_name(album: SessionAlbum | None, chosen: Any, name: str) -> Any:
        groups = keys(chosen)
        if len(groups) != 1:
            raise user_error(texts.ALBUM_ONE)
        with as_user_error():
            return *shown(present(album).named(groups[0], name or "")), ""

    def on_merge(album: SessionAlbum | None, chosen: Any) -> Any:
        with as_user_error():
            return shown(present(album).merged(keys(chosen)))

    def on_send(album: SessionAlbum | None, visit: Visit) -> Any:
        faces = present(album).enrolments()
        if not faces:
            raise user_error(texts.ALBUM_NO_NAME)
        report = visit.people.add_found(faces)
        text = texts.ENROLLED_KNOWN if report.known else texts.ENROLLED
        counted = text.format(count=report.added, known=report.known)
        sent = render.message(texts.ALBUM_SENT.format(report=counted), report.failures)
        return {**identify.after_change(visit), notice: sent}

    private: dict[str, Any] = {"api_visibility": "private", "concurrency_id": COMPUTED}
    album = gr.State()
    with gr.Row():
        with gr.Column(min_width=300):
            gr.Markdown(texts.ALBUM_STEP)
            files = file_input(
                texts.ALBUM_PHOTOS,
                file_count="multiple",
                file_types=[*sorted(SUFFIXES), ".zip"],
                height=160,
                elem_id="album-photos",
            )
            group_button = gr.Button(texts.ALBUM_FIND, variant="primary", elem_id="album-find")
            example_button = gr.Button(
                texts.ALBUM_EXAMPLE, elem_id="album-example", visible=examples.is_dir()
            )
            gr.HTML(render.hidden(texts.NOTHING_DROPPED), elem_id="album-nothing-dropped")
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
    group_button.click(on_group, files, [*changed, files], show_progress_on=wall, **private)
    example_button.click(on_example, outputs=changed, show_progress_on=wall, **private)
    gr.on(
        [name_button.click, name.submit],
        on_name,
        [album, groups, name],
        [*changed, name],
        **private,
    )
    merge_button.click(on_merge, [album, groups], changed, **private)
    send_button.click(on_send, [album, identify.visit], [*identify.changed, notice], **private)
    forget_button.click(lambda: shown(None), outputs=changed, **private)
