"""Values that pass between the components of Gradio and the handlers."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio.data_classes import FileData, ImageData, ListFiles

from facehub.demo import texts
from facehub.demo.host.components import file_input, photo_input, skip_choice_validation
from facehub.demo.photo import Photo
from facehub.demo.upload import BrokenUpload


def test_a_picture_reaches_the_handler_as_its_original_file(examples: Path) -> None:
    component = photo_input("picture")
    path = str(examples / "grace_hopper.jpg")
    assert component.preprocess(ImageData(path=path)) == path
    assert component.preprocess(None) is None


@pytest.mark.parametrize("path", [None, "", "/nowhere/face.jpg"])
def test_a_missing_picture_reaches_the_handler_as_an_error_text(path: str | None) -> None:
    given = photo_input("picture").preprocess(ImageData(path=path))
    assert isinstance(given, BrokenUpload)
    assert given == texts.EXPIRED


def test_a_picture_with_invalid_base64_reaches_the_handler_as_an_error_text() -> None:
    given = photo_input("picture").preprocess(ImageData(url="data:image/png;base64,%%%"))
    assert isinstance(given, BrokenUpload)
    assert given == texts.DAMAGED


def test_a_photo_is_shown_from_memory() -> None:
    component = photo_input("picture")
    shown = component.postprocess(Photo(np.zeros((9, 9, 3), np.uint8), (9, 9), ()))
    assert shown is not None
    assert shown.path is None
    assert shown.url.startswith("data:image/jpeg;base64,")
    assert component.postprocess(None) is None


def test_files_reach_the_handler_as_paths(examples: Path) -> None:
    component = file_input("files", file_count="multiple")
    paths = [str(examples / name) for name in ("both.jpg", "grace_hopper.jpg")]
    assert component.preprocess(ListFiles([FileData(path=path) for path in paths])) == paths
    assert component.preprocess(FileData(path=paths[0])) == paths[0]
    named = component.preprocess(ListFiles([FileData(path=paths[0], orig_name="Anna!.jpg")]))
    assert [(file, file.name) for file in named] == [(paths[0], "Anna!.jpg")]
    assert component.preprocess(None) is None
    (gone,) = component.preprocess(ListFiles([FileData(path="/nowhere")]))
    assert isinstance(gone, BrokenUpload)
    assert gone == texts.EXPIRED


@pytest.mark.parametrize("component", [gr.Dropdown, gr.Radio])
def test_any_choice_reaches_the_handler(component: type[gr.Dropdown] | type[gr.Radio]) -> None:
    chooser = component(choices=["Ada"])
    with pytest.raises(gr.Error):
        chooser.preprocess("Bob")
    skip_choice_validation(chooser)
    assert chooser.preprocess("Bob") == "Bob"
