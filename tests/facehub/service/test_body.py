"""Request bodies: media types, size and time limits, and no copy on the disk."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from facehub.service.body import MAX_TEXT, Body, Form
from facehub.service.errors import (
    BadRequestError,
    BodyTimeoutError,
    BodyTooLargeError,
    BusyError,
    InvalidRequestError,
    MediaTypeError,
)
from facehub.service.limits import Gate
from facehub.service.schemas import Rename

FORM = "multipart/form-data; boundary=b"
LARGEST = 2**21
Read = Callable[[Body], Awaitable[Any]]


def part(name: str, content: bytes, file: bool = True) -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"'
    return (head + '; filename="x"' * file).encode() + b"\r\n\r\n" + content + b"\r\n"


def read(
    read: Read, kind: str, *chunks: bytes, length: int | None = None, held: int = 2**30, **more: Any
) -> Any:
    """Read a body sent in these chunks. With `more`, it does not end after the last one."""
    gate = Gate(1, 1, 1, held)
    left = list(chunks)

    async def receive() -> dict[str, Any]:
        if left:
            body = left.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(left) or bool(more)}
        if "wait" in more:
            await asyncio.sleep(more["wait"])
        return {"type": "http.disconnect"}

    headers = [(b"content-type", kind.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)

    async def run() -> Any:
        with gate.enter() as visit:
            return await read(Body(request, visit, LARGEST, deadline=0.2))

    try:
        return asyncio.run(run())
    finally:
        assert gate.held == 0
        gate.close()


def a_picture(body: Body) -> Awaitable[bytes]:
    return body.picture()


def a_form(body: Body) -> Awaitable[Form]:
    return body.form("picture", texts=("name",))


def a_rename(body: Body) -> Awaitable[Rename]:
    return body.json(Rename)


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/jpeg", "IMAGE/PNG; q=1"])
def test_raw_picture_is_read(kind: str) -> None:
    assert read(a_picture, kind, b"ab", b"", b"c") == b"abc"


def test_form_with_picture_and_name_is_read() -> None:
    body = part("picture", b"ab\r\n--c") + part("name", "Zoë".encode(), False) + b"--b--\r\n"
    chunks = [body[i : i + 7] for i in range(0, len(body), 7)]
    found = read(a_form, FORM, *chunks)
    assert (found.files, found.texts) == ({"picture": b"ab\r\n--c"}, {"name": "Zoë"})
    assert read(a_picture, FORM, part("picture", b"ab") + b"--b--\r\n") == b"ab"


def test_large_picture_in_a_form_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def rollover(_: object) -> None:
        raise AssertionError("written to the disk")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rollover)
    large = bytes(LARGEST)
    body = part("picture", large) + b"--b--\r\n"
    halves = body[: len(body) // 2], body[len(body) // 2 :]
    assert read(a_form, FORM, *halves).files["picture"] == large


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        (a_picture, "text/plain"),
        (a_picture, "application/json"),
        (a_picture, ""),
        (a_form, "image/png"),
        (a_rename, FORM),
    ],
)
def test_other_media_type_is_refused(what: Read, kind: str) -> None:
    with pytest.raises(MediaTypeError):
        read(what, kind, b"a")


@pytest.mark.parametrize(
    ("what", "kind", "limit"),
    [
        (a_picture, "image/png", LARGEST),
        (a_rename, "application/json", MAX_TEXT),
        (a_form, FORM, LARGEST + MAX_TEXT),
    ],
    ids=["raw", "json", "form"],
)
def test_too_large_body_is_refused(what: Read, kind: str, limit: int) -> None:
    with pytest.raises(BodyTooLargeError):  # the announced length is too large
        read(what, kind, b"", length=limit + 1)
    with pytest.raises(BodyTooLargeError):  # the body is larger than announced
        read(what, kind, part("picture", b"a" * limit), b"a", length=3)


def test_picture_in_a_form_has_the_limit_of_a_raw_one() -> None:
    read(a_form, FORM, part("picture", bytes(LARGEST)) + b"--b--\r\n")
    with pytest.raises(BodyTooLargeError):
        read(a_form, FORM, part("picture", bytes(LARGEST + 1)) + b"--b--\r\n")


@pytest.mark.parametrize(
    "body",
    [
        part("name", b"Ada", False),
        part("picture", b"a") + part("other", b"b", False),
        part("picture", b"a") + part("picture", b"b"),
        part("picture", b"a") + part("name", b"Ada", False) * 2,
        part("picture", b"a", False),
        part("name", b"a"),
    ],
    ids=[
        "no picture",
        "another field",
        "two files",
        "two names",
        "a text for a file",
        "a file for a text",
    ],
)
def test_form_with_missing_or_extra_fields_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="The form needs a file “picture”"):
        read(a_form, FORM, body + b"--b--\r\n")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", part("picture", b"a")),
        (FORM, b"garbage"),
        (f"{FORM}; charset=undefined", part("name", b"a", False) + b"--b--\r\n"),
        (FORM, part("name", b"a" * (MAX_TEXT + 1), False) + b"--b--\r\n"),
    ],
    ids=["no boundary", "garbage", "odd charset", "a long text"],
)
def test_malformed_form_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(BadRequestError):
        read(a_form, kind, body)


def test_json_is_read_and_a_missing_field_is_named() -> None:
    assert read(a_rename, "application/json", b'{"name": "a",', b'"new_name": "b"}').new_name == "b"
    with pytest.raises(InvalidRequestError, match="new_name: Field required") as refused:
        read(a_rename, "application/json", b'{"name": "Ada"}')
    assert "Ada" not in str(refused.value)


@pytest.mark.parametrize(("what", "kind"), [(a_picture, "image/png"), (a_form, FORM)])
def test_body_that_does_not_end_times_out(what: Read, kind: str) -> None:
    with pytest.raises(BodyTimeoutError):
        read(what, kind, b"--b\r\n", wait=60)
    with pytest.raises(ClientDisconnect):
        read(what, kind, b"--b\r\n", gone=True)


def test_body_beyond_the_shared_limit_is_refused() -> None:
    with pytest.raises(BusyError):
        read(a_picture, "image/png", b"a" * 60, b"a" * 60, held=100)
