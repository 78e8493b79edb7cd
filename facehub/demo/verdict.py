"""HTML and text of a verification's result."""

from __future__ import annotations

from html import escape

from facehub.demo import render, texts
from facehub.model.calibration import Calibration
from facehub.model.spec import ModelSpec
from facehub.results import Decision, VerificationResult, one_in

SCALE = (-0.2, 1.0)  # similarities at the ends of the score bar


def verification(result: VerificationResult, spec: ModelSpec) -> str:
    """The verdict on a pair: what it is, the score bar, what it means; then crops and warnings."""
    title, sentence = texts.VERDICTS[result.decision]
    if result.reason:
        sentence = f"{result.reason} {sentence}"
    faces = [face for face in (result.first, result.second) if face is not None]
    issues = dict.fromkeys(issue for face in faces for issue in face.issues)
    crops = "".join(render.image(f.face.crop, texts.ALIGNED) for f in faces)
    css = result.decision.value.replace("_", "-")
    return (
        f'<div class="fh-card fh-verdict fh-{css}" role="status"><div class="fh-says">'
        f"<h2>{escape(title)}</h2>{_score_bar(result)}"
        f"{_paragraph('fh-sentence', sentence)}{_paragraph('fh-odds', odds(result, spec))}</div>"
        f'<div class="fh-because"><div class="fh-pair">{crops}</div>{render.warnings(issues)}'
        f"{_paragraph('fh-note', measured(result, spec))}</div></div>"
    )


def odds(result: VerificationResult, spec: ModelSpec) -> str:
    """How often such a score deceives: strangers who reach it, pairs of one person who do not.

    Only what bears on the decision is said, and nothing where there is no score.
    """
    similarity, calibration = result.similarity, spec.calibration
    if similarity is None or calibration is None or not calibration.curve:
        return ""
    strangers = _strangers(similarity, calibration)
    if result.decision is Decision.DIFFERENT:
        return _one_person(similarity, calibration)
    if result.decision is Decision.UNCERTAIN:
        return f"{strangers} {_one_person(similarity, calibration)}"
    return strangers


def measured(result: VerificationResult, spec: ModelSpec) -> str:
    """Where the figures come from; where faces may be missed, how often the threshold does so."""
    if result.similarity is None:
        return ""
    found = spec.calibration
    if found is None or not found.curve:
        return texts.NOT_CALIBRATED
    text = texts.MEASURED.format(dataset=found.dataset)
    fnmr = None if result.threshold is None else found.fnmr_at(result.threshold)
    if fnmr is None or result.decision not in (Decision.DIFFERENT, Decision.UNCERTAIN):
        return text
    return f"{texts.MISSED.format(fnmr=fnmr)} {text}"


def as_text(result: VerificationResult, spec: ModelSpec) -> str:
    """The result to share: no face, no name. Empty where there is no score."""
    if result.similarity is None:
        return ""
    threshold = texts.SHARED_UNCALIBRATED
    if result.threshold is not None:
        threshold = texts.SHARED_THRESHOLD.format(threshold=result.threshold)
    return texts.SHARED.format(
        title=texts.VERDICTS[result.decision][0],
        similarity=result.similarity,
        threshold=threshold,
        sentence=f" {sentence}" if (sentence := odds(result, spec)) else "",
        fingerprint=(spec.fingerprint or "")[:19],
    )


def _strangers(similarity: float, calibration: Calibration) -> str:
    fmr = calibration.fmr_at(similarity)
    assert fmr is not None  # there is a curve
    if fmr > 0.5:
        return texts.STRANGERS_MOST
    text = texts.STRANGERS_FEWER if fmr <= calibration.reach * 1.01 else texts.STRANGERS
    beyond = "" if calibration.was_measured(fmr) else texts.BEYOND
    return text.format(n=one_in(fmr), beyond=beyond)


def _one_person(similarity: float, calibration: Calibration) -> str:
    fnmr = calibration.fnmr_at(similarity)
    assert fnmr is not None  # there is a curve
    if fnmr > 0.5:
        return texts.ONE_PERSON_MOST
    lowest = 1 / max(calibration.genuine_pairs, 2)
    if fnmr < lowest:
        return texts.ONE_PERSON_FEWER.format(n=one_in(lowest))
    return texts.ONE_PERSON.format(n=one_in(fnmr))


def _paragraph(css: str, text: str) -> str:
    return f'<p class="{css}">{escape(text)}</p>' if text else ""


def _score_bar(result: VerificationResult) -> str:
    if result.similarity is None:
        return ""
    limit = result.threshold
    if limit is None:
        score = texts.SCORE_UNCALIBRATED.format(similarity=result.similarity)
        colours, mark = "#d1d5db", ""
    else:
        low = limit - result.uncertain_margin
        score = texts.SCORE.format(similarity=result.similarity, threshold=limit, low=low)
        colours = (
            f"linear-gradient(90deg,#fca5a5 0 {_percent(low)}%,#fcd34d {_percent(low)}% "
            f"{_percent(limit)}%,#86efac {_percent(limit)}% 100%)"
        )
        mark = f'<div class="fh-limit" style="left:{_percent(limit)}%">{limit:.2f}</div>'
    return (
        f'<div class="fh-bar" role="img" aria-label="{score}" style="background:{colours}">{mark}'
        f'<div class="fh-mark" style="left:{_percent(result.similarity)}%"></div></div>'
        f'<div class="fh-score">{score}</div>'
    )


def _percent(similarity: float) -> float:
    low, high = SCALE
    return round(100 * min(max((similarity - low) / (high - low), 0), 1), 1)
