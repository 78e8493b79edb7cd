"""`config.json`: it round-trips, and invalid values are refused."""

from __future__ import annotations

import copy
import json
import math
import pickle
from dataclasses import replace

import pytest

from facehub import AlignmentTemplate, Calibration, FaceRecognizer, ModelSpec, WeightsError
from facehub.model.spec import Preprocessing
from facehub.template import TEMPLATES

CALIBRATION = Calibration(
    dataset="a few faces",
    target_fmr=0.01,
    fmr=0.009,
    fnmr=0.25,
    impostor_pairs=1000,
    genuine_pairs=100,
    curve=((0.0, 0.5, 0.01), (0.5, 0.009, 0.25)),
)


def changed(**changes: object) -> str:
    return json.dumps({**json.loads(ModelSpec().to_json()), **changes})


@pytest.mark.parametrize(
    "config",
    [
        ModelSpec(),
        ModelSpec(stem="face", embedding_size=128, threshold=-0.25, uncertain_margin=0.0),
        ModelSpec(preprocessing=Preprocessing(mean=0.0, std=255.0)),
        ModelSpec(template=AlignmentTemplate(112, 112, (38.3, 51.7), (73.5, 51.5))),
        ModelSpec(calibration=CALIBRATION, fingerprint="sha256:0123"),
        ModelSpec(threshold=None),
        ModelSpec(activation_ranges={"conv1": (0.0, 3.5), "layer1.0": (-1.25, 1e-3)}),
        ModelSpec(embedding_size=3, known_answer=(0.6, -0.0, 0.8)),
        ModelSpec(
            architecture="onnx",
            file="net-1.onnx",
            preprocessing=Preprocessing("BGR", "NHWC", (1.0, 2.0, 3.5), 128),
            template=TEMPLATES["arcface112"],
        ),
    ],
    ids=[
        "default",
        "numbers",
        "preprocessing",
        "template",
        "calibration",
        "no threshold",
        "ranges",
        "known answer",
        "onnx",
    ],
)
def test_json_round_trip_keeps_the_spec(config: ModelSpec) -> None:
    assert ModelSpec.from_json(config.to_json()) == config


def test_json_holds_plain_values_and_leaves_out_empty_ones() -> None:
    values = json.loads(ModelSpec().to_json())
    assert values["architecture"] == "resnet18"
    assert values["preprocessing"]["mean"] == 127.5
    assert values["template"]["left_eye"] == [30.4, 51.6]
    assert values["calibration"] is None
    assert values.keys().isdisjoint({"file", "activation_ranges", "known_answer"})
    assert "nose" not in values["template"]


def test_json_names_the_head_unless_it_is_the_average() -> None:
    assert "head" not in json.loads(ModelSpec(stem="iresnet").to_json())
    spec = ModelSpec(stem="iresnet", head="flatten")
    assert json.loads(spec.to_json())["head"] == "flatten"
    assert ModelSpec.from_json(spec.to_json()) == spec


def test_unknown_keys_are_ignored() -> None:
    text = changed(later="?", template={"width": 96, "depth": 3}, preprocessing={"gamma": 2})
    assert ModelSpec.from_json(text) == ModelSpec()


