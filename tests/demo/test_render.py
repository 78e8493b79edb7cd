"""What the page shows of a result."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from facehub.config import Calibration, EncoderConfig
from facehub.demo import render, texts
from facehub.demo.session import SessionGallery
from facehub.gallery import Gallery
from facehub.identification import identify
from facehub.images import load_image
from facehub.recognizer import default_recognizer
from facehub.verification import Decision, VerificationResult

CALIBRATION = Calibration("made up", None, fmr=0.02, fnmr=0.25, impostor_pairs=9, genuine_pairs=9)
CONFIG = EncoderConfig(threshold=0.5, calibration=CALIBRATION)


def result(decision: Decision, similarity: float | None, **kwargs: str) -> VerificationResult:
    return VerificationResult(decision, similarity, 0.5, 0.05, **kwargs)


@pytest.mark.parametrize("decision", [Decision.SAME, Decision.UNCERTAIN, Decision.DIFFERENT])
def test_verdict_names_the_decision(decision: Decision) -> None:
    html = render.verification(result(decision, 0.4), CONFIG)
    assert f"<h2>{texts.VERDICTS[decision][0]}</h2>" in html
    assert "similarity 0.40, threshold 0.50" in html


def test_score_bar_positions() -> None:
    # The bar runs from -0.2 to 1: 0.4 lies at (0.4 + 0.2) / 1.2 = 50 %.
    assert 'fh-mark" style="left:50.0%' in render.verification(
        result(Decision.DIFFERENT, 0.4), CONFIG
    )
    assert 'fh-mark" style="left:0%' in render.verification(
        result(Decision.DIFFERENT, -0.9), CONFIG
    ).replace("0.0%", "0%")


def test_verdict_quotes_the_calibration_only_where_it_holds() -> None:
    # An FMR of 0.02 is one pair in 50.
    html = render.verification(result(Decision.SAME, 0.8), CONFIG)
    assert "1 in 50 pairs" in html
    assert "25%" in html
    for other in (
        dataclasses.replace(CONFIG, calibration=None),
        dataclasses.replace(CONFIG, threshold=0.6),
    ):
        html = render.verification(result(Decision.SAME, 0.8), other)
        assert texts.NOT_CALIBRATED in html
        assert "1 in" not in html


def test_cannot_tell_gives_the_reason_and_no_score() -> None:
    html = render.verification(
        result(Decision.CANNOT_TELL, None, reason="In the first picture: <no> face."), CONFIG
    )
    assert "In the first picture: &lt;no&gt; face." in html
    assert "fh-bar" not in html


def test_names_cannot_inject_html(examples: Path) -> None:
    recognizer = default_recognizer()
    session = SessionGallery(Gallery(recognizer.fingerprint))
    evil = "<img src=x onerror=alert(1)>"
    session.enrol(evil, examples / "eileen_collins.jpg", "e", recognizer)
    image = load_image(examples / "eileen_collins.jpg")
    faces = identify(image, session.gallery, recognizer=recognizer)
    for html in (
        render.wall(session),
        render.identification(image, faces, session.crops),
        render.message(evil, [evil]),
    ):
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html


def test_identification_boxes_are_in_per_cent_of_the_picture(examples: Path) -> None:
    recognizer = default_recognizer()
    image = load_image(examples / "both.jpg")
    faces = identify(image, Gallery(recognizer.fingerprint), recognizer=recognizer)
    html = render.identification(image, faces, {})
    assert html.count("fh-box fh-unknown") == len(faces) == 2
    x0 = faces[0].probe.face.box[0]
    assert f"left:{100 * x0 / image.shape[1]:.2f}%" in html


def test_no_face() -> None:
    assert texts.NO_FACE in render.identification(np.zeros((9, 9, 3), np.uint8), [], {})
