"""Errors as problem details (RFC 9457)."""

from __future__ import annotations

import sys
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from facehub.errors import (
    FaceError,
    FaceHubError,
    GalleryNameError,
    GalleryUnavailableError,
    ImageError,
    ImageFormatError,
    ImageTooLargeError,
    NameTakenError,
    NotInGalleryError,
)
from facehub.hosted.errors import TimedOutError
from facehub.hosting import SettingsError, print_frames
from facehub.service.errors import ServiceError

MEDIA_TYPE = "application/problem+json"
_STATUSES: tuple[tuple[type[FaceHubError], int], ...] = (
    (ImageTooLargeError, 413),
    (ImageFormatError, 415),
    (ImageError, 422),
    (FaceError, 422),
    (GalleryNameError, 422),
    (NotInGalleryError, 404),
    (NameTakenError, 409),
)
UNAVAILABLE = "The service cannot do this at the moment; its host has been told why."


def add_handlers(app: FastAPI) -> None:
    """Answer every error with problem details."""
    app.add_exception_handler(FaceHubError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)


def problem(
    status: int, error: str, detail: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """A response with problem details.

    Args:
        status: HTTP status code.
        error: name of the error's class, for programs.
        detail: a sentence for people.
        headers: further ones.
    """
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "error": error,
    }
    return JSONResponse(content, status, headers, MEDIA_TYPE)


async def _on_error(_: Request, error: Exception) -> Response:
    name, detail, headers = type(error).__name__, str(error), {}
    if isinstance(error, ServiceError):
        status = error.status
        if error.retry_after is not None:
            headers["Retry-After"] = str(error.retry_after)
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return problem(status, name, detail, headers)
    if isinstance(error, TimedOutError):
        return problem(503, name, detail, {"Retry-After": "2"})
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return problem(status, name, detail)
    if isinstance(error, GalleryUnavailableError | SettingsError):
        print(error, file=sys.stderr)  # its path or address is for the host only
    else:
        print_frames(error)
    return problem(503, name, UNAVAILABLE, {"Retry-After": "10"})


async def _on_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    words = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    return problem(422, "InvalidRequestError", words)


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers) if error.headers else None
    status = HTTPStatus(error.status_code)
    name = "".join(word.capitalize() for word in status.name.split("_"))
    return problem(error.status_code, f"{name}Error", f"{status.phrase}.", headers)
