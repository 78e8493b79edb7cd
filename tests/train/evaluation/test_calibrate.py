"""Calibration on artificial embeddings, with rates calculated by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest

from facehub import ModelSpec
from train.evaluation.calibrate import CalibrationReport, calibrate, describe

SPEC = ModelSpec(threshold=0.98, fingerprint="sha256:0")

# Two people, two faces each, at angles in the plane.
DEGREES = np.array([0, 10, 61, 75])
LABELS = np.array([7, 7, 3, 3])
EMBEDDINGS = np.column_stack([np.cos(np.radians(DEGREES)), np.sin(np.radians(DEGREES))])
EMBEDDINGS = EMBEDDINGS.astype(np.float32)
# Genuine: cos 10 = 0.985, cos 14 = 0.970.
# Impostors: cos 51 = 0.629, cos 61 = 0.4848, cos 65 = 0.423, cos 75 = 0.259.


def test_threshold_is_the_lowest_with_the_target_fmr() -> None:
    """At an FMR of 1/4, one of four impostor pairs is accepted: the threshold is above 0.4848."""
    config = calibrate(SPEC, EMBEDDINGS, LABELS, dataset="made", target_fmr=0.25)
    assert config.threshold == 0.485
    found = config.calibration
    assert (found.dataset, found.target_fmr) == ("made", 0.25)
    assert (found.impostor_pairs, found.genuine_pairs) == (4, 2)
    assert (found.fmr, found.fnmr) == (0.25, 0)
    assert config.fingerprint == SPEC.fingerprint


def test_calibration_without_a_target_keeps_the_threshold() -> None:
    """At 0.98, no impostor pair is accepted, and the genuine pair at 0.970 is rejected."""
    config = calibrate(SPEC, EMBEDDINGS, LABELS, dataset="made", target_fmr=None)
    assert config.threshold == 0.98
    found = config.calibration
    assert (found.target_fmr, found.fmr, found.fnmr) == (None, 0, 0.5)


def test_calibration_without_target_and_threshold_is_refused() -> None:
    spec = ModelSpec(threshold=None)
    with pytest.raises(ValueError, match="no threshold to keep"):
        calibrate(spec, EMBEDDINGS, LABELS, dataset="made", target_fmr=None)
    assert calibrate(spec, EMBEDDINGS, LABELS, dataset="", target_fmr=0.25).threshold == 0.485


def test_uncertain_band_begins_at_its_own_fmr() -> None:
    """At an FMR of 1/2, two of four impostor pairs are accepted: the band begins above 0.4226."""
    settings = {"dataset": "made", "target_fmr": 0.25}
    config = calibrate(SPEC, EMBEDDINGS, LABELS, **settings, uncertain_fmr=0.5)
    assert config.threshold == 0.485
    assert config.uncertain_margin == pytest.approx(0.485 - 0.423)
    assert calibrate(SPEC, EMBEDDINGS, LABELS, **settings).uncertain_margin == 0.05
    with pytest.raises(ValueError, match="begin below the threshold"):
        calibrate(SPEC, EMBEDDINGS, LABELS, dataset="", target_fmr=0.5, uncertain_fmr=0.25)


def test_curve_holds_fmr_and_fnmr_by_similarity() -> None:
    curve = calibrate(SPEC, EMBEDDINGS, LABELS, dataset="", target_fmr=0.5).calibration.curve
    similarities = [point[0] for point in curve]
    assert similarities == sorted(similarities)
    assert (similarities[0], similarities[-1]) == (-0.2, 0.9)
    rates = {similarity: (fmr, fnmr) for similarity, fmr, fnmr in curve}
    assert rates[0.25] == (1, 0)
    assert rates[0.3] == (0.75, 0)
    assert rates[0.45] == (0.5, 0)
    assert rates[0.6] == (0.25, 0)
    assert rates[0.65] == (0, 0)


def test_json_round_trip_keeps_the_calibration() -> None:
    config = calibrate(SPEC, EMBEDDINGS, LABELS, dataset="made", target_fmr=0.25)
    assert ModelSpec.from_json(config.to_json()) == config


def test_too_few_impostor_pairs_for_the_target_are_refused() -> None:
    with pytest.raises(ValueError, match="4 impostor pairs are too few to measure a"):
        calibrate(SPEC, EMBEDDINGS, LABELS, dataset="made", target_fmr=0.2)


def test_calibration_on_enough_pairs_gets_a_tail() -> None:
    """It starts on the curve, gives rates that the pairs cannot show, and is in the report."""
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(120, 16)), 5, axis=0) + 0.5 * rng.normal(size=(600, 16))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = np.repeat(np.arange(120), 5)
    spec = calibrate(
        SPEC, rows.astype(np.float32), labels, dataset="made", target_fmr=1e-2, left_out=1
    )
    found = spec.calibration
    assert found.left_out == 1
    assert found.tail.start in [similarity for similarity, _, _ in found.curve]
    assert found.fmr_at(found.tail.start - 1e-6) == pytest.approx(1e-3, rel=0.01)
    assert found.fmr_at(found.tail.start + 1e-6) == pytest.approx(1e-3, rel=0.01)
    assert spec.threshold_for(1000) > found.tail.start
    assert ModelSpec.from_json(spec.to_json()) == spec
    lines = describe(CalibrationReport(spec, 601, 120, ("p/7.webp",))).splitlines()
    assert lines[4] == "excluded as probably mislabelled: p/7.webp"
    assert lines[5].startswith(f"tail from {found.tail.start:.3f}: shape ")
    assert lines[7].startswith("FMR 1e-05: 0.")
    assert not lines[7].endswith("beyond what was measured")
    assert lines[8].startswith("FMR 1e-06: 0.")
    assert lines[8].endswith("]  beyond what was measured")
    assert re.fullmatch(
        r"check: FMR 1e-04 predicted at 0\.\d{3} ± 0\.\d{3} from a tenth of the pairs, 0\.\d{3} on "
        r"all of them",
        lines[-1],
    )


def test_calibration_on_too_few_pairs_has_no_tail() -> None:
    spec = calibrate(SPEC, EMBEDDINGS, LABELS, dataset="made", target_fmr=0.25)
    assert spec.calibration.tail is None
    assert "100,000 are needed" in describe(CalibrationReport(spec, 4, 2))


@pytest.mark.parametrize("labels", [[1, 1, 1, 1], [1, 2, 3, 4]], ids=["one", "all different"])
def test_labels_without_genuine_or_impostor_pairs_are_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="needs two identities"):
        calibrate(SPEC, EMBEDDINGS, np.array(labels), dataset="made", target_fmr=None)
