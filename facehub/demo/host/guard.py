"""ASGI middleware in front of Gradio.

It passes on the routes that the page needs, limits bodies, keeps sessions apart, catches every
error, and adds headers that keep faces out of caches and out of other sites' frames.
"""

from __future__ import annotations

import asyncio
import json
import re
from urllib.parse import parse_qs

from anyio.to_thread import run_sync
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facehub.demo import texts
from facehub.demo.host.logins import Logins
from facehub.demo.host.origin import client_of, is_from_elsewhere, new_cookie, owner_of
from facehub.demo.host.routes import (
    changes,
    is_constant,
    is_open,
    is_removed_file,
    is_upload,
    takes_json,
)
from facehub.demo.host.sessions import sessions_of
from facehub.demo.host.sweeper import reopen
from facehub.demo.host.uploads import folder_size
from facehub.hosting import MAX_UPLOADS, SECURITY_HEADERS, print_frames

MAX_BODY = 16 * 2**20  # bytes of a request that is not an upload; the largest is a webcam frame
HEARTBEAT = re.compile(r"/gradio_api/heartbeat/([^/]+)")
CHECK_EVERY = 8 * 2**20  # bytes of uploads after which the folder's size is measured
STALLED = 60.0  # seconds without a byte after which a request is dropped
MAX_NAME = 200  # characters of a session's hash
FAILED_LOGIN = 1.0  # seconds until a failed login is answered


class Guard:
    """The middleware.

    Args:
        app: the application behind it.
        max_body: limit in bytes for a request that is not an upload.
        frame_ancestors: sites that may show the page in a frame, as in a Content-Security-Policy.
    """

    def __init__(self, app: ASGIApp, max_body: int, frame_ancestors: str = "'self'") -> None:
        self.app, self.max_body = app, max_body
        self._headers = {
            **SECURITY_HEADERS,
            "content-security-policy": f"frame-ancestors {frame_ancestors}",
        }
        self._bytes_since_check, self._full = 0, False
        self._logins = Logins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":  # no route of the page is a WebSocket
                await self.app(scope, receive, send)
            return
        started = complete = sized = False

        async def guarded(message: Message) -> None:
            nonlocal started, complete, sized
            if message["type"] == "http.response.start":
                started = True
                sized = b"content-length" in dict(message["headers"])
                self._add_headers(scope, message)
            else:
                complete = not message.get("more_body", False)
            await send(message)

        try:
            answer = await self._answer(scope, receive, guarded)
        except ClientDisconnect:
            return
        except HTTPException as error:
            answer = PlainTextResponse(error.detail, error.status_code)
        except Exception as error:
            answer = PlainTextResponse(texts.UNEXPECTED, 500)
            if is_removed_file(scope["path"]):  # after Gradio saw it, before it was read
                answer = PlainTextResponse("Not Found", 404)
            elif not isinstance(error.__cause__, HTTPException):  # of a stream that had begun
                print_frames(error)  # place and type: its text may quote what was sent
        if not started and answer is not None:
            await answer(scope, receive, guarded)
        elif started and not complete and not sized:  # too late to say more; a sized one is cut
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        """The answer, or None where Gradio has given it."""
        method, path = scope["method"], scope["path"]
        if not is_open(method, path):
            return PlainTextResponse("Not Found", 404)
        if changes(method, path) and is_from_elsewhere(scope):
            return PlainTextResponse(texts.ELSEWHERE, 403)
        body = _bounded(receive, self.max_body)
        session: object = None
        if is_upload(path):
            body = self._upload(receive)
        elif takes_json(method, path):
            content = await _read(body)
            try:
                given = json.loads(content)
            except (ValueError, RecursionError):
                return PlainTextResponse(texts.NO_JSON, 400)
            if not isinstance(given, dict):
                return PlainTextResponse(texts.NO_JSON, 400)
            session = given.get("session_hash")
            body = _replay(content, receive)
        elif beat := HEARTBEAT.fullmatch(path):
            session = beat[1]
        elif queries := parse_qs(scope["query_string"].decode("latin-1")).get("session_hash"):
            session = queries[-1]
        if session is not None and not self._may_use(scope, session):
            return PlainTextResponse(texts.NOT_YOURS, 403)
        if beat := HEARTBEAT.fullmatch(path):
            reopen(scope["app"].state_holder, beat[1])
        if path.rstrip("/") == "/login":
            return await self._login(scope, body, send)
        await self.app(scope, body, send)
        return None

    def _may_use(self, scope: Scope, session: object) -> bool:
        if not isinstance(session, str) or len(session) > MAX_NAME:
            return False
        return sessions_of(scope["app"].state_holder).claim(session, owner_of(scope))

    async def _login(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        client = client_of(scope)
        wait = self._logins.wait(client)
        if wait > 0:
            return PlainTextResponse(
                texts.TOO_MANY_LOGINS, 429, {"Retry-After": str(int(wait) + 1)}
            )

        async def slowed(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                self._logins.fail(client)
                await asyncio.sleep(FAILED_LOGIN)
            await send(message)

        with self._logins.attempt(client):
            await self.app(scope, receive, slowed)
        return None

    def _add_headers(self, scope: Scope, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        headers.update(self._headers)
        if not is_constant(scope["path"]):
            headers["cache-control"] = "no-store"
        if scope["path"] == "/" and (cookie := new_cookie(scope)):
            headers.append("set-cookie", cookie)

    def _upload(self, receive: Receive) -> Receive:
        """The body of an upload, until the folder is full or the client is gone.

        Both raise the only exception after which Gradio removes what it has written.
        """
        complete = False

        async def body() -> Message:
            nonlocal complete
            if complete:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), STALLED)
            except TimeoutError:
                raise MultiPartException(texts.EXPIRED) from None
            if message["type"] == "http.disconnect":
                raise MultiPartException(texts.EXPIRED)
            complete = not message.get("more_body", False)
            self._bytes_since_check += len(message.get("body", b""))
            if self._full or self._bytes_since_check >= CHECK_EVERY:
                self._bytes_since_check = 0
                self._full = await run_sync(folder_size) > MAX_UPLOADS
                if self._full:
                    raise MultiPartException(texts.UPLOADS_FULL)
            return message

        return body


def _bounded(receive: Receive, limit: int) -> Receive:
    size, complete = 0, False

    async def body() -> Message:
        nonlocal size, complete
        if complete:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), STALLED)
        except TimeoutError:
            raise HTTPException(408, texts.EXPIRED) from None
        complete = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if size > limit:
            raise HTTPException(413, texts.TOO_LARGE)
        return message

    return body


async def _read(receive: Receive) -> bytes:
    """The whole body."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(content: bytes, receive: Receive) -> Receive:
    """Give Gradio a body that has been read already."""
    left = [content]

    async def body() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return body
