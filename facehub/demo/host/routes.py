"""The Gradio routes that the page and its API need; all others are closed."""

from __future__ import annotations

import os
import re

_OPEN = {
    "GET": (
        r"/(config/?|theme\.css|favicon\.ico|robots\.txt|manifest\.json|logout)?",
        r"/(assets|static|svelte)/.+",
        r"/gradio_api/(info/?|openapi\.json|app_id/?|login_check/?|theme\.css|startup-events)",
        r"/gradio_api/(queue/(data|status)|upload_progress)",
        r"/gradio_api/heartbeat/[^/]+",
        r"/gradio_api/call/(v2/)?[^/]+/[^/]+",
        r"/gradio_api/file=(?!\s*\w+:).+",  # of this server: no address is fetched
    ),
    "POST": (
        r"/login/?",
        r"/gradio_api/(upload|queue/join|cancel|reset/?)",
        r"/gradio_api/(run|api|call/v2|call)/[^/]+/?",
        r"/gradio_api/stream/[^/]+(/close)?",
    ),
}
_RELOAD = r"/gradio_api/dev/reload"  # of `gradio app.py`
_JSON = re.compile(r"/gradio_api/(?!upload).*")
_CONSTANT = re.compile(r"/(assets|static|svelte)/.+|/favicon\.ico")
_UPLOAD = re.compile(r"/gradio_api/upload")


def is_open(method: str, path: str) -> bool:
    """Whether a request is passed on to Gradio."""
    method = "GET" if method == "HEAD" else method
    patterns = _OPEN.get(method, ())
    if method == "GET" and os.environ.get("GRADIO_WATCH_DIRS"):
        patterns = (*patterns, _RELOAD)
    return any(re.fullmatch(pattern, path, re.DOTALL) for pattern in patterns)


def is_upload(path: str) -> bool:
    """Whether a request holds files."""
    return _UPLOAD.fullmatch(path) is not None


def is_removed_file(path: str) -> bool:
    """Whether a request asks for a file that is not there, or not any more."""
    name = path.removeprefix("/gradio_api/file=")
    return name != path and not os.path.exists(name)


def takes_json(method: str, path: str) -> bool:
    """Whether a request holds JSON."""
    return method == "POST" and _JSON.fullmatch(path) is not None


def is_constant(path: str) -> bool:
    """Whether an answer is a part of Gradio, which browsers and proxies may cache."""
    return _CONSTANT.fullmatch(path) is not None


def changes(method: str, path: str) -> bool:
    """Whether a request may change something, so that other sites must not send it."""
    return method not in ("GET", "HEAD", "OPTIONS") or path == "/logout"
