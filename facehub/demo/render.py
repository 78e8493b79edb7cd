"""HTML for results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from facehub.demo import texts
from facehub.demo.enrolled import Enrolled
from facehub.demo.identify_controller import Identified
from facehub.demo.intake import EnrolmentReport, SeveralFaces
from facehub.demo.photo import Photo
from facehub.demo.picture import data_uri
from facehub.errors import GalleryError
from facehub.gallery.base import Gallery
from facehub.gallery.review import ReviewFinding
from facehub.model.spec import FPIR, ModelSpec
from facehub.results import Candidate, EmbeddedFace, IdentifiedFace, QualityIssue, one_in

MAX_SHOWN = 100  # people on the wall

# Said once of a picture, not of each of its faces.
_OF_PICTURES = frozenset({QualityIssue.SEVERAL_FACES, QualityIssue.TOO_MANY_FACES})


def photo_note(photo: Photo, chooser: str) -> str:
    """What was found in an uploaded picture; with several faces, the thumbnails of the chooser.

    Args:
        photo: the picture.
        chooser: element id of the radio group that chooses a face.
    """
    if not photo.faces:
        return message(texts.NO_FACE_HERE)
    if len(photo.faces) == 1:
        return note(texts.ONE_FACE)
    text = texts.FACES.format(count=len(photo.faces))
    return f"{_thumbnails(photo.faces, chooser)}{note(text, _crowd(photo))}"


def which_face(photo: SeveralFaces, chooser: str) -> str:
    """The question which face of an enrolled photo is meant, with the chooser's thumbnails."""
    text = texts.WHICH_OF_SEVERAL.format(
        source=photo.portrait.source, count=len(photo.faces), name=photo.portrait.name
    )
    return f"{_thumbnails(photo.faces, chooser)}{message(text)}"


def progress(seen: int, total: int) -> str:
    """How far long work is."""
    text = texts.PROGRESS.format(seen=seen, total=total)
    bar = f'<progress value="{seen}" max="{total}" aria-label="{escape(text)}"></progress>'
    return f'<div class="fh-card fh-progress" role="status">{escape(text)}{bar}</div>'


def enrolled(report: EnrolmentReport) -> str:
    """What became of photos to enrol."""
    text = texts.ENROLLED_KNOWN if report.known else texts.ENROLLED
    parts = []
    if report.added or report.known or not report.several:
        parts.append(text.format(count=report.added, known=report.known))
    if report.several:
        count = len(report.several)
        parts.append(texts.SEVERAL_WAIT[count != 1].format(count=count))
    if report.seen < report.total:
        parts.append(texts.STOPPED.format(seen=report.seen, total=report.total))
    return message(" ".join(parts), report.details)


def wall(
    enrolled: Enrolled, found: Sequence[ReviewFinding] = (), empty: str = texts.WALL_EMPTY
) -> str:
    """Everybody in the gallery, with their photos' crops and count, and what looks wrong."""
    gallery, people = enrolled.gallery, []
    for name, n in gallery.people(limit=MAX_SHOWN).items():
        try:
            examples = gallery.examples(name) if enrolled.crops else ()
        except GalleryError:  # another process has removed them
            continue
        known = [enrolled.crops[e.digest] for e in examples if e.digest in enrolled.crops]
        crops = "".join(image(crop, name) for crop in known[:6])
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
    return f'<div class="fh-wall">{"".join(people)}</div>{more}{_findings(found)}'


def names(found: Identified, spec: ModelSpec) -> str:
    """Who is in a picture, in one line: those who were recognised, and how many were not."""
    known = [face.name for face in found.faces if face.name]
    rest = len(found.faces) - len(known)
    if not len(found.enrolled.gallery):
        title, text = texts.FOUND[rest != 1].format(count=rest), texts.NOBODY
    elif spec.threshold is None:
        title, text = texts.FOUND[rest != 1].format(count=rest), texts.LIMIT_UNCALIBRATED
    else:
        title = ", ".join(known) or texts.NOBODY_KNOWN
        text = texts.UNKNOWN_FACES[rest != 1].format(count=rest) if rest else ""
    below = f"<p>{escape(text)}</p>" if text else ""
    return f'<div class="fh-card" role="status"><h2>{escape(title)}</h2>{below}</div>'


def labels(found: Identified, spec: ModelSpec) -> list[str]:
    """What stands at each face of a picture."""
    return [_label(number, face, spec) for number, face in enumerate(found.faces, 1)]


