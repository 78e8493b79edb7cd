"""HTML for results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from facehub.demo import texts
from facehub.demo.photo import Photo
from facehub.demo.picture import data_uri
from facehub.demo.session import Enrolled
from facehub.errors import GalleryError
from facehub.gallery.base import Gallery
from facehub.gallery.review import review_gallery
from facehub.model.spec import FPIR, ModelSpec
from facehub.quality import ADVICE
from facehub.results import (
    Candidate,
    Decision,
    IdentifiedFace,
    QualityIssue,
    VerificationResult,
    one_in,
)

MAX_SHOWN = 100  # people on the wall
MAX_REVIEWED = 2000  # templates, of which all pairs are looked at
SCALE = (-0.2, 1.0)  # similarities at the ends of the score bar

# Said once of a picture, not of each of its faces.
_OF_PICTURES = frozenset({QualityIssue.SEVERAL_FACES, QualityIssue.TOO_MANY_FACES})

CSS = """
.fh-card{border:1px solid var(--border-color-primary);border-radius:12px;padding:1rem 1.25rem}
.fh-card h2{margin:0 0 .25rem}
.fh-same h2{color:#15803d}.fh-different h2{color:#b91c1c}.fh-uncertain h2{color:#b45309}
.dark .fh-same h2{color:#4ade80}.dark .fh-different h2{color:#f87171}
.dark .fh-uncertain h2{color:#fbbf24}
.fh-pair{display:flex;gap:1rem;flex-wrap:wrap;margin:.5rem 0}
.fh-pair img{height:140px;border-radius:8px}
.fh-bar{position:relative;height:18px;border-radius:9px;margin:1.6rem 0 .4rem}
.fh-mark{position:absolute;top:-8px;width:4px;height:34px;margin-left:-2px;border-radius:2px;
background:var(--body-text-color)}
.fh-limit{position:absolute;top:-1.3rem;transform:translateX(-50%);font-size:.75rem;
white-space:nowrap}
.fh-note{font-size:.85rem;opacity:.85;margin:.4rem 0 0}
.fh-warn{margin:.4rem 0 0;padding-left:1.2rem}
.fh-wall{display:flex;flex-wrap:wrap;gap:1rem}
.fh-person{text-align:center;max-width:14rem}
.prose .fh-person img{display:inline-block;height:84px;border-radius:8px;margin:1px}
.fh-photo{position:relative;display:inline-block;max-width:100%}
.fh-photo>img{max-width:100%;max-height:560px;display:block;border-radius:8px}
.fh-box{position:absolute;border:3px solid #22c55e;border-radius:6px}
.fh-box.fh-unknown{border-color:#f59e0b;border-style:dashed}
.fh-box span{position:absolute;left:-3px;bottom:100%;background:#166534;color:#fff;
font-size:.8rem;padding:1px 6px;border-radius:4px;white-space:nowrap}
.fh-box.fh-unknown span{background:#92400e}
.fh-box.fh-inside span{bottom:auto;top:0}
.fh-odds{font-weight:600}
.prose .fh-table tr{border:0}
.prose .fh-table{width:100%;margin-top:1rem;border:0;border-collapse:collapse}
.prose .fh-table td,.prose .fh-table th{padding:.35rem .6rem;text-align:left;
vertical-align:middle;border:0;border-bottom:1px solid var(--border-color-primary)}
.fh-candidate{display:flex;align-items:center;gap:.5rem;margin:2px 0}
.fh-table img{height:64px;max-width:none;border-radius:6px;display:inline-block}
"""


def verification(result: VerificationResult, spec: ModelSpec) -> str:
    """The verdict on a pair: both crops, the verdict, the score bar, a sentence, and warnings."""
    title, sentence = texts.VERDICTS[result.decision]
    if result.decision is Decision.CANNOT_TELL:
        sentence = result.reason or ""
    faces = [face for face in (result.first, result.second) if face is not None]
    crops = "".join(_image(f.face.crop, texts.ALIGNED) for f in faces)
    issues = dict.fromkeys(issue for face in faces for issue in face.issues)
    css = result.decision.value.replace("_", "-")
    return (
        f'<div class="fh-card fh-{css}" role="status"><div class="fh-pair">{crops}</div>'
        f"<h2>{escape(title)}</h2>{_score_bar(result)}<p>{escape(sentence)}</p>"
        f'<p class="fh-odds">{escape(odds(result.similarity, spec))}</p>{_warnings(issues)}'
        f'<p class="fh-note">{escape(_calibration(result.threshold, spec))}</p></div>'
    )


def odds(similarity: float | None, spec: ModelSpec) -> str:
    """What a score means for these weights: how many pairs of strangers reach it."""
    calibration = spec.calibration
    if similarity is None or calibration is None:
        return ""
    fmr = calibration.fmr_at(similarity)
    if fmr is None:
        return texts.NOT_CALIBRATED
    if fmr > 0.5:
        return texts.STRANGERS_MOST
    text = texts.STRANGERS_FEWER if fmr <= calibration.reach * 1.01 else texts.STRANGERS
    beyond = "" if calibration.was_measured(fmr) else texts.BEYOND
    return text.format(n=one_in(fmr), beyond=beyond)


def as_text(result: VerificationResult, spec: ModelSpec) -> str:
    """The result to share: no face, no name."""
    if result.similarity is None:
        return ""
    threshold = texts.SHARED_UNCALIBRATED
    if result.threshold is not None:
        threshold = texts.SHARED_THRESHOLD.format(threshold=result.threshold)
    return texts.SHARED.format(
        title=texts.VERDICTS[result.decision][0],
        similarity=result.similarity,
        threshold=threshold,
        sentence=f" {sentence}" if (sentence := odds(result.similarity, spec)) else "",
        fingerprint=(spec.fingerprint or "")[:19],
    )


def photo_note(photo: Photo, chooser: str) -> str:
    """What was found in an uploaded picture; with several faces, the thumbnails of the chooser.

    Args:
        photo: the picture.
        chooser: element id of the radio group that chooses a face.
    """
    if not photo.faces:
        return message(texts.NO_FACE_HERE)
    if len(photo.faces) == 1:
        return f'<div class="fh-note" role="status">{escape(texts.ONE_FACE)}</div>'
    styles = "".join(
        f"#{chooser} label:nth-of-type({number}) span::before"
        f'{{content:"";display:block;width:{_width_at(84, face.face.crop)}px;height:84px;'
        f"border-radius:6px;margin-bottom:4px;"
        f"background:url({data_uri(face.face.crop)}) center/cover}}"
        for number, face in enumerate(photo.faces, 1)
    )
    text = texts.FACES.format(count=len(photo.faces))
    note = f'<div class="fh-note" role="status">{escape(text)}{_crowd(photo)}</div>'
    return f"<style>{styles}</style>{note}"


def wall(enrolled: Enrolled, spec: ModelSpec, empty: str = texts.WALL_EMPTY) -> str:
    """Everybody in the gallery, with their photos' crops and count, and what looks wrong."""
    gallery, people = enrolled.gallery, []
    for name, n in gallery.people(limit=MAX_SHOWN).items():
        try:
            examples = gallery.examples(name) if enrolled.crops else ()
        except GalleryError:  # another process has removed them
            continue
        shown = [enrolled.crops[e.digest] for e in examples if e.digest in enrolled.crops]
        crops = "".join(_image(crop, name) for crop in shown[:6])
        count = texts.COUNT[n > 1].format(count=n)
        people.append(
            f'<div class="fh-person">{crops}<br><b>{escape(name)}</b><br>{escape(count)}</div>'
        )
    if not people:
        return message(empty)
    more, total = "", len(gallery)
    if total > MAX_SHOWN:
        text = texts.MORE_PEOPLE.format(count=total - MAX_SHOWN)
        more = f'<p class="fh-note">{escape(text)}</p>'
    return f'<div class="fh-wall">{"".join(people)}</div>{more}{_findings(gallery, spec)}'


def identification(
    photo: Photo, faces: Sequence[IdentifiedFace], enrolled: Enrolled, spec: ModelSpec
) -> str:
    """The picture with every face boxed and named, a table of candidates, and the threshold.

    Args:
        photo: the searched picture.
        faces: what was found in it.
        enrolled: the gallery that they were looked for in.
        spec: of the weights.
    """
    if not faces:
        return message(texts.NO_FACE)
    headings = "".join(f"<th>{escape(column)}</th>" for column in texts.COLUMNS)
    rows = []
    for number, face in enumerate(faces, 1):
        label = _label(number, face, spec)
        issues = [i for i in face.probe.issues if i not in _OF_PICTURES]
        candidates = "".join(
            f'<div class="fh-candidate">{_crop(enrolled, c)}'
            f"<span>{escape(c.name)} {c.similarity:.2f}</span></div>"
            for c in face.candidates
        )
        rows.append(
            f"<tr><td>{_image(face.probe.face.crop, label)}</td><td><b>{escape(label)}</b></td>"
            f"<td>{candidates}{_candidate_odds(face)}{_warnings(issues)}</td></tr>"
        )
    return (
        f"{boxed(photo, faces, spec)}{_crowd(photo)}"
        f'<table class="fh-table"><tr>{headings}</tr>'
        f'{"".join(rows)}</table><p class="fh-note">{escape(_limit(enrolled.gallery, spec))}</p>'
        f"{approximate(enrolled.gallery)}"
    )


def approximate(gallery: Gallery) -> str:
    """A note where a search may have missed somebody."""
    return "" if gallery.exact else f'<p class="fh-note">{escape(texts.APPROXIMATE)}</p>'


def boxed(photo: Photo, faces: Sequence[IdentifiedFace], spec: ModelSpec) -> str:
    """The picture with every face boxed and named."""
    width, height = photo.size
    boxes = []
    for number, face in enumerate(faces, 1):
        label = _label(number, face, spec)
        x0, y0, x1, y1 = face.probe.face.box
        unknown = "" if face.name else " fh-unknown"
        inside = " fh-inside" if y0 < 0.05 * height else ""
        boxes.append(
            f'<div class="fh-box{unknown}{inside}" style="left:{100 * x0 / width:.2f}%;'
            f"top:{100 * y0 / height:.2f}%;width:{100 * (x1 - x0) / width:.2f}%;"
            f'height:{100 * (y1 - y0) / height:.2f}%"><span>{escape(label)}</span></div>'
        )
    return f'<div class="fh-photo">{_image(photo.pixels, texts.SEARCHED)}{"".join(boxes)}</div>'


def message(text: str, details: Iterable[str] = ()) -> str:
    """A plain notice, with a list of details."""
    items = "".join(f"<li>{escape(detail)}</li>" for detail in details)
    list_ = f'<ul class="fh-warn">{items}</ul>' if items else ""
    return f'<div class="fh-card" role="status">{escape(text)}{list_}</div>'


def hidden(text: str) -> str:
    """A notice that a script shows when it is true."""
    return f'<div role="status"><div class="fh-card" hidden>{escape(text)}</div></div>'


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
        f"<div>{score}</div>"
    )


def _percent(similarity: float) -> float:
    low, high = SCALE
    return round(100 * min(max((similarity - low) / (high - low), 0), 1), 1)


def _calibration(threshold: float | None, spec: ModelSpec) -> str:
    found = spec.calibration
    fnmr = None if found is None or threshold is None else found.fnmr_at(threshold)
    if found is None or fnmr is None:
        return texts.NOT_CALIBRATED
    return texts.CALIBRATION.format(fnmr=fnmr, dataset=found.dataset)


def _candidate_odds(face: IdentifiedFace) -> str:
    """A note on how many strangers resemble somebody in the gallery as much."""
    candidate = face.candidate
    if candidate is None or candidate.fpir is None:
        return ""
    text = texts.ODDS_MOST if candidate.fpir > 0.5 else texts.ODDS
    beyond = texts.BEYOND if candidate.extrapolated else ""
    filled = text.format(n=one_in(candidate.fpir), similarity=candidate.similarity, beyond=beyond)
    return f'<div class="fh-note">{escape(filled)}</div>'


def _limit(gallery: Gallery, spec: ModelSpec) -> str:
    count = gallery.n_templates
    threshold, base = spec.threshold_for(count), spec.threshold_for(1)
    if threshold is None or base is None:
        return texts.LIMIT_UNCALIBRATED
    if spec.calibration is None or spec.threshold_given or not count:
        return texts.LIMIT_PLAIN.format(threshold=threshold)
    text = texts.LIMIT.format(
        threshold=threshold, n=1 / FPIR, photos=texts.COUNT[count > 1].format(count=count)
    )
    if threshold > base:
        text += texts.LIMIT_RAISED.format(base=base)
        fmr = spec.calibration.fmr_at(threshold)
        if fmr is not None and not spec.calibration.was_measured(fmr):
            text += texts.LIMIT_BEYOND
    return text


def _findings(gallery: Gallery, spec: ModelSpec) -> str:
    if gallery.n_templates > MAX_REVIEWED:
        return ""
    found = review_gallery(gallery, spec)
    if not found:
        return ""
    return message(texts.FINDINGS, [texts.FINDING[f.reason].format(**vars(f)) for f in found])


def _label(number: int, face: IdentifiedFace, spec: ModelSpec) -> str:
    nobody = texts.NOT_NAMED if spec.threshold is None else texts.UNKNOWN
    return f"{number}. {face.name or nobody}"


def _width_at(height: int, crop: np.ndarray) -> int:
    """The width of a crop that is shown so high, in pixels."""
    width: float = height * crop.shape[1] / crop.shape[0]
    return round(width)


def _crowd(photo: Photo) -> str:
    """A warning where not all faces of a picture were looked at."""
    return _warnings(i for i in photo.faces[0].issues if i is QualityIssue.TOO_MANY_FACES)


def _warnings(issues: Iterable[QualityIssue]) -> str:
    items = "".join(f"<li>{escape(ADVICE[issue])}</li>" for issue in issues)
    return f'<ul class="fh-warn">{items}</ul>' if items else ""


def _crop(enrolled: Enrolled, candidate: Candidate) -> str:
    """An enrolled crop; nothing for a template from elsewhere, of which there is no picture."""
    crop = enrolled.crop_of(candidate)
    return "" if crop is None else _image(crop, candidate.name)


def _image(pixels: np.ndarray, alt: str) -> str:
    return f'<img alt="{escape(alt)}" src="{data_uri(pixels)}">'
