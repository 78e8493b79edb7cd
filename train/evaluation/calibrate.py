"""Calibrate weights: choose the threshold on held-out identities, all against all."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facehub.errors import WeightsError
from facehub.io.sources import open_source
from facehub.model.calibration import BEYOND_MEASURED, Calibration
from facehub.model.onnx import Precision
from facehub.model.spec import ModelSpec
from facehub.model.store import write_spec
from train.data.crops import embed_crops
from train.data.heldout import heldout_names, read_heldout
from train.evaluation.embedder import load_embedder
from train.evaluation.labels import mislabelled
from train.evaluation.metrics import all_pairs, threshold_at_fmr
from train.evaluation.tail import fit_tail

CURVE = np.round(np.arange(-4, 19) * 0.05, 2)


@dataclass(frozen=True)
class CalibrationReport:
    """The result of `calibrate_weights`.

    Attributes:
        spec: the written spec.
        faces: number of held-out faces.
        identities: number of held-out identities.
        left_out: names of excluded faces, see `mislabelled`.
    """

    spec: ModelSpec
    faces: int
    identities: int
    left_out: tuple[str, ...] = ()


def calibrate_weights(
    folder: Path,
    faces: Path,
    *,
    dataset: str,
    target_fmr: float | None,
    uncertain_fmr: float | None = None,
    precision: Precision | None = None,
    everyone: bool = False,
    as_labelled: bool = False,
) -> CalibrationReport:
    """Calibrate a weight folder on held-out identities. Only its `config.json` is rewritten.

    Args:
        folder: weight folder of a ResNet18 or any ONNX network.
        faces: aligned faces, see `open_source`; adapted to the network, see `embed_crops`.
        dataset, target_fmr, uncertain_fmr: see `calibrate`.
        precision: see `load_embedder`; None: float32.
        everyone: whether to use all identities, see `read_heldout`.
        as_labelled: whether to use faces that are probably mislabelled, see `mislabelled`.

    Raises:
        WeightsError: the weights are missing or damaged.
        ArchiveError, ImageError: the faces cannot be read.
        ValueError: the faces have the wrong size, or there are too few.
    """
    if not folder.is_dir():
        raise WeightsError(f"There is no folder {folder}.")
    embedder = load_embedder(folder, precision=precision)
    crops, labels = read_heldout(faces, everyone=everyone)
    embeddings = embed_crops(embedder, crops)
    claimed = np.zeros(len(labels), bool)
    if not as_labelled:
        claimed = mislabelled(embeddings, labels)
    spec = calibrate(
        embedder.spec,
        embeddings[~claimed],
        labels[~claimed],
        dataset=dataset,
        target_fmr=target_fmr,
        uncertain_fmr=uncertain_fmr,
        left_out=int(claimed.sum()),
    )
    write_spec(folder, spec)
    names = heldout_names(open_source(faces), everyone=everyone)
    left_out = tuple(name for name, is_left in zip(names, claimed, strict=True) if is_left)
    return CalibrationReport(spec, len(crops), int(labels.max()) + 1, left_out)


def describe(report: CalibrationReport) -> str:
    """Format the report as text."""
    spec, found = report.spec, report.spec.calibration
    assert spec.threshold is not None
    assert found is not None
    lines = [
        f"{report.faces} faces of {report.identities} identities",
        f"uncertain from {spec.threshold - spec.uncertain_margin:.3f}",
        f"threshold {spec.threshold:.3f}: FMR {found.fmr:.2g}, FNMR {found.fnmr:.4f}",
        f"{found.impostor_pairs:,} impostor pairs, {found.genuine_pairs:,} genuine pairs",
    ]
    if report.left_out:
        lines.append(f"excluded as probably mislabelled: {', '.join(report.left_out)}")
    return "\n".join([*lines, *tail_lines(found)])


def tail_lines(calibration: Calibration) -> list[str]:
    """Format the tail as text, with 95 % intervals in brackets."""
    tail = calibration.tail
    if tail is None:
        return ["too few impostor pairs for lower false match rates: 100,000 are needed"]
    lines = [
        f"tail from {tail.start:.3f}: shape {tail.shape:.3f}, scale {tail.scale:.4f}, "
        f"{tail.pairs:,} pairs"
    ]
    for fmr, low, high in tail.intervals:
        beyond = "" if calibration.was_measured(fmr) else f"  {BEYOND_MEASURED}"
        lines.append(
            f"FMR {fmr:.0e}: {tail.similarity_at(fmr):.3f} [{low:.3f}, {high:.3f}]{beyond}"
        )
    if tail.check:
        fmr, predicted, deviation, measured = tail.check
        lines.append(
            f"check: FMR {fmr:.0e} predicted at {predicted:.3f} ± {deviation:.3f} from a tenth of "
            f"the pairs, {measured:.3f} on all of them"
        )
    return lines


def calibrate(
    spec: ModelSpec,
    embeddings: np.ndarray,
    labels: np.ndarray,
    *,
    dataset: str,
    target_fmr: float | None,
    uncertain_fmr: float | None = None,
    left_out: int = 0,
) -> ModelSpec:
    """Measure error rates, and choose the threshold if a target is given.

    Args:
        spec: of the weights; its threshold is kept if `target_fmr` is None.
        embeddings: float32 (N, 512), L2-normalised rows.
        labels: int (N,), equal for one person.
        dataset: which faces, and whether the weights were trained on them.
        target_fmr: highest acceptable false match rate, or None.
        uncertain_fmr: a higher rate, whose threshold is the start of the "uncertain" band; None:
            the band keeps its width.
        left_out: number of excluded faces, for the record.

    Raises:
        ValueError: there are too few pairs, too few impostor pairs for the target, or no threshold
            to keep.
    """
    similarity, same = all_pairs(embeddings, labels)
    genuine, impostor = np.sort(similarity[same]), np.sort(similarity[~same])
    if not len(genuine) or not len(impostor):
        raise ValueError("calibration needs two identities, and two faces of one of them")
    threshold = spec.threshold
    if target_fmr is not None:
        threshold = _rounded_up(threshold_at_fmr(impostor, target_fmr))
    if threshold is None:
        raise ValueError("there is no threshold to keep; choose one for a false match rate")
    margin = spec.uncertain_margin
    if uncertain_fmr is not None:
        margin = threshold - _rounded_up(threshold_at_fmr(impostor, uncertain_fmr))
        if margin < 0:
            raise ValueError("the uncertain band must begin below the threshold")

    def rates(limit: float) -> tuple[float, float]:
        fmr = 1 - np.searchsorted(impostor, limit) / len(impostor)
        return float(fmr), float(np.searchsorted(genuine, limit) / len(genuine))

    fmr, fnmr = rates(threshold)
    tail = fit_tail(similarity, same, labels)
    at = sorted({*CURVE.tolist(), *([] if tail is None else [tail.start])})
    calibration = Calibration(
        dataset=dataset,
        target_fmr=target_fmr,
        fmr=round(fmr, 7),
        fnmr=round(fnmr, 5),
        impostor_pairs=len(impostor),
        genuine_pairs=len(genuine),
        curve=tuple((s, round(rates(s)[0], 7), round(rates(s)[1], 7)) for s in at),
        tail=tail,
        left_out=left_out,
    )
    return dataclasses.replace(
        spec, threshold=threshold, uncertain_margin=round(margin, 3), calibration=calibration
    )


def _rounded_up(threshold: float) -> float:
    """Round up to three decimals, so the false match rate stays below the target."""
    return float(np.ceil(threshold * 1000) / 1000)