def test_missing_keys_take_their_default() -> None:
    text = '{"architecture": "resnet18", "stem": "face"}'
    assert ModelSpec.from_json(text) == ModelSpec(stem="face")


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", '"config"', "{}", '{"architecture": "resnet18"}', "[" * 100_000],
    ids=["empty", "cut", "null", "list", "text", "no key", "no stem", "deep"],
)
def test_text_that_is_not_a_config_is_refused(text: str) -> None:
    with pytest.raises(WeightsError, match=r"config\.json is not a facehub configuration"):
        ModelSpec.from_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "resnet50"},
        {"architecture": "onnx"},
        {"architecture": "onnx", "file": "../net.onnx"},
        {"architecture": "onnx", "file": "/net.onnx"},
        {"architecture": "onnx", "file": ".onnx"},
        {"architecture": "onnx", "file": "net.bin"},
        {"architecture": "onnx", "file": 5},
        {"architecture": "onnx", "file": "net.onnx", "stem": "face"},
        {"file": "net.onnx"},
        {"architecture": None},
        {"stem": "flower"},
        {"head": "tail"},
        {"head": ["average"]},
        {"stem": "iresnet", "dilated": True},
        {"architecture": "onnx", "file": "net.onnx", "stem": "imagenet", "head": "flatten"},
        {"stem": []},
        {"embedding_size": 0},
        {"embedding_size": 10**9},
        {"embedding_size": "512"},
        {"embedding_size": 512.0},
        {"embedding_size": True},
        {"flip": "yes"},
        {"dilated": 1},
        {"threshold": 1.5},
        {"threshold": True},
        {"uncertain_margin": None},
        {"uncertain_margin": True},
        {"threshold": "high"},
        {"threshold": float("nan")},
        {"uncertain_margin": -0.1},
        {"preprocessing": None},
        {"preprocessing": {"colour": "BGR"}},
        {"preprocessing": {"layout": "NHWC"}},
        {"preprocessing": {"colour": "GREY"}},
        {"preprocessing": {"layout": "CHW"}},
        {"preprocessing": {"mean": [1, 2]}},
        {"preprocessing": {"mean": [1, 2, True]}},
        {"preprocessing": {"std": [1, 2, 0]}},
        {"preprocessing": {"mean": True}},
        {"preprocessing": {"mean": "grey"}},
        {"preprocessing": {"mean": float("nan")}},
        {"preprocessing": {"std": 0}},
        {"preprocessing": {"std": float("nan")}},
        {"preprocessing": {"std": float("inf")}},
        {"template": None},
        {"template": [96, 112]},
        {"template": {"width": 0}},
        {"template": {"width": "96"}},
        {"template": {"width": 96.5}},
        {"template": {"width": True}},
        {"template": {"width": 10**9}},
        {"template": {"nose": [48, 70]}},
        {"template": {"left_eye": [70, 50]}},
        {"template": {"left_eye": 30.4}},
        {"template": {"left_eye": [float("nan"), 51.6]}},
        {"calibration": {}},
        {"calibration": []},
        {"calibration": {**vars(CALIBRATION), "fmr": "low"}},
        {"calibration": {**vars(CALIBRATION), "fnmr": 25}},
        {"calibration": {**vars(CALIBRATION), "curve": [[0.1, 0.2]]}},
        {"calibration": {**vars(CALIBRATION), "curve": 7}},
        {"calibration": {**vars(CALIBRATION), "impostor_pairs": "many"}},
        {"calibration": {**vars(CALIBRATION), "genuine_pairs": None}},
        {"preprocessing": {"mean": 10**400}},
        {"fingerprint": 5},
        {"activation_ranges": [1]},
        {"activation_ranges": {"conv1": [1.0, 0.0]}},
        {"activation_ranges": {"conv1": [0.0]}},
        {"activation_ranges": {"conv1": [0.0, float("inf")]}},
        {"activation_ranges": {"conv1": "19"}},
        {"known_answer": [0.0] * 512},
        {"preprocessing": {"std": 5e-324}},
        {"calibration": {**vars(CALIBRATION), "impostor_pairs": -1}},
        {"calibration": {**vars(CALIBRATION), "curve": [[0.5, 0.1, 0], [0.4, 0.1, 0]]}},
        {"calibration": {**vars(CALIBRATION), "curve": [[0.5, -0.1, 0]]}},
        {"calibration": {**vars(CALIBRATION), "curve": [[float("nan"), 0.1, 0]]}},
        {"known_answer": [0.5]},
        {"known_answer": "yes"},
        {"known_answer": [float("nan")] * 512},
        {"calibration": {**vars(CALIBRATION), "dataset": 7}},
        {"calibration": {**vars(CALIBRATION), "fmr": True}},
        {"calibration": {**vars(CALIBRATION), "impostor_pairs": True}},
    ],
    ids=str,
)
def test_bad_value_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match=r"config\.json is not a facehub configuration"):
        ModelSpec.from_json(changed(**change))


CURVE = ((0.0, 1.0, 0.0), (0.4, 1e-2, 0.2), (0.8, 1e-4, 0.6), (0.9, 0.0, 0.9), (1.0, 0.0, 1.0))
MEASURED = Calibration("made up", None, 0.01, 0.2, 100_000, 100, CURVE)


@pytest.mark.parametrize(
    ("similarity", "fmr", "fnmr"),
    [
        (0.4, 1e-2, 0.2),
        (0.6, 1e-3, 0.4),  # halfway: in the logarithm of the FMR, and in the FNMR
        (0.8, 1e-4, 0.6),
        (0.9, 1e-5, 0.9),  # 100,000 pairs cannot show a rate below one in 100,000
        (1.0, 1e-5, 1.0),
        (-1.0, 1.0, 0.0),
    ],
)
def test_rates_are_interpolated_between_points_of_the_curve(
    similarity: float, fmr: float, fnmr: float
) -> None:
    assert MEASURED.fmr_at(similarity) == pytest.approx(fmr)
    assert MEASURED.fnmr_at(similarity) == pytest.approx(fnmr)


@pytest.mark.parametrize(
    ("fmr", "similarity"), [(1e-2, 0.4), (1e-3, 0.6), (1e-5, 0.9), (1e-9, 0.9)]
)
def test_similarity_at_an_fmr(fmr: float, similarity: float) -> None:
    assert MEASURED.similarity_at(fmr) == pytest.approx(similarity)


