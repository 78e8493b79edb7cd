"""The About tab finds the records of the weights in use."""

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


def test_of_weights_in_the_checkout(recognizer: FaceRecognizer) -> None:
    folder, report = about_tab._evaluation(recognizer)
    assert folder is not None
    assert folder.samefile(WEIGHTS)
    assert report is not None


def test_of_weights_from_the_hub() -> None:
    repository = Path(constants.HF_HUB_CACHE, "models--about--records")
    snapshot = repository / "snapshots" / COMMIT
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(WEIGHTS)
    of_the_hub = FaceRecognizer.from_pretrained(f"about/records@{COMMIT}")
    folder, report = about_tab._evaluation(of_the_hub)
    assert folder is not None
    assert folder.samefile(WEIGHTS)
    assert report is not None


def test_of_weights_that_are_not_the_default(
    recognizer: FaceRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the environment names does not matter: the recogniser knows its folder."""
    monkeypatch.setenv(MODEL_VARIABLE, "about/nowhere")
    assert about_tab._evaluation(recognizer)[1] is not None


@pytest.mark.parametrize("content", ["{}", "[]", '{"fingerprint": 7}', '{"fingerprint": "x"}', "{"])
def test_of_other_weights(recognizer: FaceRecognizer, tmp_path: Path, content: str) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(WEIGHTS / name)
    (tmp_path / "evaluation.json").write_text(content)
    assert about_tab._evaluation(FaceRecognizer.from_pretrained(tmp_path)) == (tmp_path, None)


def test_of_weights_that_are_gone(recognizer: FaceRecognizer) -> None:
    gone = Embedder(recognizer.spec, source=Path("nowhere"))
    assert about_tab._evaluation(FaceRecognizer(gone)) == (Path("nowhere"), None)


def test_of_an_embedder_without_a_folder(recognizer: FaceRecognizer) -> None:
    assert about_tab._evaluation(FaceRecognizer(Embedder(recognizer.spec))) == (None, None)


class Embedder:
    """One of a program's own."""

    description = "made up"

    def __init__(self, spec: ModelSpec, **attributes: object) -> None:
        self.spec = spec
        vars(self).update(attributes)

    def fingerprint(self) -> str:
        return "v2:made-up"

    def embed(self, crops: np.ndarray, *, batch_size: int = 64) -> np.ndarray:
        raise NotImplementedError


def test_an_evaluation_without_a_threshold(tmp_path: Path) -> None:
    """As `evaluate` writes it for weights that are not calibrated yet."""
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(WEIGHTS / name)
    report = json.loads((WEIGHTS / "evaluation.json").read_text())
    report |= {"threshold": None, "fmr": None, "fnmr": None}
    (tmp_path / "evaluation.json").write_text(json.dumps(report))
    with gr.Blocks() as page, gr.Tab("About") as tab:
        about_tab.build(tab, FaceRecognizer.from_pretrained(tmp_path), Settings())
    text = json.dumps(page.get_config_file(), default=str)
    assert "right in 98.8 % of pairs" in text
    assert "At the threshold" not in text


def test_thresholds_that_are_extrapolated_are_called_so() -> None:
    curve = ((0.0, 1.0, 0.0), (0.4, 1e-3, 0.3), (0.9, 0.0, 1.0))
    tail = Tail(0.4, 1e-3, 0.0, 0.1 / math.log(10), 400, ((1e-4, 0.4, 0.6), (1e-8, 0.7, 1.0)))
    found = Calibration("made up", None, 0.01, 0.2, 1_000_000, 9, curve, tail)
    lines = about_tab._thresholds(found).splitlines()
    assert "| 1 in 1,000,000 | 0.700 | 72.0 % |" in lines
    beyond = "0.900 (0.700 to 1.000, beyond what was measured)"
    assert f"| 1 in 100,000,000 | {beyond} | 100.0 % |" in lines
    assert "1 in 100,000,000" not in about_tab._thresholds(replace(found, tail=None))


def test_the_curve_is_told_in_words(recognizer: FaceRecognizer) -> None:
    calibration = recognizer.spec.calibration
    assert calibration is not None
    shown = about_tab._curve(calibration, recognizer.spec.threshold)
    alt = shown.split('aria-label="')[1].split('"')[0]
    fnmr = calibration.fnmr_at(recognizer.spec.threshold)
    assert f"{fnmr:.1%} of pairs of one person are rejected" in alt
    assert "stroke-dasharray" in shown  # the two lines differ by more than their colour
    assert "At " not in about_tab._curve(calibration, None)
