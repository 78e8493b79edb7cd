"""Parts of the OpenAPI document that FastAPI cannot derive: bodies and errors."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from facehub.service.body import FORM, JSON, RAW
from facehub.service.problems import MEDIA_TYPE
from facehub.service.schemas import Problem

_SECONDS = {"schema": {"type": "integer"}, "description": "seconds"}
_BINARY = {"type": "string", "format": "binary"}


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """A JSON body, for `openapi_extra`."""
    return _body({JSON: {"schema": model.model_json_schema()}})


def form_body(*files: str, texts: tuple[str, ...] = (), optional: str = "") -> dict[str, Any]:
    """A form of pictures and texts, for `openapi_extra`."""
    return _body({FORM: {"schema": _form(files, texts, optional)}})


def picture_body() -> dict[str, Any]:
    """A picture, by itself or in a form, for `openapi_extra`."""
    raw = {kind: {"schema": _BINARY} for kind in RAW}
    return _body({FORM: {"schema": _form(("picture",), (), "")}, **raw})


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problem details for these status codes and those that any request may get."""
    return {status: {"model": Problem} for status in sorted({401, 403, 429, 500, 503, *statuses})}


def document(app: FastAPI, closed: Collection[str] = ()) -> dict[str, Any]:
    """The OpenAPI document, with the media type and the header that errors have.

    Args:
        app: the service.
        closed: paths that its host has closed, and which are left out.
    """
    if not app.openapi_schema:
        found = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for path in closed:
            del found["paths"][path]
        for path in found["paths"].values():
            for operation in path.values():
                for status, answer in operation["responses"].items():
                    if int(status) >= 400:
                        answer["content"] = {MEDIA_TYPE: answer["content"][JSON]}
                    if int(status) in (429, 503):
                        answer["headers"] = {"Retry-After": _SECONDS}
        app.openapi_schema = found
    return app.openapi_schema


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}


def _form(files: tuple[str, ...], texts: tuple[str, ...], optional: str) -> dict[str, Any]:
    names = [*files, *texts]
    return {
        "type": "object",
        "properties": {name: _BINARY if name in files else {"type": "string"} for name in names},
        "required": [name for name in names if name != optional],
    }
