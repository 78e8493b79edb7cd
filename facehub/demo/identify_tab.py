"""The Identify tab, and the stateless `/identify` endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from facehub.demo import render, texts
from facehub.demo.errors import problem, shown
from facehub.demo.photo import photo_input
from facehub.demo.session import LIFETIME, SessionGallery
from facehub.errors import FaceHubError
from facehub.gallery import Gallery
from facehub.identification import identify
from facehub.images import load_image
from facehub.recognizer import FaceRecognizer


def build(recognizer: FaceRecognizer, examples: Path) -> None:
    """Lay out the tab inside the current `gr.Blocks`.

    Args:
        recognizer: weights in use.
        examples: folder of the example pictures; none are offered where it is missing.
    """

    def new_session() -> SessionGallery:
        return SessionGallery(Gallery(recognizer.fingerprint, recognizer.config.embedding_size))

    def people(session: SessionGallery) -> Any:
        return gr.Dropdown(choices=list(session.gallery), value=None)

    def chosen(session: SessionGallery, person: str | None) -> str:
        if person is None or person not in session.gallery:
            raise problem(texts.NO_PERSON)
        return person

    def on_enrol(session: SessionGallery, name: str, files: list[str] | None, snapshot: Any) -> Any:
        files = list(files or []) + ([snapshot] if snapshot is not None else [])
        if not files:
            raise problem(texts.NO_PHOTOS)
        count, failures = session.enrol_many(name or "", files, recognizer)
        notice = render.message(texts.ENROLLED.format(count=count), failures)
        return session, render.wall(session), notice, people(session), None, None, ""

    def on_load(file: str | None) -> Any:
        if file is None:
            return (gr.skip(),) * 5
        try:
            loaded = Gallery.load(file, fingerprint=recognizer.fingerprint)
        except FaceHubError as error:
            text = str(error).replace(file, Path(file).name)  # no path of the server
            return gr.skip(), gr.skip(), render.message(text), gr.skip(), None
        session = SessionGallery(loaded)
        count = texts.LOADED.format(people=len(loaded), photos=loaded.n_templates)
        return session, render.wall(session), render.message(count), people(session), None

    def on_remove(session: SessionGallery, person: str | None) -> Any:
        session.remove(chosen(session, person))
        return session, render.wall(session), people(session)

    def on_rename(session: SessionGallery, person: str | None, new_name: str) -> Any:
        with shown():
            session.gallery.rename(chosen(session, person), new_name)
        return session, render.wall(session), people(session), ""

    def on_delete() -> Any:
        session = new_session()
        empty = render.message(texts.PROBE_EMPTY)
        notice = render.message(texts.DELETED)
        return session, render.wall(session), notice, people(session), None, empty

    def on_identify(session: SessionGallery, probe: Any) -> str:
        if probe is None:
            raise problem(texts.NO_PROBE)
        with shown():
            image = load_image(probe)
            faces = identify(image, session.gallery, top_k=3, recognizer=recognizer)
        return render.identification(image, faces, session.crops)

    def on_example() -> Any:
        session = new_session()
        for name, file in (
            ("Eileen Collins", "eileen_collins.jpg"),
            ("Grace Hopper", "grace_hopper.jpg"),
        ):
            session.enrol(name, examples / file, file, recognizer)
        probe = examples / "both.jpg"
        return session, render.wall(session), people(session), probe, on_identify(session, probe)

    def on_api(photo: Any, people: list[str], names: list[str]) -> dict[str, Any]:
        """Identify faces. `people` are photos, `names` says whom each of them shows."""
        if photo is None or not people or not isinstance(names, list) or len(names) != len(people):
            raise problem("Send photo, people and as many names.")
        gallery = new_session()
        with shown():
            for name, file in zip(names, people, strict=True):
                gallery.enrol(str(name), file, Path(file).name, recognizer)
            faces = identify(photo, gallery.gallery, top_k=3, recognizer=recognizer)
        return {
            "faces": [
                {
                    "name": face.name,
                    "similarity": None if face.similarity is None else round(face.similarity, 3),
                    "box": [round(v, 1) for v in face.probe.face.box],
                    "candidates": [
                        {"name": c.name, "similarity": round(c.similarity, 3)}
                        for c in face.candidates
                    ],
                }
                for face in faces
            ]
        }

    session = gr.State(new_session(), time_to_live=LIFETIME)
    with gr.Row():
        with gr.Column():
            gr.Markdown(texts.STEP_ENROL)
            name = gr.Textbox(
                label=texts.NAME, placeholder=texts.NAME_HINT, max_length=100, elem_id="name"
            )
            files = gr.File(
                label=texts.PHOTOS,
                file_count="multiple",
                file_types=["image"],
                height=160,
                elem_id="photos",
            )
            with gr.Accordion(texts.SNAPSHOT, open=False):
                snapshot = photo_input(
                    texts.SNAPSHOT, sources=["webcam", "clipboard"], height=240, elem_id="snapshot"
                )
            with gr.Accordion(texts.GALLERY_FILE, open=False):
                gr.Markdown(texts.GALLERY_HINT)
                gallery_file = gr.File(
                    label=texts.GALLERY_FILE,
                    file_types=[".safetensors"],
                    height=120,
                    elem_id="gallery-file",
                )
            enrol_button = gr.Button(texts.ENROL, variant="primary", elem_id="enrol")
            notice = gr.HTML(elem_id="notice")
            wall = gr.HTML(render.message(texts.WALL_EMPTY), elem_id="wall")
            with gr.Row():
                person = gr.Dropdown([], label=texts.PERSON, elem_id="person")
                new_name = gr.Textbox(label=texts.NEW_NAME, max_length=100, elem_id="new-name")
            with gr.Row():
                rename_button = gr.Button(texts.RENAME, elem_id="rename")
                remove_button = gr.Button(texts.REMOVE, elem_id="remove")
                delete_button = gr.Button(texts.DELETE, variant="stop", elem_id="delete")
        with gr.Column():
            gr.Markdown(texts.STEP_PROBE)
            probe = photo_input(texts.PROBE, height=320, elem_id="probe")
            identify_button = gr.Button(texts.IDENTIFY, variant="primary", elem_id="identify")
            example_button = gr.Button(
                texts.EXAMPLE_GALLERY, elem_id="identify-example", visible=examples.is_dir()
            )
            result = gr.HTML(render.message(texts.PROBE_EMPTY), elem_id="faces")
            if examples.is_dir():
                example_button.click(
                    on_example,
                    outputs=[session, wall, person, probe, result],
                    api_visibility="private",
                )

    enrol_button.click(
        on_enrol,
        [session, name, files, snapshot],
        [session, wall, notice, person, files, snapshot, name],
        api_visibility="private",
    )
    gallery_file.upload(
        on_load,
        gallery_file,
        [session, wall, notice, person, gallery_file],
        api_visibility="private",
    )
    remove_button.click(
        on_remove, [session, person], [session, wall, person], api_visibility="private"
    )
    rename_button.click(
        on_rename,
        [session, person, new_name],
        [session, wall, person, new_name],
        api_visibility="private",
    )
    delete_button.click(
        on_delete, outputs=[session, wall, notice, person, probe, result], api_visibility="private"
    )
    identify_button.click(on_identify, [session, probe], result, api_visibility="private")
    gr.Button(visible=False).click(
        on_api,
        [probe, gr.File(visible=False, file_count="multiple"), gr.JSON(visible=False)],
        gr.JSON(visible=False),
        api_name="identify",
    )
