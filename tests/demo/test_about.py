"""The About tab finds the evaluation of the weights in use."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from huggingface_hub import constants

from facehub.demo import about_tab
from facehub.demo.settings import Settings
from facehub.model.calibration import Calibration
from facehub.model.spec import ModelSpec
from facehub.model.store import MODEL_VARIABLE
from facehub.model.tail import Tail
from facehub.pipeline import FaceRecognizer

WEIGHTS = Path(__file__).parents[2] / "weights"
COMMIT = "0" * 40


def test_evaluation_of_weights_in_the_checkout_is_found(recognizer: FaceRecognizer) -> None:
    folder, report = about_tab._evaluation(recognizer)
    assert folder is not None
    assert folder.samefile(WEIGHTS)
    assert report is not None


def test_evaluation_of_weights_from_the_hub_is_found() -> None:
    repository = Path(constants.HF_HUB_CACHE, "models--about--records")
    snapshot = repository / "snapshots" / COMMIT
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(WEIGHTS)
    of_the_hub = FaceRecognizer.from_pretrained(f"about/records@{COMMIT}")
    folder, report = about_tab._evaluation(of_the_hub)
    assert folder is not None
    assert folder.samefile(WEIGHTS)
    assert report is not None


def test_evaluation_does_not_depend_on_the_environment(
    recognizer: FaceRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recogniser knows its folder."""
    monkeypatch.setenv(MODEL_VARIABLE, "about/nowhere")
    assert about_tab._evaluation(recognizer)[1] is not None


@pytest.mark.parametrize("content", ["{}", "[]", '{"fingerprint": 7}', '{"fingerprint": "x"}', "{"])
def test_evaluation_of_other_weights_is_ignored(
    recognizer: FaceRecognizer, tmp_path: Path, content: str
) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(WEIGHTS / name)
    (tmp_path / "evaluation.json").write_text(content)
    assert about_tab._evaluation(FaceRecognizer.from_pretrained(tmp_path)) == (tmp_path, None)


def test_weights_in_a_missing_folder_have_no_evaluation(recognizer: FaceRecognizer) -> None:
    gone = Embedder(recognizer.spec, source=Path("nowhere"))
    assert about_tab._evaluation(FaceRecognizer(gone)) == (Path("nowhere"), None)


def test_an_embedder_without_a_folder_has_no_evaluation(recognizer: FaceRecognizer) -> None:
    assert about_tab._evaluation(FaceRecognizer(Embedder(recognizer.spec))) == (None, None)


class Embedder:
    """A custom embedder."""

    description = "made up"

    def __init__(self, spec: ModelSpec, **attributes: object) -> None:
        self.spec = spec
        vars(self).update(attributes)

    def fingerprint(self) -> str:
        return "v2:made-up"

    def embed(self, crops: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        raise NotImplementedError


def test_an_evaluation_without_a_threshold_is_shown_without_error_rates(tmp_path: Path) -> None:
    """`evaluate` writes such a file for weights that are not calibrated yet."""
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(WEIGHTS / name)
    report = json.loads((WEIGHTS / "evaluation.json").read_text())
    report |= {"threshold": None, "fmr": None, "fnmr": None}
    (tmp_path / "evaluation.json").write_text(json.dumps(report))
    with gr.Blocks() as page, gr.Tab("About") as tab:
        about_tab.build(tab, FaceRecognizer.from_pretrained(tmp_path), Settings())
    text = json.dumps(page.get_config_file(), default=str)
    assert "right in 98.7 % of pairs" in text
    assert "At the threshold" not in text


def test_extrapolated_thresholds_are_marked() -> None:
    curve = ((0.0, 1.0, 0.0), (0.4, 1e-3, 0.3), (0.9, 0.0, 1.0))
    tail = Tail(0.4, 1e-3, 0.0, 0.1 / math.log(10), 400, ((1e-4, 0.4, 0.6), (1e-8, 0.7, 1.0)))
    calibration_with_tail = Calibration("made up", None, 0.01, 0.2, 1_000_000, 9, curve, tail)
    lines = about_tab._thresholds(calibration_with_tail).splitlines()
    assert "| 1 in 1,000,000 | 0.700 | 72.0 % |" in lines
    beyond = "0.900 (0.700 to 1.000, beyond what was measured)"
    assert f"| 1 in 100,000,000 | {beyond} | 100.0 % |" in lines
    assert "1 in 100,000,000" not in about_tab._thresholds(
        replace(calibration_with_tail, tail=None)
    )


def test_the_curve_has_a_text_alternative(recognizer: FaceRecognizer) -> None:
    calibration = recognizer.spec.calibration
    assert calibration is not None
    html = about_tab._curve(calibration, recognizer.spec.threshold)
    alt = html.split('aria-label="')[1].split('"')[0]
    fnmr = calibration.fnmr_at(recognizer.spec.threshold)
    assert f"{fnmr:.1%} of pairs of one person are rejected" in alt
    assert "stroke-dasharray" in html  # the two lines differ by more than their colour
    assert "At " not in about_tab._curve(calibration, None)
