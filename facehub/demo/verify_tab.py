"""The Verify tab."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import gradio as gr

from facehub.demo import render, texts
from facehub.demo.errors import as_user_error, user_error
from facehub.demo.host.components import photo_input, skip_choice_validation
from facehub.demo.photo import Photo, read_photo
from facehub.demo.settings import COMPUTED
from facehub.errors import FaceHubError
from facehub.hosted.recognizer import HostedRecognizer
from facehub.results import EmbeddedFace, QualityIssue
from facehub.verification import compare_faces

EXAMPLES = {
    texts.EXAMPLE_SAME: ("eileen_collins.jpg", "eileen_collins_tilted.jpg"),
    texts.EXAMPLE_DIFFERENT: ("eileen_collins.jpg", "grace_hopper.jpg"),
}


def build(
    recognizer: HostedRecognizer, examples: Path, rejected: Collection[QualityIssue] = ()
) -> None:
    """Lay out the tab inside the current `gr.Blocks`.

    Args:
        recognizer: weights in use.
        examples: folder of the example pictures; none are offered where it is missing.
        rejected: quality issues for which a face is not compared.
    """

    def slot(photo: Photo | None, name: str, face: int | None = None) -> tuple[Any, ...]:
        """State, picture, note and chooser of one side; the largest face is chosen by default."""
        note = "" if photo is None else render.photo_note(photo, f"{name}-face")
        count = 0 if photo is None else len(photo.faces)
        if photo is None or not count:
            face = None
        elif face is None:
            face = photo.largest
        choices = [(texts.FACE.format(number=i + 1), i) for i in range(count)]
        return photo, photo, note, gr.Radio(choices, value=face, visible=count > 1)

    def shared_text(text: str = "") -> Any:
        return gr.Textbox(text, visible=bool(text))

    def no_result(text: str = texts.VERIFY_EMPTY) -> tuple[Any, Any]:
        """Verdict and text to share, where there are none."""
        return render.message(text), shared_text()

    def on_photo(name: str, value: Any) -> tuple[Any, ...]:
        if value is None:
            return *slot(None, name), *no_result()
        try:
            photo = read_photo(value, recognizer.timed())
        except FaceHubError as error:
            state, picture, _, choice = slot(None, name)
            notice = render.message(str(error))
            return state, picture, notice, choice, *no_result()
        return *slot(photo, name), *no_result(texts.READY)

    def faces(photo: Photo, chosen: Any) -> tuple[EmbeddedFace, ...]:
        """The chosen face; the only one, or none, where there is no choice."""
        if chosen is None:
            return photo.faces[:1]
        if not isinstance(chosen, int) or chosen not in range(len(photo.faces)):
            raise user_error(texts.NO_SUCH_FACE)
        return photo.faces[chosen : chosen + 1]

    def on_compare(first: Photo | None, second: Photo | None, one: Any, two: Any) -> Any:
        if first is None or second is None:
            raise user_error(texts.TWO_PICTURES)
        pair = faces(first, one), faces(second, two)
        with as_user_error():
            result = compare_faces(*pair, recognizer.spec, reject_issues=rejected)
        return (
            render.verification(result, recognizer.spec),
            shared_text(render.as_text(result, recognizer.spec)),
        )

    def on_swap(first: Photo | None, second: Photo | None, one: Any, two: Any) -> Any:
        text = texts.READY if first and second else texts.VERIFY_EMPTY
        return *slot(second, "first", two), *slot(first, "second", one), *no_result(text)

    def on_example(label: str) -> Any:
        timed = recognizer.timed()
        first, second = (read_photo(examples / name, timed) for name in EXAMPLES[label])
        return (
            *slot(first, "first"),
            *slot(second, "second"),
            *on_compare(first, second, None, None),
        )

    sides: dict[str, tuple[Any, ...]] = {}
    with gr.Row():
        for name, label, question in (
            ("first", texts.FIRST, texts.FIRST_FACE),
            ("second", texts.SECOND, texts.SECOND_FACE),
        ):
            with gr.Column(min_width=260):
                picture = photo_input(label, height=320, elem_id=name)
                note = gr.HTML(elem_id=f"{name}-note")
                choice = gr.Radio([], label=question, visible=False, elem_id=f"{name}-face")
                skip_choice_validation(choice)
            sides[name] = gr.State(), picture, note, choice
    with gr.Row():
        clear = gr.Button(texts.CLEAR, elem_id="clear", min_width=80)
        swap = gr.Button(texts.SWAP, elem_id="swap", min_width=80)
        button = gr.Button(texts.COMPARE, variant="primary", elem_id="compare", min_width=160)
    result = gr.HTML(render.message(texts.VERIFY_EMPTY), elem_id="verdict")
    share = gr.Textbox(
        label=texts.SHARE, buttons=["copy"], interactive=False, visible=False, elem_id="share"
    )

    private: dict[str, Any] = {
        "api_visibility": "private",
        "show_progress_on": [result],
        "concurrency_id": COMPUTED,
    }
    hidden = {"__type__": "update", "value": "", "visible": False}
    forget = f"() => {json.dumps([render.message(texts.READY), hidden])}"
    for name, side in sides.items():
        state, picture, note, choice = side
        handler = functools.partial(on_photo, name)
        outputs = [*side, result, share]
        picture.clear(handler, picture, outputs, **private)
        # What was there counts no longer while the new picture is being read.
        forgotten = picture.upload(
            lambda: (None, ""), outputs=[state, note], queue=False, **private
        )
        forgotten.then(handler, picture, outputs, **private)
        # In the browser alone: an answer of the server could come after that of "Compare".
        choice.input(None, outputs=[result, share], js=forget, **private)
    states, chosen = ([side[i] for side in sides.values()] for i in (0, 3))
    both = [component for side in sides.values() for component in side]
    button.click(on_compare, [*states, *chosen], [result, share], **private)
    swap.click(on_swap, [*states, *chosen], [*both, result, share], **private)
    clear.click(
        lambda: (
            *slot(None, "first"),
            *slot(None, "second"),
            *no_result(),
        ),
        outputs=[*both, result, share],
        **private,
    )
    with gr.Row():
        for label in EXAMPLES if examples.is_dir() else ():
            gr.Button(label, size="sm").click(
                lambda label=label: on_example(label),
                outputs=[*both, result, share],
                **private,
            )
    if examples.is_dir():
        gr.Markdown(texts.EXAMPLES)
