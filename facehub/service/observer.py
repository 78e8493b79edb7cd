"""ASGI middleware: counts requests, logs them without content, and catches unexpected errors."""

from __future__ import annotations

import logging
import time

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facehub.hosting import SECURITY_HEADERS, print_frames
from facehub.service.metrics import Metrics
from facehub.service.problems import problem

LOG = logging.getLogger("facehub.service")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "-"
_HEADERS = {
    **SECURITY_HEADERS,
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
GONE = 499  # in log and metrics: the client left before the answer


class Observer:
    """The middleware.

    A line of the log holds method, route, status and time: no address, name, key or query.

    Args:
        app: the application behind it.
        metrics: where requests are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.monotonic()
        status = 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        try:
            await self.app(scope, receive, observed)
        except ClientDisconnect:
            status = GONE
        except Exception as error:
            print_frames(error)  # the text may name people
            if status == 0:
                answer = problem(500, "InternalServerError", "Something unexpected has happened.")
                await answer(scope, receive, observed)
        finally:
            method = scope["method"] if scope["method"] in METHODS else NO_ROUTE
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            seconds = time.monotonic() - started
            self.metrics.count(method, route, status or GONE, seconds)
            LOG.info("%s %s %d %.0f ms", method, route, status or GONE, 1000 * seconds)
