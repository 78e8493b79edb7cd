"""The page checks pictures inside a request like uploads."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import gradio as gr
import pytest
from gradio.data_classes import ImageData

from facehub import FaceRecognizer
from facehub.demo import texts
from facehub.demo.host.components import photo_input
from facehub.demo.photo import read_photo
from facehub.errors import ImageError
from tests.demo.routes import ask
from tests.hostile.cases import Case
from tests.hostile.pictures import CASES

INLINE = [case for case in CASES if case.content and case.fails]


def data_address(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@pytest.fixture(scope="module")
def component() -> gr.Image:
    return photo_input("picture")


@pytest.mark.parametrize("case", INLINE, ids=lambda case: case.name)
def test_a_hostile_picture_inside_a_request_is_refused(
    case: Case, component: gr.Image, recognizer: FaceRecognizer
) -> None:
    assert case.content is not None
    value = component.preprocess(ImageData(url=data_address(case.content())))
    with pytest.raises(ImageError, match=case.expected):
        read_photo(value, recognizer)


def test_a_valid_picture_inside_a_request_is_read(
    component: gr.Image, recognizer: FaceRecognizer, examples: Path
) -> None:
    content = (examples / "grace_hopper.jpg").read_bytes()
    value = component.preprocess(ImageData(url=data_address(content)))
    assert len(read_photo(value, recognizer).faces) == 1


@pytest.mark.parametrize("url", ["data:image/png;base64,A", "data:,", "data:x", "data:;base64,é"])
def test_an_invalid_data_address_gives_an_error_without_a_traceback(
    page_url: str, url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    inline = {"url": url, "meta": {"_type": "gradio.FileData"}}
    _, text = ask(page_url, "verify", inline, inline, "exactly_one")
    assert "event: error" in text
    assert texts.DAMAGED in text or "The file is empty" in text
    assert os.environ["GRADIO_TEMP_DIR"] not in text
    output, errors = capfd.readouterr()
    assert "Traceback" not in output + errors
