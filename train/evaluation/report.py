"""Shared parts of evaluation reports: run settings, rates, text, JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facehub.io.files import write_atomically
from facehub.pipeline import FaceRecognizer
from train.evaluation.embedder import precision_of
from train.evaluation.metrics import OperatingPoint, Rate, all_pairs, operating_points, rate

ALL_PAIRS_FMRS = (1e-2, 1e-3, 1e-4, 1e-5)
REPORT_FILE = "evaluation.json"


@dataclass(frozen=True)
class Run:
    """The weights of a report and how they ran.

    Attributes:
        fingerprint: of the weights.
        precision: see `precision_of`.
        engine: runtime and device.
        flip: whether flip test-time augmentation was used.
        threshold: the weights' threshold; None for uncalibrated weights.
    """

    fingerprint: str
    precision: str
    engine: str
    flip: bool
    threshold: float | None

    @staticmethod
    def of(recognizer: FaceRecognizer) -> dict[str, Any]:
        """The attributes of a recogniser."""
        return {
            "fingerprint": recognizer.fingerprint,
            "precision": precision_of(recognizer.embedder),
            "engine": recognizer.embedder.description,
            "flip": recognizer.spec.flip,
            "threshold": recognizer.spec.threshold,
        }


@dataclass(frozen=True)
class AllPairs:
    """Results of comparing all pictures against all.

    Attributes:
        genuine: number of pairs of one person.
        impostor: number of pairs of different people.
        points: FNMR @ FMR. The intervals are too narrow, because pairs share pictures, and are not
            printed.
    """

    genuine: int
    impostor: int
    points: tuple[OperatingPoint, ...]


def compare_all(embeddings: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Like `all_pairs`, with minus infinity if a face is missing."""
    similarity, same = all_pairs(embeddings, labels)
    return np.nan_to_num(similarity, nan=-np.inf), same


def rates_at(
    similarity: np.ndarray, same: np.ndarray, threshold: float | None
) -> tuple[Rate | None, Rate | None]:
    """Measure FMR and FNMR at a threshold.

    Args:
        similarity: float (P,), minus infinity for pairs that could not be compared.
        same: bool (P,).
        threshold: similarity from which two faces count as one person.

    Returns:
        (FMR, FNMR); None without a threshold or without such pairs.
    """
    n_genuine = int(same.sum())
    n_impostor = len(same) - n_genuine
    if threshold is None:
        return None, None
    accepted = similarity >= threshold
    fmr = rate(int((accepted & ~same).sum()), n_impostor) if n_impostor else None
    fnmr = rate(int((~accepted & same).sum()), n_genuine) if n_genuine else None
    return fmr, fnmr


def measure_all(similarity: np.ndarray, same: np.ndarray) -> AllPairs:
    """Count the pairs and measure FNMR @ `ALL_PAIRS_FMRS`."""
    genuine, impostor = similarity[same], similarity[~same]
    points = operating_points(genuine, impostor, ALL_PAIRS_FMRS)
    return AllPairs(len(genuine), len(impostor), points)


def head_lines(run: Run) -> list[str]:
    """Format the weights and the engine."""
    return [f"weights             {run.fingerprint}", f"engine              {run.engine}"]


def threshold_line(threshold: float | None, fmr: Rate | None, fnmr: Rate | None) -> str:
    """Format the rates at the threshold."""
    if threshold is None or fmr is None or fnmr is None:
        return "uncalibrated        no threshold: `python -m train calibrate` chooses one"
    rates = f"FMR {interval(fmr)}, FNMR {interval(fnmr)}"
    return f"at threshold {threshold:.3f}  {rates}"


def all_pairs_lines(everything: AllPairs | None) -> list[str]:
    """Format the results of all against all."""
    if everything is None:
        return ["all against all     the pairs do not give the identities"]
    values = {p.fmr: f"{p.fnmr.value:.4f}" for p in everything.points}
    first = f"all against all     {everything.impostor:,} impostor pairs"
    return [first, *fnmr_lines(ALL_PAIRS_FMRS, values)]


def fnmr_lines(fmrs: tuple[float, ...], values: dict[float, str]) -> list[str]:
    """Format one line per FMR."""
    return [f"FNMR at FMR {f:<8g}{values.get(f, 'too few impostor pairs')}" for f in fmrs]


def interval(found: Rate) -> str:
    """Format a proportion with its 95 % interval."""
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"


def write_report(path: Path, report: Run) -> None:
    """Write a report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, dataclasses.asdict(report))


def read_report(folder: Path, recognizer: FaceRecognizer) -> dict[str, Any]:
    """Read the `evaluation.json` of a folder.

    Raises:
        ValueError: the file is missing, or is of other weights or another threshold.
    """
    try:
        report = json.loads((folder / REPORT_FILE).read_text())
        measured = report["fingerprint"], report["threshold"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder} has no {REPORT_FILE} to add to: `evaluate` first") from error
    if measured != (recognizer.fingerprint, recognizer.spec.threshold):
        raise ValueError(
            f"{folder / REPORT_FILE} is of other weights or another threshold: `evaluate` first"
        )
    return report  # type: ignore[no-any-return]


def add_to_report(folder: Path, recognizer: FaceRecognizer, name: str, part: Run) -> None:
    """Add a report to the `evaluation.json` of the same weights, under the key `name`.

    Raises:
        ValueError: see `read_report`.
    """
    report = read_report(folder, recognizer)
    _write(folder / REPORT_FILE, {**report, name: dataclasses.asdict(part)})


def _write(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
