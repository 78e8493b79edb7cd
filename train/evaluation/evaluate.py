"""Evaluate a verification set: its protocol, all against all, and open-set identification."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from facehub.pipeline import FaceRecognizer
from facehub.template import TEMPLATES
from train.evaluation.attributes import Attributes
from train.evaluation.embedding import Alignment, aligned_crop, embed_cut, embed_detected
from train.evaluation.groups import (
    Groups,
    group_lines,
    measure_groups,
    within_all,
    within_pairs,
)
from train.evaluation.metrics import (
    KFoldAccuracy,
    OperatingPoint,
    Rate,
    kfold_accuracy,
    operating_points,
)
from train.evaluation.openset import OpenSet, open_set
from train.evaluation.plot import plot
from train.evaluation.report import (
    REPORT_FILE,
    AllPairs,
    Run,
    all_pairs_lines,
    compare_all,
    fnmr_lines,
    head_lines,
    interval,
    measure_all,
    rates_at,
    threshold_line,
    write_report,
)
from train.evaluation.sources import open_pairs

FOLDS = 10
PROTOCOL_FMRS = (1e-2, 1e-3)
GALLERY_SIZES = (100, 1000)


@dataclass(frozen=True, kw_only=True)
class Report(Run):
    """Results on a verification set.

    A pair with a picture without a face counts as "different people": an error if it is genuine,
    correct if it is an impostor pair.

    Attributes:
        dataset: name of the set.
        alignment: "detect" for the whole pipeline, "crop" for aligned crops.
        accuracy: 10-fold, in per cent.
        n_pictures: number of different pictures in the pairs.
        repeated: (number of repeated pairs, number of them with a contradicting label).
        no_face: pictures without a detected face (failures to acquire).
        fmr: share of impostor pairs accepted at the threshold, or None.
        fnmr: share of genuine pairs rejected at the threshold, or None.
        points: FNMR @ FMR over the protocol's pairs.
        all_pairs: FNMR @ FMR, all against all; None if the identities are unknown.
        identification: one result per gallery size for which there are enough people.
        groups: error rates by group, if attributes were given.
    """

    dataset: str
    alignment: Alignment
    accuracy: KFoldAccuracy
    n_pictures: int
    no_face: int
    fmr: Rate | None
    fnmr: Rate | None
    points: tuple[OperatingPoint, ...]
    all_pairs: AllPairs | None
    identification: tuple[OpenSet, ...]
    groups: Groups | None = None
    repeated: tuple[int, int] = (0, 0)


def evaluate(
    path: Path,
    recognizer: FaceRecognizer,
    *,
    pairs_file: Path | None = None,
    dataset: str | None = None,
    alignment: Literal["auto", "detect", "crop"] = "auto",
    attributes: Attributes | None = None,
    output: Path | None = None,
) -> Report:
    """Evaluate on labelled pairs, for reporting only: no setting is chosen on these pictures.

    Args:
        path, pairs_file, dataset: see `open_pairs`.
        recognizer: the whole pipeline; without a threshold, the rates at it are None.
        alignment: see `Report`; "auto" means "crop" for `.bin` sets and a network of ArcFace's
            template, to which their crops are aligned, and "detect" otherwise.
        attributes: for rates by group, over all pairs within a group if the identities are known,
            else over the protocol's pairs.
        output: folder for `evaluation.json` and `evaluation.png`.

    Raises:
        ArchiveError, ImageError: pictures cannot be read.
        ValueError: there are fewer than ten pairs; see also `open_pairs`, `aligned_crop`,
            `measure_groups`.
    """
    pairs = open_pairs(path, pairs_file, dataset)
    if len(pairs.pairs) < FOLDS:
        raise ValueError(f"{path} has {len(pairs.pairs)} pairs, too few for {FOLDS} folds")
    if alignment == "auto":
        is_arcface = recognizer.spec.template == TEMPLATES["arcface112"]
        alignment = "crop" if pairs.aligned and is_arcface else "detect"
    if alignment == "crop":
        cut = aligned_crop(recognizer.spec.template)
        embeddings = embed_cut(pairs.names, pairs.read, recognizer, cut)
    else:
        embeddings = embed_detected(pairs.names, pairs.read, recognizer)

    threshold, labels = recognizer.spec.threshold, pairs.labels
    similarity, same = pairs.similarities(embeddings), pairs.same
    fmr, fnmr = rates_at(similarity, same, threshold)
    groups = None
    if attributes is not None:
        compare = (
            within_pairs(similarity, same, pairs.rows)
            if labels is None
            else within_all(embeddings, labels)
        )
        groups = measure_groups(attributes, pairs.names, threshold, compare, labels)
    drawn, drawn_same, everything = similarity, same, None
    galleries: list[OpenSet | None] = []
    if labels is not None:
        drawn, drawn_same = compare_all(embeddings, labels)
        everything = measure_all(drawn, drawn_same)
        galleries = [open_set(embeddings, labels, size) for size in GALLERY_SIZES]
    report = Report(
        **Run.of(recognizer),
        dataset=pairs.dataset,
        alignment=alignment,
        accuracy=kfold_accuracy(similarity, same, FOLDS),
        n_pictures=len(pairs.names),
        no_face=int(np.isnan(embeddings[:, 0]).sum()),
        fmr=fmr,
        fnmr=fnmr,
        points=operating_points(similarity[same], similarity[~same], PROTOCOL_FMRS),
        all_pairs=everything,
        identification=tuple(found for found in galleries if found is not None),
        groups=groups,
        repeated=pairs.repeated,
    )
    if output is not None:
        write_report(output / REPORT_FILE, report)
        which = "the protocol's pairs" if labels is None else "all against all"
        genuine, impostor = drawn[drawn_same], drawn[~drawn_same]
        plot(output / "evaluation.png", genuine, impostor, threshold, which)
    return report


def describe(report: Report) -> str:
    """Format the report as text, with 95 % intervals in brackets."""
    again, contradicting = report.repeated
    lines = [
        *head_lines(report),
        f"10-fold accuracy    {report.accuracy.mean:.2f} % "
        f"[{100 * report.accuracy.correct.low:.2f}, {100 * report.accuracy.correct.high:.2f}] "
        f"(std over folds {report.accuracy.std:.2f})",
        f"no face found       {report.no_face} of {report.n_pictures} pictures"
        if report.alignment == "detect"
        else f"aligned crops       {report.n_pictures} pictures",
        threshold_line(report.threshold, report.fmr, report.fnmr),
        *[f"repeated pairs      {again:,}, {contradicting:,} with the other label"][:again],
        *fnmr_lines(PROTOCOL_FMRS, {p.fmr: interval(p.fnmr) for p in report.points}),
        *all_pairs_lines(report.all_pairs),
    ]
    if report.all_pairs is not None:
        searched = {
            found.gallery_size: f"rank-1 {found.rank1:.4f} (std over {found.draws} draws "
            f"{found.rank1_std:.4f}), FNIR {found.fnir:.4f} ({found.fnir_std:.4f}) "
            f"at FPIR {found.fpir:g}"
            for found in report.identification
        }
        lines += [
            f"gallery of {size:<9}{searched.get(size, 'too few people')}" for size in GALLERY_SIZES
        ]
    if report.groups is not None:
        lines += group_lines(report.groups)
    return "\n".join(lines)
