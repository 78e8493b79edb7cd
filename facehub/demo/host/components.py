"""Gradio components that give handlers the original upload, and show results from memory.

The changes are made on instances: for a subclass, Gradio writes a .pyi file beside the module.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ImageData, ListFiles

from facehub.demo import texts
from facehub.demo.photo import Photo
from facehub.demo.picture import data_uri
from facehub.demo.upload import BrokenUpload, Upload

FILE = "The picture itself, uploaded first (POST /gradio_api/upload). No addresses are fetched."
_FILE_SCHEMA = {
    "title": "FileData",
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "what the upload answered"},
        "meta": {"type": "object", "properties": {"_type": {"const": "gradio.FileData"}}},
    },
    "required": ["path", "meta"],
}
_FILE_EXAMPLE = {
    "path": "photo.jpg",
    "url": "photo.jpg",  # of which Gradio makes `handle_file('photo.jpg')`
    "orig_name": "photo.jpg",
    "meta": {"_type": "gradio.FileData"},
}


def photo_input(label: str, **kwargs: Any) -> gr.Image:
    """A `gr.Image` whose value reaches the handler as the path of the original file.

    Gradio's own types decode before facehub can check the size and format, or skip the EXIF
    rotation. A handler returns a `Photo` for it, which is shown from memory, not from a file. There
    is no share or download button. In place of a picture that has expired or is damaged, the
    handler gets a `BrokenUpload`.

    Args:
        label: shown above the component.
        kwargs: further arguments of `gr.Image`.
    """
    kwargs.setdefault("buttons", ["fullscreen"])
    image = gr.Image(label=label, type="filepath", elem_classes="fh-picture", **kwargs)
    setattr(image, "preprocess", _original)  # noqa: B010
    setattr(image, "postprocess", _from_memory)  # noqa: B010
    describe(image, {**_FILE_SCHEMA, "additional_description": FILE}, _FILE_EXAMPLE)
    return image


def file_input(label: str, **kwargs: Any) -> gr.File:
    """A `gr.File` whose value reaches the handler as an `Upload`, or a list of them.

    Gradio's own handling leaves an empty temporary file behind for each upload. In place of one
    that has expired, the handler gets a `BrokenUpload`.

    Args:
        label: shown above the component.
        kwargs: further arguments of `gr.File`.
    """
    component = gr.File(label=label, **kwargs)
    setattr(component, "preprocess", _uploads)  # noqa: B010
    schema, example = _FILE_SCHEMA, _FILE_EXAMPLE
    if component.file_count == "single":
        describe(component, {**schema, "additional_description": FILE}, example)
    else:
        many = {"type": "array", "items": schema, "additional_description": FILE}
        describe(component, many, [example])
    return component


def describe(component: gr.components.Component, schema: dict[str, Any], example: Any) -> None:
    """Say to programs what a component takes or gives, in place of Gradio's own words.

    Gradio promises that it fetches the address of a picture, and gives one as its example; this
    server refuses them all.

    Args:
        component: of an endpoint.
        schema: JSON schema; its `additional_description` is shown.
        example: a value.
    """
    setattr(component, "api_info", lambda: schema)  # noqa: B010
    setattr(component, "example_payload", lambda: example)  # noqa: B010


def skip_choice_validation(component: gr.CheckboxGroup | gr.Dropdown | gr.Radio) -> None:
    """Let any value reach the handler, which checks it.

    Gradio refuses a value that is not among the choices, and quotes it in the refusal. It forgets
    the choices when the session ends, while the page still shows them.
    """
    setattr(component, "preprocess", _as_sent)  # noqa: B010


def _original(payload: ImageData | None) -> Any:
    """The path of the uploaded file, the bytes of an image sent inline, or None."""
    if payload is None:
        return None
    if payload.url and payload.url.startswith("data:"):
        try:
            return base64.b64decode(payload.url.partition(",")[2], validate=True)
        except ValueError:
            return BrokenUpload(texts.DAMAGED)
    return _upload(payload.path)


def _from_memory(photo: Photo | None) -> ImageData | None:
    return None if photo is None else ImageData(url=data_uri(photo.pixels))


def _uploads(
    payload: ListFiles | FileData | None,
) -> list[Upload | BrokenUpload] | Upload | BrokenUpload | None:
    if payload is None:
        return None
    if isinstance(payload, FileData):
        return _upload(payload.path, payload.orig_name)
    return [_upload(file.path, file.orig_name) for file in payload.root]


def _upload(path: str | None, name: str | None = None) -> Upload | BrokenUpload:
    if not path or not Path(path).is_file():
        return BrokenUpload(texts.EXPIRED)
    return Upload(path, name)


def _as_sent(payload: Any) -> Any:
    return payload
