"""The text that the page shows for a verification."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import pytest

from facehub.demo import texts, theme, verdict
from facehub.model.calibration import Calibration
from facehub.model.spec import ModelSpec
from facehub.model.tail import Tail
from facehub.pipeline import default_recognizer
from facehub.results import Decision, QualityIssue, VerificationResult

CURVE = ((0.0, 0.9, 0.0), (0.4, 0.02, 0.1), (0.8, 0.0002, 0.5), (0.9, 0.0, 1.0))
CALIBRATION = Calibration("made up", None, 0.01, 0.2, 10_000, 900, CURVE)
CONFIG = ModelSpec(threshold=0.5, calibration=CALIBRATION, fingerprint="sha256:0123456789abcdef")
UNCALIBRATED = dataclasses.replace(CONFIG, threshold=None, calibration=None)
TAIL = Tail(0.4, 0.02, 0.0, 0.1 / math.log(10), 200)  # ten times fewer every 0.1


def result(decision: Decision, similarity: float | None, **kwargs: str) -> VerificationResult:
    return VerificationResult(decision, similarity, 0.5, 0.05, **kwargs)


@pytest.mark.parametrize("decision", [Decision.SAME, Decision.UNCERTAIN, Decision.DIFFERENT])
def test_verdict_names_the_decision(decision: Decision) -> None:
    html = verdict.verification(result(decision, 0.4), CONFIG)
    assert f"<h2>{texts.VERDICTS[decision][0]}</h2>" in html
    assert "similarity 0.40, threshold 0.50, uncertain from 0.45" in html


def test_the_verdict_comes_before_the_crops(examples: Path) -> None:
    (face,) = default_recognizer().faces(examples / "grace_hopper.jpg")
    found = VerificationResult(Decision.SAME, 1.0, 0.5, 0.05, face, face)
    html = verdict.verification(found, CONFIG)
    assert html.count("<img") == 2
    order = ["<h2>", "fh-bar", "fh-sentence", "fh-odds", "fh-pair"]
    assert sorted(order, key=html.index) == order


@pytest.mark.parametrize(("similarity", "left"), [(0.4, 50), (-0.9, 0), (1.0, 100)])
def test_score_bar_marks_the_similarity(similarity: float, left: float) -> None:
    # The bar runs from -0.2 to 1: 0.4 lies at (0.4 + 0.2) / 1.2 = 50 %.
    html = verdict.verification(result(Decision.DIFFERENT, similarity), CONFIG)
    (position,) = re.findall(r'fh-mark" style="left:([\d.]+)%', html)
    assert float(position) == left


@pytest.mark.parametrize(
    ("similarity", "sentence"),
    [
        (0.4, "About 1 in 50 pairs of strangers score this high"),  # an FMR of 0.02
        (0.6, "About 1 in 500 pairs"),  # halfway in the logarithm to 0.0002
        (0.8, "About 1 in 5,000 pairs"),
        (0.95, "Fewer than 1 in 10,000 pairs"),  # all that 10,000 pairs can show
        (0.05, "Most pairs of strangers score this high"),
    ],
)
def test_same_person_says_how_many_strangers_score_this_high(
    similarity: float, sentence: str
) -> None:
    found = result(Decision.SAME, similarity)
    assert verdict.odds(found, CONFIG).startswith(sentence)
    html = verdict.verification(found, CONFIG)
    assert sentence in html
    assert "Measured on made up." in html
    assert "miss the threshold" not in html


@pytest.mark.parametrize(
    ("similarity", "sentence"),
    [
        (0.4, "About 1 in 10 pairs of one person score this low with these weights."),
        (0.2, "About 1 in 20 pairs of one person"),  # halfway to 0.1
        (0.0, "Fewer than 1 in 900 pairs of one person"),  # all that 900 pairs can show
        (0.85, "Most pairs of one person score this low"),
    ],
)
def test_different_people_says_how_many_pairs_of_one_person_score_this_low(
    similarity: float, sentence: str
) -> None:
    html = verdict.verification(result(Decision.DIFFERENT, similarity), CONFIG)
    assert sentence in html
    assert "strangers" not in html
    assert "20% of pairs of one person miss the threshold" in html  # 0.5: 0.1 + 0.4 / 4


def test_uncertain_shows_the_odds_of_both_kinds_of_pairs() -> None:
    html = verdict.verification(result(Decision.UNCERTAIN, 0.4), CONFIG)
    assert "1 in 50 pairs of strangers score this high" in html
    assert "1 in 10 pairs of one person score this low" in html


@pytest.mark.parametrize(
    ("similarity", "sentence"),
    [
        (0.5, "About 1 in 500 pairs of strangers score this high with these weights."),
        (
            0.8,
            "About 1 in 500,000 pairs of strangers score this high with these weights (beyond what "
            "was measured).",
        ),
        (
            0.95,
            "Fewer than 1 in 1,000,000 pairs of strangers score this high with these weights "
            "(beyond what was measured).",
        ),
    ],
)
def test_an_extrapolated_rate_is_marked(similarity: float, sentence: str) -> None:
    config = dataclasses.replace(CONFIG, calibration=dataclasses.replace(CALIBRATION, tail=TAIL))
    assert verdict.odds(result(Decision.SAME, similarity), config) == sentence


@pytest.mark.parametrize("calibration", [None, dataclasses.replace(CALIBRATION, curve=())])
@pytest.mark.parametrize("decision", [Decision.SAME, Decision.UNCERTAIN, Decision.DIFFERENT])
def test_no_figure_without_a_measured_curve(
    calibration: Calibration | None, decision: Decision
) -> None:
    config = dataclasses.replace(CONFIG, calibration=calibration)
    html = verdict.verification(result(decision, 0.8), config)
    assert texts.NOT_CALIBRATED in html
    assert "1 in" not in html
    assert "miss the threshold" not in html


def test_without_a_threshold_the_similarity_is_shown_and_nothing_decided() -> None:
    found = VerificationResult(Decision.UNCALIBRATED, 0.4, None, 0.05)
    html = verdict.verification(found, UNCALIBRATED)
    assert "fh-uncalibrated" in html
    assert "fh-uncalibrated" not in theme.css()  # no colour of its own
    assert "<h2>No decision</h2>" in html
    assert "These weights are not calibrated" in html
    assert '<div class="fh-score">similarity 0.40</div>' in html
    assert 'fh-mark" style="left:50.0%' in html
    assert "fh-limit" not in html
    assert "gradient" not in html
    assert verdict.as_text(found, UNCALIBRATED) == (
        "facehub: No decision. Similarity 0.40, weights not calibrated. Weights "
        "sha256:0123456789ab. Similarity is not proof."
    )


def test_cannot_tell_gives_the_reason_and_what_helps_and_no_figure() -> None:
    reason = "In the first picture: <no> face."
    html = verdict.verification(result(Decision.CANNOT_TELL, None, reason=reason), CONFIG)
    assert "In the first picture: &lt;no&gt; face. What helps: a sharp, well-lit picture" in html
    assert "fh-bar" not in html
    assert not any(character.isdigit() for character in html.replace("h2", ""))


def test_advice_to_choose_another_face_is_shown_once(examples: Path) -> None:
    (face,) = default_recognizer().faces(examples / "grace_hopper.jpg")
    one = dataclasses.replace(face, issues=(QualityIssue.SEVERAL_FACES,))
    found = VerificationResult(Decision.SAME, 1.0, 0.5, 0.05, one, one)
    html = verdict.verification(found, CONFIG)
    assert html.count("choose another one below the picture") == 1  # not once for each


def test_text_to_share_holds_no_face() -> None:
    text = verdict.as_text(result(Decision.SAME, 0.8), CONFIG)
    assert text.startswith(
        "facehub: Same person. Similarity 0.80, threshold 0.50. About 1 in 5,000"
    )
    assert "sha256:0123456789ab" in text
    assert "data:" not in text
    assert verdict.as_text(result(Decision.CANNOT_TELL, None), CONFIG) == ""
