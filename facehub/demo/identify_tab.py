"""The Identify tab."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from facehub.demo import downloads, render, texts
from facehub.demo.errors import as_user_error, private_errors, user_error
from facehub.demo.host.components import file_input, photo_input, skip_choice_validation
from facehub.demo.host.uploads import uploads
from facehub.demo.naming import NamingForm
from facehub.demo.photo import Photo, read_photo
from facehub.demo.session import SessionGallery
from facehub.demo.settings import COMPUTED
from facehub.demo.upload import Upload
from facehub.errors import FaceHubError
from facehub.gallery.base import Gallery
from facehub.hosted.recognizer import HostedRecognizer
from facehub.identification import identify_faces
from facehub.io.formats import SUFFIXES
from facehub.results import IdentifiedFace

FRAME_EVERY, LIVE_LIMIT = 0.35, 120.0  # seconds
LIVE_AT_ONCE = 2
MAX_CHOICES = 1000  # people to choose from; of a larger gallery, the first


@dataclass(frozen=True)
class IdentifyTab:
    """What another tab needs to change the gallery.

    Attributes:
        held: the state of the session's gallery and that of the searched picture.
        changed: what shows the gallery.
        after_change: takes the values of `held`, gives those of `changed`.
    """

    held: list[Any]
    changed: list[Any]
    after_change: Callable[[SessionGallery, Photo | None], tuple[Any, ...]]


def build(
    page: gr.Blocks,
    recognizer: HostedRecognizer,
    examples: Path,
    first: SessionGallery,
    *,
    downloadable: bool,
) -> IdentifyTab:
    """Lay out the tab inside the current `gr.Blocks`.

    Args:
        page: that the tab is part of.
        recognizer: weights in use.
        examples: folder of the example pictures; none are offered where it is missing.
        first: a session's gallery to begin with, or the one that all share.
        downloadable: whether visitors may download a result.
    """
    shared = first if first.shared else None
    spec = recognizer.spec
    no_wall = texts.WALL_EMPTY_SHARED if shared else texts.WALL_EMPTY
    live_empty = texts.LIVE_EMPTY.format(count=LIVE_AT_ONCE, minutes=LIVE_LIMIT / 60)

    def no_result(photo: Photo | None) -> str:
        """In place of the names of a picture that is still to be searched."""
        if photo is None:
            return render.message(texts.PROBE_EMPTY)
        if not photo.faces:
            return render.message(texts.NO_FACE)
        return render.message(texts.PROBE_READY.format(count=len(photo.faces)))

    def after_change(session: SessionGallery, photo: Photo | None) -> tuple[Any, ...]:
        """Session, wall, both choosers, and result, whose names hold no longer."""
        now = session.now
        with as_user_error(), private_errors():
            names = list(now.gallery.people(limit=MAX_CHOICES))
            wall = render.wall(now, spec, no_wall)
        people = gr.Dropdown(choices=names, value=None)
        return session, wall, people, gr.Dropdown(choices=[], value=None), no_result(photo)

    def chosen(session: SessionGallery, person: Any) -> str:
        if person is None:
            raise user_error(texts.NO_PERSON)
        if person not in session.gallery:
            raise user_error(texts.NO_SUCH_PERSON)
        return str(person)

    def named(gallery: Gallery, photo: Photo) -> list[IdentifiedFace]:
        with as_user_error(), private_errors():
            threshold = spec.threshold_for(gallery.n_templates)
            return identify_faces(
                photo.faces, gallery, threshold=threshold, top_k=3, calibration=spec.calibration
            )

    def on_enrol(
        session: SessionGallery,
        photo: Photo | None,
        name: str,
        files: list[str] | None,
        snapshot: Any,
    ) -> Any:
        pictures = list(files or []) + ([snapshot] if snapshot is not None else [])
        if not pictures:
            raise user_error(texts.NO_PHOTOS)
        if snapshot is not None and not (name or "").strip():
            raise user_error(texts.NO_NAME)  # its file's name says nothing, and is always the same
        with uploads(*pictures):
            report = session.enrol_many(name or "", pictures, recognizer.timed("many"))
        text = texts.ENROLLED_KNOWN if report.known else texts.ENROLLED
        notice = render.message(text.format(count=report.added, known=report.known), report.details)
        kept_name = "" if report.added or report.known else name  # to try again
        return *after_change(session, photo), notice, None, None, kept_name

    def on_load(session: SessionGallery, photo: Photo | None, file: str | None) -> Any:
        if file is None:
            raise user_error(texts.EXPIRED)
        try:
            with uploads(file):
                loaded = recognizer.load_gallery(file)
            session.replace(loaded)
        except FaceHubError as error:
            text = str(error).replace(file, Upload.of(file).name)  # no path of the server
            return *(gr.skip(),) * 5, render.message(text), None
        people, photos = len(loaded), loaded.n_templates
        count = texts.LOADED.format(
            people=texts.PEOPLE[people != 1].format(count=people),
            photos=texts.COUNT[photos != 1].format(count=photos),
        )
        return *after_change(session, photo), render.message(count), None

    def on_person(session: SessionGallery, person: Any) -> Any:
        gallery = session.gallery
        photos = gallery.examples(person) if person in gallery else ()
        return gr.Dropdown(choices=[(p.source, p.digest) for p in photos], value=None)

    def on_remove(session: SessionGallery, photo: Photo | None, person: Any) -> Any:
        with as_user_error():
            session.remove(chosen(session, person))
        return after_change(session, photo)

    def on_remove_photo(session: SessionGallery, photo: Photo | None, person: Any, key: Any) -> Any:
        person = chosen(session, person)
        if key is None:
            raise user_error(texts.NO_PHOTO)
        with as_user_error():
            session.remove(person, key)
        return after_change(session, photo)

    def on_rename(session: SessionGallery, photo: Photo | None, person: Any, new_name: str) -> Any:
        with as_user_error():
            session.rename(chosen(session, person), new_name)
        return *after_change(session, photo), ""

    def on_merge(session: SessionGallery, photo: Photo | None, person: Any, other: str) -> Any:
        person = chosen(session, person)
        if other.strip() not in session.gallery or other.strip() == person:
            raise user_error(texts.NO_MERGE.format(name=other.strip() or "?"))
        with as_user_error():
            session.merge(person, other)
        return *after_change(session, photo), ""

    def on_delete(session: SessionGallery) -> Any:
        with as_user_error():
            session.replace(recognizer.empty_gallery())
        return *after_change(session, None), render.message(texts.DELETED), None, None

    def on_probe(value: Any) -> Any:
        if value is None:
            return None, None, no_result(None)
        try:
            photo = read_photo(value, recognizer.timed(), search="thorough")
        except FaceHubError as error:
            return None, None, render.message(str(error))
        return photo, photo, no_result(photo)

    def names(photo: Photo, session: SessionGallery) -> str:
        now = session.now
        faces = named(now.gallery, photo)
        links = downloads.of_faces(faces) if downloadable and faces else ""
        return render.identification(photo, faces, now, spec) + links

    def with_names(session: SessionGallery, photo: Photo) -> tuple[Any, ...]:
        return *after_change(session, photo)[:-1], names(photo, session)

    def on_identify(session: SessionGallery, photo: Photo | None) -> Any:
        """Wall and result."""
        if not len(session.gallery):
            text = texts.NOBODY_SHARED if shared else texts.NOBODY
            return render.message(no_wall), render.message(text)
        if photo is None:
            raise user_error(texts.NO_PROBE)
        return gr.skip(), names(photo, session)

    def on_frame(session: SessionGallery, frame: Any) -> str:
        if frame is None:
            return render.message(live_empty)
        with as_user_error():
            photo = read_photo(frame, recognizer.timed())
        gallery = session.gallery
        return render.boxed(photo, named(gallery, photo), spec) + render.approximate(gallery)

    def on_example(session: SessionGallery) -> Any:
        if shared is not None:
            raise user_error(texts.NOT_REPLACED)
        timed = recognizer.timed()
        session.replace(recognizer.empty_gallery())
        for name, file in (
            ("Eileen Collins", "eileen_collins.jpg"),
            ("Grace Hopper", "grace_hopper.jpg"),
        ):
            session.enrol(name, examples / file, file, timed)
        photo = read_photo(examples / "both.jpg", timed, search="thorough")
        return *with_names(session, photo), photo, photo

    private: dict[str, Any] = {"api_visibility": "private", "concurrency_id": COMPUTED}
    session = gr.State(first)
    found = gr.State()
    with gr.Row():
        with gr.Column(min_width=300):
            gr.Markdown(texts.STEP_ENROL)
            name = gr.Textbox(
                label=texts.NAME, placeholder=texts.NAME_HINT, max_length=100, elem_id="name"
            )
            files = file_input(
                texts.PHOTOS,
                file_count="multiple",
                file_types=[*sorted(SUFFIXES), ".zip"],
                height=160,
                elem_id="photos",
            )
            with gr.Accordion(texts.SNAPSHOT, open=False):
                snapshot = photo_input(
                    texts.SNAPSHOT, sources=["webcam", "clipboard"], height=240, elem_id="snapshot"
                )
            with gr.Accordion(texts.GALLERY_FILE, open=False):
                gr.Markdown(texts.GALLERY_HINT)
                gallery_file = file_input(
                    texts.GALLERY_FILE,
                    file_types=[".safetensors"],
                    height=120,
                    elem_id="gallery-file",
                )
            enrol_button = gr.Button(texts.ENROL, variant="primary", elem_id="enrol")
            gr.HTML(render.hidden(texts.NOTHING_DROPPED), elem_id="nothing-dropped")
            notice = gr.HTML(elem_id="notice")
            wall = gr.HTML(render.message(no_wall), elem_id="wall")
            with gr.Accordion(texts.CHANGE, open=False, elem_id="change"):
                person = gr.Dropdown([], label=texts.PERSON, elem_id="person")
                skip_choice_validation(person)
                new_name = gr.Textbox(label=texts.NEW_NAME, max_length=100, elem_id="new-name")
                with gr.Row():
                    rename_button = gr.Button(texts.RENAME, elem_id="rename", min_width=80)
                    merge_button = gr.Button(texts.MERGE, elem_id="merge", min_width=80)
                one_photo = gr.Dropdown([], label=texts.PHOTO, elem_id="one-photo")
                skip_choice_validation(one_photo)
                with gr.Row():
                    remove_photo_button = gr.Button(
                        texts.REMOVE_PHOTO, elem_id="remove-photo", min_width=80
                    )
                    remove_button = gr.Button(texts.REMOVE, elem_id="remove", min_width=80)
                delete_button = gr.Button(texts.DELETE, variant="stop", elem_id="delete")
        with gr.Column(min_width=300):
            gr.Markdown(texts.STEP_PROBE)
            probe = photo_input(texts.PROBE, height=320, elem_id="probe")
            identify_button = gr.Button(texts.IDENTIFY, variant="primary", elem_id="identify")
            example_button = gr.Button(
                texts.EXAMPLE_GALLERY,
                elem_id="identify-example",
                visible=examples.is_dir() and shared is None,
            )
            result = gr.HTML(render.message(texts.PROBE_EMPTY), elem_id="faces")
            naming = NamingForm()
            with gr.Accordion(texts.LIVE, open=False, elem_id="live"):
                camera = photo_input(
                    texts.LIVE, sources=["webcam"], streaming=True, height=240, elem_id="camera"
                )
                live = gr.HTML(render.message(live_empty), elem_id="live-faces")

    held = [session, found]
    changed = [session, wall, person, one_photo, result]
    if shared:
        page.load(after_change, held, changed, **private)
    enrol_button.click(
        on_enrol,
        [*held, name, files, snapshot],
        [*changed, notice, files, snapshot, name],
        **private,
    )
    gallery_file.upload(on_load, [*held, gallery_file], [*changed, notice, gallery_file], **private)
    person.change(on_person, [session, person], one_photo, show_progress="hidden", **private)
    remove_button.click(on_remove, [*held, person], changed, **private)
    remove_photo_button.click(on_remove_photo, [*held, person, one_photo], changed, **private)
    on_name: list[tuple[Any, Callable[..., Any]]] = [
        (rename_button, on_rename),
        (merge_button, on_merge),
    ]
    for button, handler in on_name:
        button.click(handler, [*held, person, new_name], [*changed, new_name], **private)
    delete_button.click(on_delete, session, [*changed, notice, probe, found], **private)
    probe.clear(on_probe, probe, [found, probe, result], **private)
    # What was there counts no longer while the new picture is being read.
    forgotten = probe.upload(lambda: (None, ""), outputs=[found, result], queue=False, **private)
    forgotten.then(on_probe, probe, [found, probe, result], **private)
    identify_button.click(on_identify, held, [wall, result], show_progress_on=result, **private)
    example_button.click(on_example, session, [*changed, found, probe], **private)
    naming.connect(held, changed, with_names, private)
    camera.stream(
        on_frame,
        [session, camera],
        live,
        stream_every=FRAME_EVERY,
        time_limit=LIVE_LIMIT,
        concurrency_limit=LIVE_AT_ONCE,
        show_progress="hidden",
        api_visibility="private",
    )
    return IdentifyTab(held, changed, after_change)
