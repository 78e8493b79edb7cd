"""The stateless endpoints `/verify` and `/identify`, for programs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import gradio as gr

from facehub.demo import texts
from facehub.demo.errors import as_user_error, user_error
from facehub.demo.host.components import file_input, photo_input
from facehub.demo.host.uploads import uploads
from facehub.demo.portraits import MAX_PHOTOS
from facehub.demo.settings import COMPUTED
from facehub.demo.upload import Upload
from facehub.enrolment import enrol
from facehub.hosted.recognizer import HostedRecognizer
from facehub.identification import identify
from facehub.io.images import ImageSource
from facehub.results import QualityIssue
from facehub.verification import PairPolicy, verify


def build(recognizer: HostedRecognizer, rejected: Collection[QualityIssue] = ()) -> None:
    """Add the endpoints to the current `gr.Blocks`; nothing of them is seen on the page.

    Args:
        recognizer: weights in use.
        rejected: quality issues for which a face is neither compared nor enrolled.
    """

    def on_verify(
        first: ImageSource, second: ImageSource, policy: PairPolicy = "exactly_one"
    ) -> dict[str, Any]:
        """Compare two pictures. Returns `VerificationResult.to_dict()`."""
        with as_user_error(), uploads(first, second):
            if first is None or second is None:
                raise user_error(texts.TWO_PICTURES)
            return verify(
                first, second, policy=policy, reject_issues=rejected, recognizer=recognizer.timed()
            ).to_dict()

    def on_identify(photo: Any, people: list[str], names: list[str]) -> dict[str, Any]:
        """Identify faces. `people` are photos, `names` says whom each of them shows.

        Returns `IdentifiedFace.to_dict()` of each face as `faces`, from left to right.
        """
        with as_user_error(), uploads(photo, *(people or ())):
            if not (photo and people and isinstance(names, list) and len(names) == len(people)):
                raise user_error(texts.API_IDENTIFY)
            if len(people) > MAX_PHOTOS:
                raise user_error(texts.FULL.format(limit=MAX_PHOTOS))
            timed = recognizer.timed("many")
            gallery = recognizer.empty_gallery()
            for name, file in zip(names, people, strict=True):
                enrol(
                    gallery,
                    str(name),
                    file,
                    source=Upload.of(file).name,
                    reject_issues=rejected,
                    recognizer=timed,
                )
            faces = identify(photo, gallery, top_k=3, recognizer=timed)
        return {"faces": [face.to_dict() for face in faces]}

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
