"""The stateless endpoints `/verify` and `/identify`, for programs, and what is said of them."""

from __future__ import annotations

from typing import Any, get_args

import gradio as gr

from facehub.demo import texts
from facehub.demo.errors import as_user_error, user_error
from facehub.demo.host.components import describe, file_input, photo_input
from facehub.demo.host.uploads import uploads
from facehub.demo.portraits import MAX_PHOTOS
from facehub.demo.settings import COMPUTED, Settings
from facehub.demo.upload import Upload
from facehub.detect.base import MAX_FACES
from facehub.enrolment import enrol
from facehub.hosted.recognizer import HostedRecognizer
from facehub.identification import identify
from facehub.io.formats import READ
from facehub.io.images import MAX_BYTES, MAX_PIXELS, ImageSource
from facehub.verification import PairPolicy, verify

TOP = 3  # candidates for each face
PICTURES = (
    "A picture is {formats}, of at most {megabytes} MB and {megapixels:.0f} megapixels. "
    "It is uploaded, never fetched from an address, and forgotten with the request."
)
FACE = (
    "A face has box (x0, y0, x1, y1) and inter_eye in pixels, yaw, pitch and roll in degrees, and "
    "issues, what may make the comparison unreliable."
)
VERIFY = (
    "Say whether two pictures show the same person. {pictures} Where a picture shows several "
    "faces, the policy exactly_one cannot tell, largest compares the largest face, best_pair the "
    "most similar pair. The answer has decision (same, uncertain, different, cannot_tell, or "
    "uncalibrated where the weights have no threshold), reason where it cannot tell, similarity "
    "and threshold (cosine, -1 to 1, or null), uncertain_margin, and the faces compared, first and "
    "second, with index, their position in the picture from left to right, from 0. {face}"
)
IDENTIFY = (
    "Say who of the given people is in a picture. photo is searched; people are 1 to {people} "
    "pictures of one face each, and names holds as many names, in their order. {pictures} The "
    "answer has faces, from left to right, at most {faces}: each with name (null for unknown), "
    "similarity (cosine, -1 to 1, null for unknown) and up to {top} candidates, best first, each "
    "with name, similarity, and fpir, the share of strangers, 0 to 1, who are that similar to "
    "somebody among these people (null where it is not known). {face}"
)


def build(recognizer: HostedRecognizer, settings: Settings) -> None:
    """Add the endpoints to the current `gr.Blocks`; nothing of them is seen on the page.

    Args:
        recognizer: weights in use.
        settings: of the host; a face with one of its rejected issues is neither compared nor
            enrolled.
    """

    def on_verify(
        first: ImageSource, second: ImageSource, policy: PairPolicy = "exactly_one"
    ) -> dict[str, Any]:
        """Compare two pictures. Returns `VerificationResult.to_dict()`."""
        with as_user_error(), uploads(first, second):
            if first is None or second is None:
                raise user_error(texts.TWO_PICTURES)
            return verify(
                first,
                second,
                policy=policy,
                reject_issues=settings.reject,
                recognizer=recognizer.timed(),
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
                    reject_issues=settings.reject,
                    recognizer=timed,
                )
            faces = identify(photo, gallery, top_k=TOP, recognizer=timed)
        return {"faces": [face.to_dict() for face in faces]}

    pictures = PICTURES.format(
        formats=" or ".join(format.name for format in READ),
        megabytes=min(settings.max_upload_mb, MAX_BYTES // 2**20),
        megapixels=MAX_PIXELS / 1e6,
    )
    facts = {"pictures": pictures, "face": FACE}
    limits = {"people": MAX_PHOTOS, "faces": MAX_FACES, "top": TOP}
    with gr.Group(visible=False):
        policies = get_args(PairPolicy)
        verify_inputs = [
            photo_input(texts.FIRST),
            photo_input(texts.SECOND),
            gr.Radio(policies, value=policies[0], label="policy"),
        ]
        names = gr.JSON(label="names")
        words = "one name for each of people, in their order"
        schema = {"type": "array", "items": {"type": "string"}, "additional_description": words}
        describe(names, schema, ["Ada"])
        identify_inputs = [
            photo_input(texts.PROBE),
            file_input("people", file_count="multiple"),
            names,
        ]
        for name, handler, inputs, output, text in (
            ("verify", on_verify, verify_inputs, "result", VERIFY.format(**facts)),
            ("identify", on_identify, identify_inputs, "faces", IDENTIFY.format(**facts, **limits)),
        ):
            answer = gr.JSON(label=output)
            describe(answer, {"type": "object", "additional_description": "see above"}, {})
            gr.Button().click(
                handler,
                inputs,
                answer,
                api_name=name,
                api_description=text,
                concurrency_id=COMPUTED,
            )
