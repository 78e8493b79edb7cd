"""Template-based 1:1 verification, as in IJB-B and IJB-C: a template pools a person's media.

The protocol's files have InsightFace's format: `ijbc_face_tid_mid.txt` (picture, template, medium),
`ijbc_template_pair_label.txt` (template, template, 1 for one person) and, optionally,
`ijbc_name_5pts_score.txt` (picture, five points, score). IJB-C: Maze et al. 2018.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from facehub.io.sources import open_source
from facehub.pipeline import FaceRecognizer
from train.evaluation.embedding import (
    Alignment,
    aligned_crop,
    embed_cut,
    embed_detected,
    landmark_crop,
)
from train.evaluation.metrics import OperatingPoint, Rate, operating_points
from train.evaluation.pairs_text import read_text
from train.evaluation.report import (
    Run,
    fnmr_lines,
    head_lines,
    interval,
    rates_at,
    threshold_line,
    write_report,
)
from train.evaluation.sources import locate

REPORT_FILE = "templates.json"
FMRS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
_CHUNK = 100_000  # pairs compared at once


@dataclass(frozen=True, eq=False)
class Media:
    """The pictures of templates.

    Attributes:
        names: (N,), names of the pictures.
        templates: int (N,), template of each picture.
        media: int (N,), medium of each picture; the frames of a video share one.
    """

    names: list[str]
    templates: np.ndarray
    media: np.ndarray


@dataclass(frozen=True, eq=False)
class TemplatePairs:
    """Templates to compare.

    Attributes:
        first, second: int (P,), templates.
        same: bool (P,), whether both are of one person.
    """

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray


@dataclass(frozen=True, kw_only=True)
class TemplateReport(Run):
    """Results on templates. A pair with an empty template counts as "different people".

    Attributes:
        dataset: name of the set.
        alignment: "detect" for facehub's own, "landmarks" for given landmarks, "crop" for aligned
            crops.
        n_pictures: number of different pictures.
        no_face: pictures without a detected face, which are left out of their templates.
        n_templates: number of different templates.
        empty: number of templates without a face.
        genuine, impostor: number of pairs of one person, and of two.
        fmr, fnmr: at the weights' threshold, which was chosen for single pictures; or None.
        points: FNMR (1 - TAR) @ FMR from 1e-1 to 1e-6, as far as the pairs suffice.
    """

    dataset: str
    alignment: Alignment
    n_pictures: int
    no_face: int
    n_templates: int
    empty: int
    genuine: int
    impostor: int
    fmr: Rate | None
    fnmr: Rate | None
    points: tuple[OperatingPoint, ...]


def evaluate_templates(
    pictures: Path,
    media_file: Path,
    pairs_file: Path,
    recognizer: FaceRecognizer,
    *,
    landmarks_file: Path | None = None,
    dataset: str | None = None,
    alignment: Literal["detect", "crop"] = "detect",
    output: Path | None = None,
) -> TemplateReport:
    """Evaluate templates against templates.

    Args:
        pictures: folder or zip.
        media_file: see `read_media`.
        pairs_file: see `read_template_pairs`.
        recognizer: the whole pipeline.
        landmarks_file: see `read_landmarks`; faces are aligned by them, without detection.
        dataset: name of the set; None: the name of `media_file`.
        alignment: see `TemplateReport`; ignored with `landmarks_file`.
        output: folder for `templates.json`.

    Raises:
        ArchiveError, ImageError: pictures cannot be read.
        ValueError: a file is damaged, or a picture or template is missing.
    """
    media, pairs = read_media(media_file), read_template_pairs(pairs_file)
    missing = np.setdiff1d(np.concatenate([pairs.first, pairs.second]), media.templates)
    if len(missing):
        raise ValueError(f"{pairs_file} names template {missing[0]}, which {media_file} lacks")
    source = open_source(pictures, loose=True)
    members = locate(source, media.names, str(pictures))
    names, rows = np.unique([members[name] for name in media.names], return_inverse=True)
    found: Alignment = alignment if landmarks_file is None else "landmarks"
    template = recognizer.spec.template
    if landmarks_file is not None:
        points = read_landmarks(landmarks_file)
        lacking = next((name for name in media.names if name not in points), None)
        if lacking is not None:
            raise ValueError(f"{landmarks_file} lacks {lacking}")
        cut = landmark_crop({members[n]: points[n] for n in media.names}, template)
        embeddings = embed_cut(names.tolist(), source.read, recognizer, cut)
    elif alignment == "crop":
        embeddings = embed_cut(names.tolist(), source.read, recognizer, aligned_crop(template))
    else:
        embeddings = embed_detected(names.tolist(), source.read, recognizer)
    ids, pooled = pool(embeddings[rows], media)
    similarity = np.concatenate(list(_similarities(ids, pooled, pairs)))
    fmr, fnmr = rates_at(similarity, pairs.same, recognizer.spec.threshold)
    report = TemplateReport(
        **Run.of(recognizer),
        dataset=dataset or media_file.stem,
        alignment=found,
        n_pictures=len(names),
        no_face=int(np.isnan(embeddings[:, 0]).sum()),
        n_templates=len(ids),
        empty=int(np.isnan(pooled[:, 0]).sum()),
        genuine=int(pairs.same.sum()),
        impostor=int((~pairs.same).sum()),
        fmr=fmr,
        fnmr=fnmr,
        points=operating_points(similarity[pairs.same], similarity[~pairs.same], FMRS),
    )
    if output is not None:
        write_report(output / REPORT_FILE, report)
    return report


def pool(embeddings: np.ndarray, media: Media) -> tuple[np.ndarray, np.ndarray]:
    """Pool pictures to templates: the mean over each medium, then their sum, L2-normalised.

    Args:
        embeddings: float32 (N, D), L2-normalised rows; NaN if no face was found.
        media: of the N pictures.

    Returns:
        Template numbers, int (T,), sorted; float32 (T, D), L2-normalised rows, NaN without a face.
    """
    ids, template = np.unique(media.templates, return_inverse=True)
    found = np.isfinite(embeddings[:, 0])
    keys = np.stack([template[found], media.media[found]], axis=1)
    unique, place, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    by_medium = _sums(embeddings[found], place.reshape(-1), len(unique)) / count[:, None]
    pooled = _sums(by_medium, unique[:, 0], len(ids))
    length = np.linalg.norm(pooled, axis=1, keepdims=True)
    pooled = np.divide(pooled, length, out=np.full_like(pooled, np.nan), where=length > 0)
    return ids, pooled.astype(np.float32)


def _sums(rows: np.ndarray, place: np.ndarray, count: int) -> np.ndarray:
    """Sum rows by place: float64 (count, D)."""
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, place, rows)
    return sums


def _similarities(
    ids: np.ndarray, pooled: np.ndarray, pairs: TemplatePairs
) -> Iterator[np.ndarray]:
    """Yield the cosine similarities in chunks; minus infinity for empty templates."""
    for start in range(0, len(pairs.same), _CHUNK):
        part = slice(start, start + _CHUNK)
        first = pooled[np.searchsorted(ids, pairs.first[part])]
        second = pooled[np.searchsorted(ids, pairs.second[part])]
        yield np.nan_to_num(np.einsum("ij,ij->i", first, second), nan=-np.inf)


def read_media(path: Path) -> Media:
    """Read lines of picture, template, medium.

    Raises:
        ValueError: a line has another format, or the file is empty.
    """
    names, numbers = [], []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        match line.split():
            case [name, template, medium]:
                names.append(name)
                numbers.append((_number(template, path, number), _number(medium, path, number)))
            case []:
                pass
            case _:
                raise ValueError(f"{path}, line {number}: not picture, template, medium: {line!r}")
    if not names:
        raise ValueError(f"{path} names no picture")
    templates, media = np.array(numbers).T
    return Media(names, templates, media)


def _number(word: str, path: Path, line: int) -> int:
    if not word.isdecimal():
        raise ValueError(f"{path}, line {line}: not a number: {word!r}")
    return int(word)


def read_template_pairs(path: Path) -> TemplatePairs:
    """Read lines of template, template, 1 for one person or 0 for two.

    Raises:
        ValueError: a line has another format, or there are not pairs of both kinds.
    """
    try:
        table = np.loadtxt(path, dtype=np.int32, ndmin=2)  # IJB-C has 15.7 million lines
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if table.shape[1] != 3 or not np.isin(table[:, 2], (0, 1)).all():
        raise ValueError(f"{path} needs two templates and 0 or 1 in each line")
    same = table[:, 2] == 1
    if same.all() or not same.any():
        raise ValueError(f"{path} needs pairs of one person and pairs of two people")
    return TemplatePairs(table[:, 0], table[:, 1], same)


def read_landmarks(path: Path) -> dict[str, np.ndarray]:
    """Read lines of picture, x and y of five points, and score.

    Returns:
        {picture: float64 (5, 2)}: the eyes at image left and right, the nose, the corners of the
        mouth, (x, y) in image pixels.

    Raises:
        ValueError: a line has another format.
    """
    points = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            if len(words) not in (11, 12):
                raise ValueError(f"{len(words)} columns")
            coordinates = np.array([float(word) for word in words[1:11]])
            if not (np.abs(coordinates) < 1e6).all():
                raise ValueError("not finite")
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: not five points ({error})") from error
        points[words[0]] = coordinates.reshape(5, 2)
    return points


def describe(report: TemplateReport) -> str:
    """Format the report as text, with 95 % intervals in brackets."""
    return "\n".join(
        [
            *head_lines(report),
            f"templates           {report.n_templates:,} of {report.n_pictures:,} pictures, "
            f"{report.dataset}",
            f"no face found       {report.no_face:,} pictures; {report.empty:,} empty templates",
            f"pairs               {report.genuine:,} genuine, {report.impostor:,} impostor",
            threshold_line(report.threshold, report.fmr, report.fnmr),
            *fnmr_lines(FMRS, {p.fmr: interval(p.fnmr) for p in report.points}),
        ]
    )
