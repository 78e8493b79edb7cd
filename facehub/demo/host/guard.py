"""ASGI middleware: blocks Gradio routes the page does not use and caps request bodies."""

from __future__ import annotations

import re

from anyio.to_thread import run_sync
from fastapi import HTTPException
from starlette.formparsers import MultiPartException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facehub.demo import texts
from facehub.demo.host.sweeper import reopen
from facehub.demo.host.uploads import folder_size
from facehub.hosting import MAX_UPLOADS

# They write a visitor's page or recording to the disk, or fetch any address they are given.
BLOCKED = re.compile(
    r"/gradio_api/(deep_link|process_recording|component_server|proxy=|vibe-|file/|file=\s*\w+:)",
    re.IGNORECASE,
)
UPLOAD = re.compile(r"/gradio_api/upload/?$")
MAX_BODY = 16 * 2**20  # bytes of a request that is not an upload: at most a webcam frame
HEARTBEAT = re.compile(r"/gradio_api/heartbeat/([^/]+)$")
CHECK_EVERY = 8 * 2**20  # bytes of uploads after which the folder's size is measured


class Guard:
    """The middleware.

    Args:
        app: the application behind it.
        max_body: bytes of a request that is not an upload.
    """

    def __init__(self, app: ASGIApp, max_body: int) -> None:
        self.app, self.max_body = app, max_body
        self._unchecked, self._full = 0, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if BLOCKED.search(path):
            await PlainTextResponse("Not Found", 404)(scope, receive, send)
            return
        if beat := HEARTBEAT.search(path):
            reopen(scope["app"].state_holder, beat[1])
        body = self._upload(receive) if UPLOAD.search(path) else _bounded(receive, self.max_body)
        await self.app(scope, body, send)

    def _upload(self, receive: Receive) -> Receive:
        """The body of an upload, until the folder is full or the client has gone.

        Both raise the one exception after which Gradio removes what it has written so far.
        """
        complete = False

        async def body() -> Message:
            nonlocal complete
            message = await receive()
            if complete:
                return message
            if message["type"] == "http.disconnect":
                raise MultiPartException(texts.EXPIRED)
            complete = not message.get("more_body", False)
            self._unchecked += len(message.get("body", b""))
            if self._full or self._unchecked >= CHECK_EVERY:
                self._unchecked = 0
                self._full = await run_sync(folder_size) > MAX_UPLOADS
                if self._full:
                    raise MultiPartException(texts.UPLOADS_FULL)
            return message

        return body


def _bounded(receive: Receive, limit: int) -> Receive:
    size = 0

    async def body() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise HTTPException(413, texts.TOO_LARGE)
        return message

    return body
