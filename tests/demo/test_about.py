"""The About tab finds the records of the weights in use."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants

from facehub.demo import about_tab
from facehub.model.store import MODEL_VARIABLE
from facehub.pipeline import FaceRecognizer

WEIGHTS = Path(__file__).parents[2] / "weights"
COMMIT = "0" * 40


def test_of_weights_in_the_checkout(recognizer: FaceRecognizer) -> None:
    folder, report = about_tab._evaluation(recognizer.fingerprint)
    assert folder.samefile(WEIGHTS)
    assert report is not None


def test_of_weights_from_the_hub(
    recognizer: FaceRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Path(constants.HF_HUB_CACHE, "models--about--records")
    snapshot = repository / "snapshots" / COMMIT
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(WEIGHTS)
    monkeypatch.setenv(MODEL_VARIABLE, f"about/records@{COMMIT}")
    folder, report = about_tab._evaluation(recognizer.fingerprint)
    assert folder.samefile(WEIGHTS)
    assert report is not None
    assert about_tab._evaluation("sha256:other")[1] is None


def test_of_weights_that_are_gone(
    recognizer: FaceRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, f"about/nowhere@{COMMIT}")
    assert about_tab._evaluation(recognizer.fingerprint)[1] is None
