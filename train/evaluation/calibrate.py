"""Choose a weight file's threshold on held-out identities, all against all."""

from __future__ import annotations

import dataclasses

import numpy as np

from facehub.model.spec import Calibration, ModelSpec
from train.evaluation.metrics import threshold_at_fmr

CURVE = np.round(np.arange(-4, 19) * 0.05, 2)


def calibrate(
    config: ModelSpec,
    embeddings: np.ndarray,
    labels: np.ndarray,
    *,
    dataset: str,
    target_fmr: float | None,
    uncertain_fmr: float | None = None,
) -> ModelSpec:
    """Measure error rates, and choose the threshold where a target is given.

    Args:
        config: of the weights; its threshold is kept where `target_fmr` is None.
        embeddings: float32 (N, 512), unit rows.
        labels: int (N,), equal for one person.
        dataset: which faces these are, and whether the weights saw them in training.
        target_fmr: highest false match rate allowed, or None.
        uncertain_fmr: a higher rate, whose threshold begins the "uncertain" band; None leaves the
            band as wide as it is.

    Raises:
        ValueError: too few pairs, or too few impostor pairs for the target.
    """
    similarity, same = all_pairs(embeddings, labels)
    genuine, impostor = np.sort(similarity[same]), np.sort(similarity[~same])
    if not len(genuine) or not len(impostor):
        raise ValueError("calibration needs two identities or more, and two faces of one of them")
    threshold = config.threshold
    if target_fmr is not None:
        threshold = _rounded_up(threshold_at_fmr(impostor, target_fmr))
    margin = config.uncertain_margin
    if uncertain_fmr is not None:
        margin = threshold - _rounded_up(threshold_at_fmr(impostor, uncertain_fmr))
        if margin < 0:
            raise ValueError("the uncertain band must begin below the threshold")

    def rates(limit: float) -> tuple[float, float]:
        fmr = 1 - np.searchsorted(impostor, limit) / len(impostor)
        return float(fmr), float(np.searchsorted(genuine, limit) / len(genuine))

    fmr, fnmr = rates(threshold)
    calibration = Calibration(
        dataset=dataset,
        target_fmr=target_fmr,
        fmr=round(fmr, 7),
        fnmr=round(fnmr, 5),
        impostor_pairs=len(impostor),
        genuine_pairs=len(genuine),
        curve=tuple((s, round(rates(s)[0], 7), round(rates(s)[1], 7)) for s in CURVE.tolist()),
    )
    return dataclasses.replace(
        config, threshold=threshold, uncertain_margin=round(margin, 3), calibration=calibration
    )


def all_pairs(embeddings: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of different pictures once: similarity float32 (P,) and same bool (P,)."""
    upper = ~np.tri(len(embeddings), dtype=bool)  # row and column numbers would need 16 times this
    return (embeddings @ embeddings.T)[upper], (labels[:, None] == labels)[upper]


def _rounded_up(threshold: float) -> float:
    """To three decimals, so that the false match rate stays below the target."""
    return float(np.ceil(threshold * 1000) / 1000)
