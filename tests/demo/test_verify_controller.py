"""The Verify tab's controller, without a page."""

from __future__ import annotations

import copy
import threading
from pathlib import Path

import numpy as np
import pytest

from facehub.demo import photo as photo_module
from facehub.demo import texts
from facehub.demo.errors import PageError
from facehub.demo.photo import Photo
from facehub.demo.upload import BrokenUpload
from facehub.demo.verify_controller import Pair, VerifyController
from facehub.errors import LowQualityError
from facehub.hosted.recognizer import HostedRecognizer
from facehub.results import Decision, QualityIssue


@pytest.fixture(scope="module")
def controller(hosted: HostedRecognizer, examples: Path) -> VerifyController:
    return VerifyController(hosted, examples)


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_pictures_are_compared_once_both_are_there(
    controller: VerifyController, pair: Pair, examples: Path
) -> None:
    assert controller.read(pair, "first", examples / "eileen_collins.jpg")
    assert controller.compare(pair) is None
    assert controller.read(pair, "second", examples / "eileen_collins_tilted.jpg")
    result = controller.compare(pair)
    assert result is not None
    assert result.decision is Decision.SAME
    controller.read(pair, "second", None)  # taken away
    assert controller.compare(pair) is None


def test_an_expired_upload_gives_a_message_at_its_picture(
    controller: VerifyController, pair: Pair
) -> None:
    controller.read(pair, "first", BrokenUpload(texts.EXPIRED))
    assert pair.sides["first"].photo is None
    assert pair.sides["first"].problem == texts.EXPIRED


def test_the_largest_face_is_compared_until_another_is_chosen(
    controller: VerifyController, pair: Pair, examples: Path
) -> None:
    controller.read(pair, "first", examples / "both.jpg")
    controller.read(pair, "second", examples / "eileen_collins.jpg")
    decisions = []
    for face in (None, 0, 1):  # from left to right: Eileen Collins, Grace Hopper
        if face is not None:
            controller.choose(pair, "first", face)
        result = controller.compare(pair)
        assert result is not None
        decisions.append(result.decision)
    assert decisions == [Decision.DIFFERENT, Decision.SAME, Decision.DIFFERENT]
    controller.choose(pair, "first", 0)
    controller.swap(pair)
    assert pair.sides["second"].face == 0
    result = controller.compare(pair)
    assert result is not None
    assert result.decision is Decision.SAME


@pytest.mark.parametrize("face", [2, -1, None, "telltale", [0]])
def test_a_face_that_is_not_there_is_refused(
    controller: VerifyController, pair: Pair, examples: Path, face: object
) -> None:
    controller.read(pair, "first", examples / "both.jpg")
    with pytest.raises(PageError, match="no such face"):
        controller.choose(pair, "first", face)
    with pytest.raises(PageError, match="Two pictures are needed"):
        controller.choose(pair, "second", 0)


def test_an_unusable_picture_gives_the_reason_and_keeps_the_other(
    controller: VerifyController, pair: Pair, examples: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    controller.read(pair, "first", examples / "eileen_collins.jpg")
    controller.read(pair, "second", str(text))
    assert pair.sides["second"].problem.startswith("This is not a picture")
    assert controller.compare(pair) is None
    controller.read(pair, "second", examples / "eileen_collins.jpg")
    assert pair.sides["second"].problem == ""
    assert controller.compare(pair) is not None


def test_a_picture_without_a_face_gives_cannot_tell(
    controller: VerifyController, pair: Pair, examples: Path
) -> None:
    controller.read(pair, "first", np.zeros((64, 64, 3), np.uint8))
    controller.read(pair, "second", examples / "both.jpg")
    result = controller.compare(pair)
    assert result is not None
    assert result.decision is Decision.CANNOT_TELL
    assert result.reason is not None
    assert result.reason.startswith("In the first picture: No face was found.")


def test_a_picture_read_late_does_not_replace_a_newer_one(
    controller: VerifyController, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = {name: Photo(np.zeros((1, 1, 3), np.uint8), (1, 1), ()) for name in ("slow", "quick")}
    reading, go_on = threading.Event(), threading.Event()

    def read(value: str, *_: object) -> Photo:
        if value == "slow":
            reading.set()
            assert go_on.wait(20)
        return photos[value]

    monkeypatch.setattr(photo_module, "read_photo", read)
    kept = []
    slow = threading.Thread(target=lambda: kept.append(controller.read(pair, "first", "slow")))
    slow.start()
    assert reading.wait(20)
    assert controller.read(pair, "first", "quick")
    go_on.set()
    slow.join()
    assert kept == [False]
    assert pair.sides["first"].photo is photos["quick"]


def test_a_face_with_an_issue_that_the_host_rejects_is_refused(
    controller: VerifyController, pair: Pair, examples: Path
) -> None:
    strict = VerifyController(controller.recognizer, examples, [QualityIssue.SEVERAL_FACES])
    strict.read(pair, "first", examples / "both.jpg")
    strict.read(pair, "second", examples / "both.jpg")
    with pytest.raises(LowQualityError):
        strict.compare(pair)


def test_examples_fill_the_pair_of_one_session_and_clear_empties_it(
    controller: VerifyController, pair: Pair
) -> None:
    expected = {
        texts.EXAMPLE_SAME: Decision.SAME,
        texts.EXAMPLE_DIFFERENT: Decision.DIFFERENT,
    }
    for label, decision in expected.items():
        controller.show_example(pair, label)
        result = controller.compare(pair)
        assert result is not None
        assert result.decision is decision
    assert controller.compare(copy.deepcopy(pair)) is None  # as Gradio does for each session
    controller.clear(pair)
    assert controller.compare(pair) is None
