"""The evaluation report: LFW's protocol, all against all, and open-set identification."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facehub.io.files import write_atomically
from facehub.pipeline import FaceRecognizer
from train.evaluation.embedder import precision_of
from train.evaluation.lfw import embed_lfw
from train.evaluation.metrics import (
    KFoldAccuracy,
    OperatingPoint,
    Rate,
    all_pairs,
    kfold_accuracy,
    operating_points,
    rate,
)
from train.evaluation.openset import OpenSet, open_set

PROTOCOL_FMRS = (1e-2, 1e-3)
ALL_PAIRS_FMRS = (1e-2, 1e-3, 1e-4, 1e-5)
GALLERY_SIZES = (100, 1000)


@dataclass(frozen=True)
class AllPairs:
    """Every picture against every other.

    Attributes:
        genuine: pairs of one person.
        impostor: pairs of different people.
        points: FNMR at FMRs; their intervals are too narrow, as pairs share pictures: not shown.
    """

    genuine: int
    impostor: int
    points: tuple[OperatingPoint, ...]


@dataclass(frozen=True)
class Report:
    """What the weights reach on LFW.

    A pair with a picture without a face counts as "different people", everywhere: it is an error
    where it is genuine, and right where it is not.

    Attributes:
        fingerprint: of the weights.
        precision: in which they ran, see `precision_of`.
        engine: what ran them.
        flip: whether mirrored faces were added.
        accuracy: 10-fold, in per cent.
        n_pictures: different pictures in the pairs.
        no_face: pictures in which no face was found (failures to acquire).
        threshold: the weights' own; None for uncalibrated weights.
        fmr: share of impostor pairs accepted at it, or None.
        fnmr: share of genuine pairs rejected at it, or None.
        points: FNMR at FMRs, over the protocol's pairs.
        all_pairs: the same, all against all.
        identification: for each gallery size that there are people for.
    """

    fingerprint: str
    precision: str
    engine: str
    flip: bool
    accuracy: KFoldAccuracy
    n_pictures: int
    no_face: int
    threshold: float | None
    fmr: Rate | None
    fnmr: Rate | None
    points: tuple[OperatingPoint, ...]
    all_pairs: AllPairs
    identification: tuple[OpenSet, ...]


def evaluate(archive: Path, recognizer: FaceRecognizer, *, output: Path | None = None) -> Report:
    """Evaluate on LFW, for reporting only: nothing is ever chosen on these pictures.

    Args:
        archive: zip with `pairs.txt` and `NAME/NAME_0001.jpg`.
        recognizer: the whole chain; where it has no threshold, rates at one are left out.
        output: folder for `evaluation.json` and `evaluation.png`.

    Raises:
        ValueError: the archive lacks `pairs.txt` or a picture.
    """
    faces = embed_lfw(archive, recognizer)
    similarity, same = faces.similarities()
    threshold = recognizer.spec.threshold
    fmr = fnmr = None
    if threshold is not None:
        fmr = rate(int((similarity[~same] >= threshold).sum()), int((~same).sum()))
        fnmr = rate(int((similarity[same] < threshold).sum()), int(same.sum()))
    everything, everyone = all_pairs(faces.embeddings, faces.labels)
    everything = np.nan_to_num(everything, nan=-np.inf)
    genuine, impostor = everything[everyone], everything[~everyone]
    galleries = [open_set(faces.embeddings, faces.labels, size) for size in GALLERY_SIZES]
    report = Report(
        fingerprint=recognizer.fingerprint,
        precision=precision_of(recognizer.embedder),
        engine=recognizer.embedder.description,
        flip=recognizer.spec.flip,
        accuracy=kfold_accuracy(similarity, same),
        n_pictures=len(faces.names),
        no_face=int(np.isnan(faces.embeddings[:, 0]).sum()),
        threshold=threshold,
        fmr=fmr,
        fnmr=fnmr,
        points=operating_points(similarity[same], similarity[~same], PROTOCOL_FMRS),
        all_pairs=AllPairs(
            len(genuine), len(impostor), operating_points(genuine, impostor, ALL_PAIRS_FMRS)
        ),
        identification=tuple(found for found in galleries if found is not None),
    )
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dataclasses.asdict(report), indent=2) + "\n"
        write_atomically(output / "evaluation.json", text.encode())
        plot(output / "evaluation.png", genuine, impostor, threshold)
    return report


def describe(report: Report) -> str:
    """The report as a person reads it: 95 % intervals in brackets."""
    correct = report.accuracy.correct
    lines = [
        f"weights             {report.fingerprint}",
        f"engine              {report.engine}",
        f"10-fold accuracy    {report.accuracy.mean:.2f} % "
        f"[{100 * correct.low:.2f}, {100 * correct.high:.2f}] "
        f"(std over folds {report.accuracy.std:.2f})",
        f"no face found       {report.no_face} of {report.n_pictures} pictures",
        _at_threshold(report),
    ]
    shown = {p.fmr: _interval(p.fnmr) for p in report.points}
    lines += _fnmr_lines(PROTOCOL_FMRS, shown)
    everything = report.all_pairs
    lines.append(f"all against all     {everything.impostor:,} impostor pairs")
    lines += _fnmr_lines(ALL_PAIRS_FMRS, {p.fmr: f"{p.fnmr.value:.4f}" for p in everything.points})
    searched = {
        found.gallery_size: f"rank-1 {found.rank1:.4f} (std over {found.draws} draws "
        f"{found.rank1_std:.4f}), FNIR {found.fnir:.4f} ({found.fnir_std:.4f}) "
        f"at FPIR {found.fpir:g}"
        for found in report.identification
    }
    lines += [
        f"gallery of {size:<9}{searched.get(size, 'too few people')}" for size in GALLERY_SIZES
    ]
    return "\n".join(lines)


def _at_threshold(report: Report) -> str:
    if report.threshold is None or report.fmr is None or report.fnmr is None:
        return "uncalibrated        no threshold: `python -m train calibrate` chooses one"
    rates = f"FMR {_interval(report.fmr)}, FNMR {_interval(report.fnmr)}"
    return f"at threshold {report.threshold:.3f}  {rates}"


def _fnmr_lines(fmrs: tuple[float, ...], shown: dict[float, str]) -> list[str]:
    return [f"FNMR at FMR {f:<8g}{shown.get(f, 'too few impostor pairs')}" for f in fmrs]


def plot(path: Path, genuine: np.ndarray, impostor: np.ndarray, threshold: float | None) -> None:
    """Draw the ROC and the distributions of the similarities, all against all.

    Args:
        path: PNG file to write.
        genuine: float (P,), similarities of pairs of one person.
        impostor: float (Q,), of pairs of different people.
        threshold: to mark, or None.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    roc, histogram = figure.subplots(1, 2)
    limits = np.linspace(-1, 1, 2001)
    fmr = 1 - np.searchsorted(np.sort(impostor), limits) / len(impostor)
    tar = 1 - np.searchsorted(np.sort(genuine), limits) / len(genuine)
    lowest = min(0.1, 10 / len(impostor))
    roc.plot(fmr[fmr >= lowest], tar[fmr >= lowest])
    title = "ROC, all against all"
    if threshold is not None:
        at_threshold = (impostor >= threshold).mean(), (genuine >= threshold).mean()
        roc.plot(*at_threshold, "ko", markersize=5)
        title += " (dot: threshold)"
    roc.set(title=title, xlabel="FMR", ylabel="TAR (1 - FNMR)")
    roc.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.02))
    roc.grid(which="both", alpha=0.3)
    bins = np.linspace(-0.6, 1, 81)
    for values, label in ((impostor, "different people"), (genuine, "one person")):
        histogram.hist(values, bins, density=True, alpha=0.6, label=label)
    if threshold is not None:
        label = f"threshold {threshold:.2f}"
        histogram.axvline(threshold, color="black", linestyle=":", label=label)
    histogram.set(title="Cosine similarity", xlabel="similarity", ylabel="density")
    histogram.legend()
    figure.savefig(path, dpi=110)


def _interval(found: Rate) -> str:
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"
