"""HTML for results. Faces travel inside the page, never as files the server would have to keep."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image

from facehub.config import EncoderConfig
from facehub.demo import texts
from facehub.demo.session import SessionGallery
from facehub.identification import IdentifiedFace
from facehub.quality import ADVICE, QualityIssue
from facehub.verification import Decision, VerificationResult

SCALE = (-0.2, 1.0)  # similarities at the ends of the score bar
MAX_SHOWN = 1280  # pixels of the longer side of a picture sent back

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
.prose .fh-table tr{border:0}
.prose .fh-table{width:100%;margin-top:1rem;border:0;border-collapse:collapse}
.prose .fh-table td,.prose .fh-table th{padding:.35rem .6rem;text-align:left;
vertical-align:middle;border:0;border-bottom:1px solid var(--border-color-primary)}
.fh-candidate{display:flex;align-items:center;gap:.5rem;margin:2px 0}
.fh-table img{height:64px;border-radius:6px;display:inline-block}
"""


def verification(result: VerificationResult, config: EncoderConfig) -> str:
    """The verdict on a pair: both crops, the sentence, the score bar, and warnings."""
    title, sentence = texts.VERDICTS[result.decision]
    if result.decision is Decision.CANNOT_TELL:
        sentence = result.reason or ""
    faces = [face for face in (result.first, result.second) if face is not None]
    crops = "".join(_image(f.face.crop, "aligned face") for f in faces)
    issues = dict.fromkeys(issue for face in faces for issue in face.issues)
    css = result.decision.value.replace("_", "-")
    return (
        f'<div class="fh-card fh-{css}" role="status"><h2>{escape(title)}</h2>'
        f"<p>{escape(sentence)}</p>"
        f'<div class="fh-pair">{crops}</div>{_score_bar(result)}{_warnings(issues)}'
        f'<p class="fh-note">{escape(_calibration(result, config))}</p></div>'
    )


def wall(session: SessionGallery) -> str:
    """Everybody in the gallery, with their photos' crops and how many there are."""
    people = []
    for name in session.gallery:
        examples = session.gallery.examples(name)
        crops = "".join(_crop(session.crops, e.source, name) for e in examples[:6])
        count = texts.COUNT[len(examples) > 1].format(count=len(examples))
        people.append(
            f'<div class="fh-person">{crops}<br><b>{escape(name)}</b><br>{escape(count)}</div>'
        )
    if not people:
        return message(texts.WALL_EMPTY)
    return f'<div class="fh-wall">{"".join(people)}</div>'


def identification(
    image: np.ndarray, faces: Sequence[IdentifiedFace], crops: Mapping[str, np.ndarray]
) -> str:
    """The picture with every face boxed and named, and a table of candidates.

    Args:
        image: uint8 (H, W, 3), RGB.
        faces: from `identify`.
        crops: enrolled crops by source.
    """
    if not faces:
        return message(texts.NO_FACE)
    height, width = image.shape[:2]
    boxes, rows = [], []
    for number, face in enumerate(faces, 1):
        label = f"{number}. {face.name or texts.UNKNOWN}"
        x0, y0, x1, y1 = face.probe.face.box
        unknown = "" if face.name else " fh-unknown"
        issues = [i for i in face.probe.issues if i is not QualityIssue.SEVERAL_FACES]
        boxes.append(
            f'<div class="fh-box{unknown}" style="left:{100 * x0 / width:.2f}%;'
            f"top:{100 * y0 / height:.2f}%;width:{100 * (x1 - x0) / width:.2f}%;"
            f'height:{100 * (y1 - y0) / height:.2f}%"><span>{escape(label)}</span></div>'
        )
        candidates = "".join(
            f'<div class="fh-candidate">{_crop(crops, c.source, c.name)}'
            f"<span>{escape(c.name)} {c.similarity:.2f}</span></div>"
            for c in face.candidates
        )
        rows.append(
            f"<tr><td>{_image(face.probe.face.crop, label)}</td><td><b>{escape(label)}</b></td>"
            f"<td>{candidates}</td><td>{_warnings(issues)}</td></tr>"
        )
    return (
        f'<div class="fh-photo">{_image(_shown(image), "searched picture")}{"".join(boxes)}</div>'
        '<table class="fh-table"><tr><th>Face</th><th>Result</th><th>Candidates</th><th></th></tr>'
        f"{''.join(rows)}</table>"
    )


def message(text: str, details: Iterable[str] = ()) -> str:
    """A plain notice, with a list of details."""
    items = "".join(f"<li>{escape(detail)}</li>" for detail in details)
    list_ = f'<ul class="fh-warn">{items}</ul>' if items else ""
    return f'<div class="fh-card" role="status">{escape(text)}{list_}</div>'


def _score_bar(result: VerificationResult) -> str:
    if result.similarity is None:
        return ""
    limit, low = result.threshold, result.threshold - result.uncertain_margin
    colours = (
        f"linear-gradient(90deg,#fca5a5 0 {_percent(low)}%,#fcd34d {_percent(low)}% "
        f"{_percent(limit)}%,#86efac {_percent(limit)}% 100%)"
    )
    score = texts.SCORE.format(similarity=result.similarity, threshold=limit)
    return (
        f'<div class="fh-bar" role="img" aria-label="{score}" style="background:{colours}">'
        f'<div class="fh-limit" style="left:{_percent(limit)}%">{limit:.2f}</div>'
        f'<div class="fh-mark" style="left:{_percent(result.similarity)}%"></div></div>'
        f"<div>{score}</div>"
    )


def _percent(similarity: float) -> float:
    low, high = SCALE
    return round(100 * min(max((similarity - low) / (high - low), 0), 1), 1)


def _calibration(result: VerificationResult, config: EncoderConfig) -> str:
    found = config.calibration
    if found is None or result.threshold != config.threshold or found.fmr <= 0:
        return texts.NOT_CALIBRATED
    return texts.CALIBRATION.format(impostors=1 / found.fmr, fnmr=found.fnmr, dataset=found.dataset)


def _warnings(issues: Iterable[QualityIssue]) -> str:
    items = "".join(f"<li>{escape(ADVICE[issue])}</li>" for issue in issues)
    return f'<ul class="fh-warn">{items}</ul>' if items else ""


def _crop(crops: Mapping[str, np.ndarray], source: str, alt: str) -> str:
    """An enrolled crop; nothing for a template from a gallery file, which holds no pictures."""
    return _image(crops[source], alt) if source in crops else ""


def _image(pixels: np.ndarray, alt: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=88)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{data}">'


def _shown(image: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(image)
    picture.thumbnail((MAX_SHOWN, MAX_SHOWN))
    return np.asarray(picture)
