"""The Verify tab: its components, and which method of the controller each event calls."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from facehub.demo import render, texts, verdict
from facehub.demo.errors import PageError
from facehub.demo.handlers import COMPUTING, PRIVATE, Updates
from facehub.demo.host.components import photo_input, skip_choice_validation
from facehub.demo.verify_controller import EXAMPLES, SIDES, Pair, Side, VerifyController
from facehub.errors import FaceHubError
from facehub.hosted.recognizer import HostedRecognizer
from facehub.results import QualityIssue

# Who has scrolled down to a button or to choose a face sees what comes of it.
SHOW = "() => document.querySelector('#verdict .fh-says')?.scrollIntoView({block: 'nearest'})"

LABELS: dict[Side, tuple[str, str]] = {
    "first": (texts.FIRST, texts.FIRST_FACE),
    "second": (texts.SECOND, texts.SECOND_FACE),
}


@dataclass(frozen=True)
class PictureColumn:
    """The components of one side.

    Attributes:
        picture: the upload.
        note: what was found in it.
        choice: which face is compared, where there are several.
    """

    picture: gr.Image
    note: gr.HTML
    choice: gr.Radio

    @classmethod
    def build(cls, side: Side) -> PictureColumn:
        """Lay out the column inside the current row."""
        label, question = LABELS[side]
        with gr.Column(min_width=140):
            picture = photo_input(label, height=240, elem_id=side)
            note = gr.HTML(elem_id=f"{side}-note")
            choice = gr.Radio([], label=question, visible=False, elem_id=f"{side}-face")
            skip_choice_validation(choice)
        return cls(picture, note, choice)


class VerifyTab:
    """The tab, laid out inside the current `gr.Blocks`.

    Args:
        controller: what the events call.
    """

    def __init__(self, controller: VerifyController) -> None:
        self.controller = controller
        self.pair = gr.State(Pair())
        self.verdict = gr.HTML(render.message(texts.VERIFY_EMPTY), elem_id="verdict")
        with gr.Row(elem_classes="fh-sides"):
            self.columns: dict[Side, PictureColumn] = {
                side: PictureColumn.build(side) for side in SIDES
            }
        with gr.Row():
            self.clear = gr.Button(texts.CLEAR, elem_id="clear", min_width=80)
            self.swap = gr.Button(texts.SWAP, elem_id="swap", min_width=80)
            self.compare = gr.Button(
                texts.COMPARE, variant="primary", elem_id="compare", min_width=80
            )
        self.examples: dict[str, gr.Button] = {}
        if controller.examples.is_dir():
            with gr.Row():
                self.examples = {
                    label: gr.Button(label, size="sm", min_width=140) for label in EXAMPLES
                }
            gr.Markdown(texts.EXAMPLES)
        self.share = gr.Textbox(
            label=texts.SHARE, buttons=["copy"], interactive=False, visible=False, elem_id="share"
        )
        self._connect()

    def show_side(self, pair: Pair, side: Side) -> Updates:
        """The picture of a side, and what was found in it."""
        column, slot = self.columns[side], pair.sides[side]
        photo = slot.photo
        note = "" if photo is None else render.photo_note(photo, f"{side}-face")
        count = 0 if photo is None else len(photo.faces)
        choices = [(texts.FACE.format(number=i + 1), i) for i in range(count)]
        face = slot.position(photo) if photo is not None and count else None
        return {
            column.picture: photo,
            column.note: render.message(slot.problem) if slot.problem else note,
            column.choice: gr.Radio(choices, value=face, visible=count > 1),
        }

    def show_verdict(self, pair: Pair, missing: str | None = None) -> Updates:
        """The verdict, or what to do until there is one.

        Args:
            pair: what to compare.
            missing: said where a picture is missing; None for the next step.
        """
        try:
            result = self.controller.compare(pair)
        except FaceHubError as error:
            return self._say(str(error))
        if result is None:
            some = any(slot.photo is not None for slot in pair.sides.values())
            return self._say(missing or (texts.ONE_MORE if some else texts.VERIFY_EMPTY))
        spec = self.controller.recognizer.spec
        text = verdict.as_text(result, spec)
        return {
            self.verdict: verdict.verification(result, spec),
            self.share: gr.Textbox(text, visible=bool(text)),
        }

    def show_all(self, pair: Pair) -> Updates:
        """Both sides and the verdict."""
        sides = [self.show_side(pair, side) for side in SIDES]
        return {**sides[0], **sides[1], **self.show_verdict(pair)}

    def _say(self, text: str) -> Updates:
        return {self.verdict: render.message(text), self.share: gr.Textbox("", visible=False)}

    def _expect(self, side: Side, pair: Pair) -> Updates:
        """A new picture is on its way: what was there counts no longer."""
        pair.sides[side].begin()
        column = self.columns[side]
        return {
            column.note: render.note(texts.READING),
            column.choice: gr.Radio([], visible=False),
            **self.show_verdict(pair),
        }

    def _read(self, side: Side, pair: Pair, value: Any) -> Updates:
        if not self.controller.read(pair, side, value):
            return {self.columns[side].note: gr.skip()}  # a newer one is on its way
        return self.show_side(pair, side)

    def _choose(self, side: Side, pair: Pair, face: Any) -> Updates:
        try:
            self.controller.choose(pair, side, face)
        except PageError as error:
            return self._say(str(error))
        return self.show_verdict(pair)

    def _swap(self, pair: Pair) -> Updates:
        self.controller.swap(pair)
        return self.show_all(pair)

    def _clear(self, pair: Pair) -> Updates:
        self.controller.clear(pair)
        return self.show_all(pair)

    def _example(self, label: str, pair: Pair) -> Iterator[Updates]:
        yield self._say(texts.READING)
        self.controller.show_example(pair, label)
        yield self.show_all(pair)

    def _connect(self) -> None:
        result = [self.verdict, self.share]
        for side, column in self.columns.items():
            outputs = [column.picture, column.note, column.choice]
            read = functools.partial(self._read, side)
            inputs = [self.pair, column.picture]
            # "multiple": the answer to an earlier picture is not waited for, and is dropped.
            expected = column.picture.upload(
                functools.partial(self._expect, side),
                self.pair,
                [column.note, column.choice, *result],
                queue=False,
                trigger_mode="multiple",
                **PRIVATE,
            )
            uploaded = expected.then(read, inputs, outputs, trigger_mode="multiple", **COMPUTING)
            cleared = column.picture.clear(read, inputs, outputs, **COMPUTING)
            for event in (uploaded, cleared):
                # Once a picture is read: of two that are read at a time, the later one finds both.
                compared = event.success(
                    self.show_verdict,
                    self.pair,
                    result,
                    queue=False,
                    trigger_mode="multiple",
                    **PRIVATE,
                )
                compared.then(None, js=SHOW, **PRIVATE)
                event.failure(
                    lambda: render.message(texts.NOT_READ),
                    outputs=column.note,
                    queue=False,
                    **PRIVATE,
                )
            chosen = column.choice.input(
                functools.partial(self._choose, side),
                [self.pair, column.choice],
                result,
                queue=False,
                trigger_mode="always_last",
                **PRIVATE,
            )
            chosen.then(None, js=SHOW, **PRIVATE)
        everything = [
            component
            for column in self.columns.values()
            for component in (column.picture, column.note, column.choice)
        ] + result
        asked = self.compare.click(
            functools.partial(self.show_verdict, missing=texts.TWO_PICTURES),
            self.pair,
            result,
            **COMPUTING,
        )
        asked.then(None, js=SHOW, **PRIVATE)
        self.swap.click(self._swap, self.pair, everything, **COMPUTING)
        self.clear.click(self._clear, self.pair, everything, **COMPUTING)
        for label, button in self.examples.items():
            example = functools.partial(self._example, label)
            compared = button.click(example, self.pair, everything, **COMPUTING)
            compared.then(None, js=SHOW, **PRIVATE)


def build(
    recognizer: HostedRecognizer, examples: Path, rejected: Collection[QualityIssue] = ()
) -> VerifyTab:
    """Lay out the tab inside the current `gr.Blocks`.

    Args:
        recognizer: weights in use.
        examples: folder of the example pictures; none are offered where it is missing.
        rejected: quality issues for which a face is not compared.
    """
    return VerifyTab(VerifyController(recognizer, examples, rejected))
