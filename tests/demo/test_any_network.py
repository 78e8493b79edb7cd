"""The page with another network: other crops, other embeddings, no threshold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from facehub import FaceRecognizer, enrol
from facehub.demo import texts
from facehub.demo.settings import Settings
from facehub.model.store import MODEL_VARIABLE
from tests.demo.routes import ask, handler, picture, trigger, upload


@pytest.fixture(autouse=True)
def in_use(onnx_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`FACEHUB_MODEL` names the network."""
    monkeypatch.setenv(MODEL_VARIABLE, str(onnx_weights))
    return onnx_weights


def answer(url: str, endpoint: str, *data: Any) -> Any:
    """Call `/verify` or `/identify`, upload the paths in `data`, and return the answer."""

    def sent(value: Any) -> Any:
        if isinstance(value, list):
            return [sent(item) for item in value]
        return picture(upload(url, value)) if isinstance(value, Path) else value

    _, text = ask(url, endpoint, *map(sent, data))
    assert "event: complete" in text
    return json.loads(text.split("data: ")[-1])[0]


def test_endpoints_without_a_threshold_decide_nothing(serve, examples: Path) -> None:
    _, url = serve(Settings())
    grace, both = examples / "grace_hopper.jpg", examples / "both.jpg"
    found = answer(url, "verify", grace, grace, "exactly_one")
    assert (found["decision"], found["similarity"], found["threshold"]) == ("uncalibrated", 1, None)
    found = answer(url, "verify", grace, both, "best_pair")
    assert found["decision"] == "uncalibrated"
    faces = answer(url, "identify", both, [grace], ["Grace"])["faces"]
    assert [face["name"] for face in faces] == [None, None]
    assert [[c["name"] for c in face["candidates"]] for face in faces] == [["Grace"]] * 2


def test_endpoints_apply_the_threshold_of_the_host(serve, examples: Path) -> None:
    _, url = serve(Settings.from_environment({"FACEHUB_THRESHOLD": "0.9995"}))
    grace = examples / "grace_hopper.jpg"
    found = answer(url, "verify", grace, grace, "exactly_one")
    assert (found["decision"], found["threshold"]) == ("same", 0.9995)
    found = answer(url, "verify", grace, examples / "eileen_collins.jpg", "exactly_one")
    assert found["decision"] == "different"
    (face,) = answer(url, "identify", grace, [grace], ["Grace"])["faces"]
    assert face["name"] == "Grace"


def test_an_fmr_setting_needs_a_calibration(serve) -> None:
    with pytest.raises(Exception, match="does not reach FACEHUB_FMR"):
        serve(Settings(fmr=0.01))


def test_verify_tab_without_a_threshold_decides_nothing(serve, examples: Path) -> None:
    _, url = serve(Settings())
    for side in ("first", "second"):
        given = picture(upload(url, examples / "both.jpg"))
        note = trigger(url, handler(url, side, "clear"), None, given, session="ada")
        assert "width:84px;height:84px" in note  # the crops are square
    result = trigger(url, handler(url, "compare"), None, session="ada")
    assert texts.VERDICTS["uncalibrated"][0] in result  # type: ignore[index]
    assert "similarity 1.00" in result
    assert "fh-limit" not in result


def test_identify_tab_without_a_threshold_names_nobody(serve, examples: Path) -> None:
    _, url = serve(Settings())
    photos = [picture(upload(url, examples / "grace_hopper.jpg")) for _ in range(2)]
    enrol_button = handler(url, "enrol")
    text = trigger(url, enrol_button, None, "Grace", photos, None, session="ada")
    assert "1 added, 1 already there." in text
    read = handler(url, "probe", "clear")  # this handler also reads a new picture
    both = picture(upload(url, examples / "both.jpg"))
    result = trigger(url, read, None, both, session="ada")
    assert "2. not named" in result
    assert "Grace 0." in result
    assert texts.LIMIT_UNCALIBRATED in result


def test_a_gallery_file_of_the_network_loads(
    serve, in_use: Path, examples: Path, tmp_path: Path
) -> None:
    _, url = serve(Settings())
    recognizer = FaceRecognizer.from_pretrained(in_use)
    people = recognizer.empty_gallery()
    enrol(people, "Grace", examples / "grace_hopper.jpg", recognizer=recognizer)
    people.save(tmp_path / "people.safetensors")
    file = picture(upload(url, tmp_path / "people.safetensors"))
    assert "1 person with 1 photo loaded." in trigger(
        url, handler(url, "gallery-file", "upload"), None, file, session="ada"
    )


def test_page_with_sface_verifies_and_identifies(
    serve, sface: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, str(sface))
    _, url = serve(Settings(threshold=0.4))
    one, again = examples / "eileen_collins.jpg", examples / "eileen_collins_tilted.jpg"
    assert answer(url, "verify", one, again, "exactly_one")["decision"] == "same"
    grace = examples / "grace_hopper.jpg"
    assert answer(url, "verify", one, grace, "exactly_one")["decision"] == "different"
    faces = answer(url, "identify", examples / "both.jpg", [grace], ["Grace"])["faces"]
    assert sorted(str(face["name"]) for face in faces) == ["Grace", "None"]


@pytest.mark.browser
def test_page_without_a_threshold_says_that_it_decides_nothing(serve, browser: Browser) -> None:
    _, url = serve(Settings())
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto(url)
    page.get_by_role("button", name="Example: two people").click()
    verdict = page.locator("#verdict")
    expect(verdict.locator("h2")).to_have_text("No decision")
    expect(verdict).to_contain_text("These weights are not calibrated")
    expect(verdict.locator(".fh-mark")).to_be_visible()
    share = page.locator("#share textarea")
    assert "weights not calibrated" in share.input_value()
    page.get_by_role("tab", name="Identify").click()
    page.click("#identify-example")
    faces = page.locator("#faces")
    expect(faces.locator(".fh-box")).to_have_text(["1. not named", "2. not named"])
    expect(faces).to_contain_text("Nobody is named")
    page.get_by_role("tab", name="About").click()
    expect(page.get_by_text("decides nothing and names nobody")).to_be_visible()
    expect(page.get_by_text("the network tiny.onnx")).to_be_visible()
    expect(page.get_by_text("pupils, nose and mouth")).to_be_visible()
    expect(page.locator("#thresholds")).to_have_count(0)
    page.close()