def identification(found: Identified, spec: ModelSpec) -> str:
    """The picture with every face boxed and named, a table of candidates, and the threshold."""
    headings = "".join(f"<th>{escape(column)}</th>" for column in texts.COLUMNS)
    rows = []
    for label, face in zip(labels(found, spec), found.faces, strict=True):
        issues = [i for i in face.probe.issues if i not in _OF_PICTURES]
        candidates = "".join(
            f'<div class="fh-candidate">{_crop(found.enrolled, c)}'
            f"<span>{escape(c.name)} {c.similarity:.2f}</span></div>"
            for c in face.candidates
        )
        rows.append(
            f"<tr><td>{image(face.probe.face.crop, label)}</td><td><b>{escape(label)}</b></td>"
            f"<td>{candidates}{_candidate_odds(face)}{warnings(issues)}</td></tr>"
        )
    gallery = found.enrolled.gallery
    return (
        f"{boxed(found.photo, found.faces, spec)}{_crowd(found.photo)}"
        f'<table class="fh-table"><tr>{headings}</tr>'
        f'{"".join(rows)}</table><p class="fh-note">{escape(_limit(gallery, spec))}</p>'
        f"{approximate(gallery)}"
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
    return f'<div class="fh-photo">{image(photo.pixels, texts.SEARCHED)}{"".join(boxes)}</div>'


def message(text: str, details: Iterable[str] = ()) -> str:
    """A plain notice, with a list of details."""
    items = "".join(f"<li>{escape(detail)}</li>" for detail in details)
    list_ = f'<ul class="fh-warn">{items}</ul>' if items else ""
    return f'<div class="fh-card" role="status">{escape(text)}{list_}</div>'


def note(text: str, more: str = "") -> str:
    """A small notice below a picture, with more HTML after its text."""
    return f'<div class="fh-note" role="status">{escape(text)}{more}</div>'


def image(pixels: np.ndarray, alt: str) -> str:
    """Pixels as an element of the page; uint8 (H, W, 3), RGB."""
    return f'<img alt="{escape(alt)}" src="{data_uri(pixels)}">'


def warnings(issues: Iterable[QualityIssue]) -> str:
    """Advice on each issue, worded for the page."""
    items = "".join(f"<li>{escape(texts.ADVICE[issue])}</li>" for issue in issues)
    return f'<ul class="fh-warn">{items}</ul>' if items else ""


def hidden(text: str) -> str:
    """A notice that a script shows when it is true."""
    return f'<div role="status"><div class="fh-card" hidden>{escape(text)}</div></div>'


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


def _findings(found: Sequence[ReviewFinding]) -> str:
    if not found:
        return ""
    return message(texts.FINDINGS, [texts.FINDING[f.reason].format(**vars(f)) for f in found])


def _label(number: int, face: IdentifiedFace, spec: ModelSpec) -> str:
    nobody = texts.NOT_NAMED if spec.threshold is None else texts.UNKNOWN
    return f"{number}. {face.name or nobody}"


def _thumbnails(faces: Iterable[EmbeddedFace], chooser: str) -> str:
    """A style that shows each face beside its choice.

    Args:
        faces: in the order of the choices.
        chooser: element id of the radio group.
    """
    styles = "".join(
        f"#{chooser} label:nth-of-type({number}) span::before"
        f'{{content:"";display:block;width:{_width_at(84, face.face.crop)}px;height:84px;'
        f"border-radius:6px;margin-bottom:4px;"
        f"background:url({data_uri(face.face.crop)}) center/cover}}"
        for number, face in enumerate(faces, 1)
    )
    return f"<style>{styles}</style>"


def _width_at(height: int, crop: np.ndarray) -> int:
    """The width of a crop that is shown so high, in pixels."""
    width: float = height * crop.shape[1] / crop.shape[0]
    return round(width)


def _crowd(photo: Photo) -> str:
    """A warning where not all faces of a picture were looked at."""
    return warnings(i for i in photo.faces[0].issues if i is QualityIssue.TOO_MANY_FACES)


def _crop(enrolled: Enrolled, candidate: Candidate) -> str:
    """An enrolled crop; nothing for a template from elsewhere, of which there is no picture."""
    crop = enrolled.crop_of(candidate)
    return "" if crop is None else image(crop, candidate.name)
