"""The stateless endpoints `/verify` and `/identify`, for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from facehub.demo import texts
from facehub.demo.errors import problem, shown
from facehub.demo.host.uploads import file_input, uploads
from facehub.demo.photo import photo_input
from facehub.demo.session import SessionGallery
from facehub.demo.settings import COMPUTED
from facehub.identification import identify
from facehub.io.images import ImageSource
from facehub.pipeline import FaceRecognizer
from facehub.verification import PairPolicy, verify


def build(recognizer: FaceRecognizer) -> None:
    """Add the endpoints to the current `gr.Blocks`; nothing of them is seen on the page.

    Args:
        recognizer: weights in use.
    """

    def on_verify(
        first: ImageSource, second: ImageSource, policy: PairPolicy = "exactly_one"
    ) -> dict[str, Any]:
        """Compare two pictures. Returns decision, similarity, threshold, reason and warnings."""
        with shown(), uploads(first, second):
            if first is None or second is None:
                raise problem(texts.TWO_PICTURES)
            result = verify(first, second, policy=policy, recognizer=recognizer)
        return {
            "decision": result.decision.value,
            "similarity": None if result.similarity is None else round(result.similarity, 3),
            "threshold": result.threshold,
            "reason": result.reason,
            "issues": [list(face.issues) if face else [] for face in (result.first, result.second)],
        }

    def on_identify(photo: Any, people: list[str], names: list[str]) -> dict[str, Any]:
        """Identify faces. `people` are photos, `names` says whom each of them shows."""
        with shown(), uploads(photo, *(people or ())):
            if not (photo and people and isinstance(names, list) and len(names) == len(people)):
                raise problem(texts.API_IDENTIFY)
            gallery = SessionGallery(recognizer.empty_gallery())
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

    with gr.Group(visible=False):
        verify_inputs = [
            photo_input(texts.FIRST),
            photo_input(texts.SECOND),
            gr.Radio(["exactly_one", "largest", "best_pair"], value="exactly_one", label="policy"),
        ]
        identify_inputs = [
            photo_input(texts.PROBE),
            file_input("people", file_count="multiple"),
            gr.JSON(label="names"),
        ]
        for name, handler, inputs, output in (
            ("verify", on_verify, verify_inputs, "result"),
            ("identify", on_identify, identify_inputs, "faces"),
        ):
            answer = gr.JSON(label=output)
            gr.Button().click(handler, inputs, answer, api_name=name, concurrency_id=COMPUTED)
