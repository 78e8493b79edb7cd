"""Calls of the routes of the page, without `gradio_client`, which uploads files by itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx


def picture(path: str) -> dict[str, Any]:
    """Return a picture in the form that the routes take."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def upload(url: str, file: Path, name: str | None = None) -> str:
    """Upload a file, and return its path on the server."""
    files = {"files": (name or file.name, file.read_bytes())}
    answer = httpx.post(f"{url}gradio_api/upload", files=files, timeout=60).raise_for_status()
    return answer.json()[0]


def ask(url: str, endpoint: str, *data: Any, session: str | None = None) -> tuple[int, str]:
    """Call `/verify` or `/identify`; return the status and the text of the answer."""
    body = {"data": data, "session_hash": session}
    call = httpx.post(f"{url}gradio_api/call/{endpoint}", json=body, timeout=60)
    if call.status_code != 200:
        return call.status_code, call.text
    answer = f"{url}gradio_api/call/{endpoint}/{call.json()['event_id']}"
    return 200, httpx.get(answer, timeout=60).text


def trigger(url: str, handler: int, *data: Any, session: str = "") -> str:
    """Call a handler of the page by its number, and return the text of the answer."""
    session = session or f"test-{handler}"
    body = {"data": data, "fn_index": handler, "session_hash": session}
    httpx.post(f"{url}gradio_api/queue/join", json=body).raise_for_status()
    answer = f"{url}gradio_api/queue/data?session_hash={session}"
    return httpx.get(answer, timeout=60).text


def uploads() -> set[Path]:
    """Return all paths in the upload folder, including folders."""
    return set(Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*"))


def handler(url: str, element: str, kind: str = "click") -> int:
    """Return the number of the handler of an event of an element."""
    config = httpx.get(f"{url}config").json()
    ids = {block["props"].get("elem_id"): block["id"] for block in config["components"]}
    return next(fn["id"] for fn in config["dependencies"] if [ids[element], kind] in fn["targets"])
