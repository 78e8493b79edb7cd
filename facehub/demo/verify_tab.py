"""The Verify tab, and the `/verify` endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from facehub.demo import render, texts
from facehub.demo.errors import problem, shown
from facehub.demo.photo import photo_input
from facehub.images import ImageSource
from facehub.recognizer import FaceRecognizer
from facehub.verification import PairPolicy, VerificationResult, verify

EXAMPLES = [
    ("eileen_collins.jpg", "eileen_collins_tilted.jpg"),
    ("eileen_collins.jpg", "grace_hopper.jpg"),
]


def build(recognizer: FaceRecognizer, examples: Path) -> None:
    """Lay out the tab inside the current `gr.Blocks`.

    Args:
        recognizer: weights in use.
        examples: folder of the example pictures; none are offered where it is missing.
    """

    def compare(first: ImageSource, second: ImageSource, policy: PairPolicy) -> VerificationResult:
        if first is None or second is None:
            raise problem(texts.TWO_PICTURES)
        with shown():
            return verify(first, second, policy=policy, recognizer=recognizer)

    def on_compare(first: Any, second: Any, policy: PairPolicy) -> str:
        return render.verification(compare(first, second, policy), recognizer.config)

    def on_api(first: Any, second: Any, policy: PairPolicy = "exactly_one") -> dict[str, Any]:
        """Compare two pictures. Returns decision, similarity, threshold, reason and warnings."""
        result = compare(first, second, policy)
        return {
            "decision": result.decision.value,
            "similarity": None if result.similarity is None else round(result.similarity, 3),
            "threshold": result.threshold,
            "reason": result.reason,
            "issues": [list(face.issues) if face else [] for face in (result.first, result.second)],
        }

    with gr.Row():
        first = photo_input(texts.FIRST, height=320, elem_id="first")
        second = photo_input(texts.SECOND, height=320, elem_id="second")
    policy = gr.Radio(texts.POLICIES, value="exactly_one", label=texts.SEVERAL)
    with gr.Row():
        clear = gr.Button(texts.CLEAR)
        button = gr.Button(texts.COMPARE, variant="primary", elem_id="compare")
    result = gr.HTML(render.message(texts.VERIFY_EMPTY), elem_id="verdict")

    inputs = [first, second, policy]
    button.click(on_compare, inputs, result, api_visibility="private")
    clear.click(
        lambda: (None, None, render.message(texts.VERIFY_EMPTY)),
        outputs=[first, second, result],
        api_visibility="private",
    )
    gr.Button(visible=False).click(
        on_api, inputs, gr.JSON(visible=False, label="result"), api_name="verify"
    )
    if examples.is_dir():
        gr.Examples(
            [[str(examples / a), str(examples / b)] for a, b in EXAMPLES],
            inputs=[first, second],
            outputs=result,
            fn=lambda a, b: on_compare(a, b, "exactly_one"),
            run_on_click=True,
            cache_examples=False,
            label=texts.EXAMPLES,
            api_visibility="private",
        )
