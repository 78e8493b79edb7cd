"""Evaluate held-out identities, all against all, at the weights' threshold; also by group."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facehub.io.sources import open_source
from facehub.pipeline import FaceRecognizer
from train.data.crops import embed_crops
from train.data.heldout import heldout_names, read_heldout
from train.evaluation.attributes import Attributes
from train.evaluation.groups import Groups, group_lines, measure_groups, within_all
from train.evaluation.metrics import Rate
from train.evaluation.people import rates_over_people
from train.evaluation.report import (
    AllPairs,
    Run,
    add_to_report,
    all_pairs_lines,
    compare_all,
    head_lines,
    measure_all,
    read_report,
    threshold_line,
)

PART = "heldout"  # its key in `evaluation.json`


@dataclass(frozen=True, kw_only=True)
class HeldoutReport(Run):
    """Results on aligned faces of identities that were held out of training.

    Attributes:
        dataset: name of the faces.
        pictures: number of pictures.
        people: number of people.
        fmr: share of impostor pairs accepted at the threshold, or None; see `rates_over_people`.
        fnmr: share of genuine pairs rejected at the threshold, or None.
        all_pairs: FNMR @ FMR.
        groups: error rates by group, if attributes were given.
    """

    dataset: str
    pictures: int
    people: int
    fmr: Rate | None
    fnmr: Rate | None
    all_pairs: AllPairs
    groups: Groups | None = None


def evaluate_heldout(
    faces: Path,
    recognizer: FaceRecognizer,
    *,
    dataset: str | None = None,
    everyone: bool = False,
    attributes: Attributes | None = None,
    output: Path | None = None,
) -> HeldoutReport:
    """Evaluate on held-out identities.

    Args:
        faces: aligned faces, see `open_source`; adapted to the network, see `embed_crops`.
        recognizer: its network and threshold are used.
        dataset: name of the faces; None: the name of their folder or file.
        everyone: whether to use all identities, see `read_heldout`.
        attributes: for rates by group.
        output: folder with the `evaluation.json` of the same weights, to which the report is added.

    Raises:
        ArchiveError, ImageError: the faces cannot be read.
        ValueError: the faces have the wrong size or show only one identity; see `measure_groups`,
            `read_report`.
    """
    if output is not None:
        read_report(output, recognizer)  # fails early
    crops, labels = read_heldout(faces, everyone=everyone)
    embeddings = embed_crops(recognizer.embedder, crops)
    similarity, same = compare_all(embeddings, labels)
    if same.all() or not same.any():
        raise ValueError(f"{faces} needs two held-out identities, and two faces of one of them")
    threshold = recognizer.spec.threshold
    fmr, fnmr = rates_over_people(similarity, same, labels, threshold)
    groups = None
    if attributes is not None:
        names = heldout_names(open_source(faces), everyone=everyone)
        compare = within_all(embeddings, labels)
        groups = measure_groups(attributes, names, threshold, compare, labels)
    report = HeldoutReport(
        **Run.of(recognizer),
        dataset=dataset or faces.stem,
        pictures=len(labels),
        people=len(np.unique(labels)),
        fmr=fmr,
        fnmr=fnmr,
        all_pairs=measure_all(similarity, same),
        groups=groups,
    )
    if output is not None:
        add_to_report(output, recognizer, PART, report)
    return report


def describe(report: HeldoutReport) -> str:
    """Format the report as text, with 95 % intervals in brackets."""
    lines = [
        *head_lines(report),
        f"held-out faces      {report.pictures:,} of {report.people:,} people, {report.dataset}",
        threshold_line(report.threshold, report.fmr, report.fnmr),
        *all_pairs_lines(report.all_pairs),
    ]
    if report.groups is not None:
        lines += group_lines(report.groups)
    return "\n".join(lines)