def test_rates_without_a_curve_are_none() -> None:
    unmeasured = Calibration("made up", None, 0.01, 0.2, 100, 100)
    assert unmeasured.fmr_at(0.5) is None
    assert unmeasured.fnmr_at(0.5) is None
    assert unmeasured.similarity_at(0.01) is None


def test_shipped_calibration_agrees_with_its_threshold(recognizer: FaceRecognizer) -> None:
    config = recognizer.spec
    assert config.calibration is not None
    assert config.calibration.fmr_at(config.threshold) == pytest.approx(
        config.calibration.fmr, rel=0.1
    )
    assert config.calibration.fnmr_at(config.threshold) == pytest.approx(
        config.calibration.fnmr, abs=0.01
    )


# --- the threshold among several ------------------------------------------------------------------

STEEP = ((0.0, 1.0, 0.0), (0.4, 1e-2, 0.2), (0.8, 1e-4, 0.6))
STEEP_CONFIG = ModelSpec(
    threshold=0.5, calibration=Calibration("made up", None, 0.01, 0.2, 100_000, 9, STEEP)
)


@pytest.mark.parametrize(
    ("templates", "threshold"),
    [
        (0, 0.5),
        (1, 0.5),  # an FMR of 1 % needs 0.4 only; the weights' own threshold is higher
        (10, 0.6),  # 1 % for ten is 0.1 % for each
        (100, 0.8),
        (100_000, 0.8),  # beyond the end of the curve
    ],
)
def test_threshold_rises_with_the_size_of_the_gallery(templates: int, threshold: float) -> None:
    assert STEEP_CONFIG.threshold_for(templates) == pytest.approx(threshold, abs=1e-3)


def test_threshold_without_a_calibration_does_not_rise() -> None:
    assert ModelSpec(threshold=0.5).threshold_for(1000) == 0.5


@pytest.mark.parametrize("threshold", [-1, 0.3, 0.5, 1])
def test_threshold_set_by_hand_is_used_for_any_gallery(threshold: float) -> None:
    """Once, a threshold of -1 was replaced by the calibrated one for so many comparisons."""
    spec = STEEP_CONFIG.with_threshold(threshold)
    assert [spec.threshold_for(n) for n in (0, 1, 10, 100_000)] == [threshold] * 4
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert "threshold_given" not in STEEP_CONFIG.to_json()


@pytest.mark.parametrize("threshold", [math.nan, math.inf, -1.01, 1.01, "0.5", True, None])
def test_invalid_threshold_is_refused(threshold: object) -> None:
    with pytest.raises(ValueError, match="threshold must be"):
        STEEP_CONFIG.with_threshold(threshold)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_rates_of_nan_or_infinity_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="similarity must be a number"):
        MEASURED.fmr_at(bad)
    with pytest.raises(ValueError, match="similarity must be a number"):
        MEASURED.fnmr_at(bad)
    with pytest.raises(ValueError, match="similarity must be a number"):
        MEASURED.fpir_at(bad, 10)
    with pytest.raises(ValueError, match="false match rate must be a number"):
        MEASURED.similarity_at(bad)
    with pytest.raises(ValueError, match="fpir must be a number"):
        STEEP_CONFIG.threshold_for(10, bad)


def test_uncalibrated_spec_has_no_threshold_for_any_gallery() -> None:
    uncalibrated = ModelSpec(threshold=None)
    assert uncalibrated.threshold_for(1) is None
    assert uncalibrated.threshold_for(1000) is None


def test_whole_numbers_count_as_floats() -> None:
    """In JSON, 128 and 128.0 are the same number."""
    text = changed(preprocessing={"mean": 128, "std": 128}, threshold=0)
    assert ModelSpec.from_json(text) == ModelSpec(
        preprocessing=Preprocessing(mean=128.0, std=128.0), threshold=0.0
    )
    assert isinstance(ModelSpec.from_json(text).preprocessing.std, float)


def test_spec_can_be_copied_and_pickled() -> None:
    spec = ModelSpec(activation_ranges={"conv1": (0.0, 1.0)})
    assert copy.deepcopy(spec) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_onnx_network_has_no_default_threshold() -> None:
    text = '{"architecture": "onnx", "file": "x.onnx"}'
    assert ModelSpec.from_json(text).threshold is None


def test_numbers_in_a_dataset_name_are_kept() -> None:
    spec = ModelSpec(calibration=replace(CALIBRATION, dataset="LFW [2007 2009], [1, 2]"))
    assert ModelSpec.from_json(spec.to_json()) == spec
