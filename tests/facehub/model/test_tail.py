"""The formula of the tail, and calibrations that extrapolate with it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from facehub.model.calibration import Calibration
from facehub.model.spec import ModelSpec
from facehub.model.tail import Tail

# An exponential tail: ten times fewer pairs every 0.1.
EXPONENTIAL = Tail(0.4, 1e-3, 0.0, 0.1 / math.log(10), 1000)
CURVE = ((0.0, 1.0, 0.0), (0.2, 0.1, 0.1), (0.4, 1e-3, 0.3), (0.6, 0.0, 0.7), (0.9, 0.0, 1.0))
MEASURED = Calibration("made up", None, 0.01, 0.2, 1_000_000, 100, CURVE, EXPONENTIAL)


@pytest.mark.parametrize("shape", [-0.3, -0.02, 0.0, 1e-12, 0.02, 0.3])
def test_tail_equals_scipy(shape: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    tail = Tail(0.3, 1e-3, shape, 0.04, 100)
    for similarity in np.linspace(0.3, 0.42, 7):
        expected = 1e-3 * stats.genpareto.sf(similarity, shape, loc=0.3, scale=0.04)
        assert tail.fmr_at(similarity) == pytest.approx(expected, rel=1e-6)
        assert tail.similarity_at(tail.fmr_at(similarity)) == pytest.approx(similarity)


def test_tail_of_negative_shape_ends() -> None:
    tail = Tail(0.3, 1e-3, -0.5, 0.1, 100)  # at 0.3 + 0.1 / 0.5
    assert tail.fmr_at(0.51) == 0
    assert tail.similarity_at(1e-30) == pytest.approx(0.5)


def test_similarity_at_a_tiny_rate_is_at_most_1() -> None:
    assert Tail(0.3, 1e-3, 0.5, 0.1, 100).similarity_at(1e-9) == 1


def test_tail_before_its_start_is_constant() -> None:
    assert EXPONENTIAL.fmr_at(0.1) == 1e-3
    assert EXPONENTIAL.similarity_at(0.5) == 0.4


def test_intervals_are_interpolated_in_the_logarithm() -> None:
    tail = replace(EXPONENTIAL, intervals=((1e-4, 0.4, 0.5), (1e-6, 0.5, 0.9)))
    assert tail.interval_at(1e-5) == pytest.approx((0.45, 0.7))
    assert tail.interval_at(1e-3) is None
    assert tail.interval_at(1e-7) is None
    assert EXPONENTIAL.interval_at(1e-5) is None


@pytest.mark.parametrize(
    "change",
    [
        {"start": 1.0},
        {"start": float("nan")},
        {"fmr": 0.0},
        {"fmr": True},
        {"shape": 1.0},
        {"scale": 0.0},
        {"pairs": 0},
        {"pairs": 2.5},
        {"intervals": ((1e-4, 0.6, 0.5),)},
        {"intervals": ((1e-6, 0.4, 0.5), (1e-4, 0.4, 0.5))},
        {"intervals": ((1e-4, 0.4, float("nan")),)},
        {"check": (1e-6, 0.5)},
    ],
    ids=str,
)
def test_invalid_tail_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a tail"):
        replace(EXPONENTIAL, **change)


# --- a calibration with a tail --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("similarity", "fmr", "measured"),
    [
        (0.2, 0.1, True),  # from the curve
        (0.3, 1e-2, True),
        (0.4, 1e-3, True),
        (0.6, 1e-5, True),  # from the tail; the curve is 0 here
        (0.8, 1e-7, False),
        (0.9, 1e-8, False),
        (1.0, 1e-8, False),  # the floor: a hundredth of the lowest rate the pairs can show
    ],
)
def test_rates_beyond_the_curve_come_from_the_tail(
    similarity: float, fmr: float, measured: bool
) -> None:
    found = MEASURED.fmr_at(similarity)
    assert found == pytest.approx(fmr)
    assert MEASURED.was_measured(found) is measured
    assert MEASURED.similarity_at(fmr) == pytest.approx(min(similarity, 0.9))


def test_fmr_never_rises_with_similarity() -> None:
    rates = [MEASURED.fmr_at(similarity) for similarity in np.linspace(-1, 1, 401)]
    assert rates == sorted(rates, reverse=True)
    # Also if the curve, at the start of the tail, lies below the tail.
    rough = replace(MEASURED, curve=((0.0, 1.0, 0.0), (0.38, 1e-4, 0.3)))
    rates = [rough.fmr_at(similarity) for similarity in np.linspace(-1, 1, 401)]
    assert rates == sorted(rates, reverse=True)
    limits = [rough.similarity_at(fmr) for fmr in np.geomspace(1, 1e-10, 101)]
    assert limits == sorted(limits)


def test_rates_without_a_tail_end_at_one_pair() -> None:
    plain = replace(MEASURED, tail=None)
    assert plain.reach == plain.lowest_fmr == 1e-6
    assert plain.fmr_at(0.9) == pytest.approx(1e-6)
    assert plain.was_measured(plain.fmr_at(0.9))
    assert plain.similarity_at(1e-8) == plain.similarity_at(1e-6)


def test_tail_without_a_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="from a curve"):
        replace(MEASURED, curve=())


def test_threshold_for_a_million_templates_comes_from_the_tail() -> None:
    """An FPIR of 1 % with a million templates needs an FMR of 1e-8: 0.9 by the tail."""
    spec = ModelSpec(threshold=0.5, calibration=MEASURED)
    assert spec.threshold_for(1_000_000) == pytest.approx(0.9, abs=1e-3)
    assert spec.threshold_for(100_000) == pytest.approx(0.8, abs=1e-3)
    assert spec.threshold_for(1) == 0.5
    without = ModelSpec(threshold=0.5, calibration=replace(MEASURED, tail=None))
    assert without.threshold_for(1_000_000) == pytest.approx(0.6)  # too low: the curve ends here


# --- FPIR of a gallery ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("similarity", "templates", "fpir"),
    [
        (0.4, 0, 0.0),
        (0.4, 1, 1e-3),
        (0.4, 2, 1 - 0.999**2),
        (0.4, 1000, 1 - 0.999**1000),
        (0.9, 1_000_000, 1 - math.exp(-0.01)),
        (-1.0, 5, 1.0),
        (-1.0, 0, 0.0),
    ],
)
def test_fpir_at_a_similarity(similarity: float, templates: int, fpir: float) -> None:
    assert MEASURED.fpir_at(similarity, templates) == pytest.approx(fpir, rel=1e-4)


def test_fpir_equals_the_rate_of_simulated_strangers() -> None:
    """A simulation: how often the best of N exponential scores reaches the similarity."""
    rng = np.random.default_rng(0)
    scores = 0.1 + rng.exponential(0.1 / math.log(10), (20_000, 100))  # FMR 1e-3 at 0.4
    found = float((scores.max(axis=1) >= 0.35).mean())
    lower = replace(EXPONENTIAL, start=0.1, fmr=1 - 1e-12)
    calibration = replace(MEASURED, tail=lower)
    assert found == pytest.approx(calibration.fpir_at(0.35, 100), rel=0.03)


def test_fpir_without_a_curve_is_none() -> None:
    assert Calibration("made up", None, 0.01, 0.2, 100, 100).fpir_at(0.5, 10) is None


def test_json_round_trip_keeps_the_tail() -> None:
    tail = replace(EXPONENTIAL, intervals=((1e-4, 0.4, 0.5),), check=(1e-6, 0.6, 0.02, 0.61))
    spec = ModelSpec(calibration=replace(MEASURED, tail=tail, left_out=2))
    assert ModelSpec.from_json(spec.to_json()) == spec
