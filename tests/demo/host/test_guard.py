"""Closed routes, addresses that the server does not fetch, and limits of requests."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import safehttpx
from gradio import processing_utils
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facehub.demo import texts
from facehub.demo.host import guard
from facehub.demo.host.uploads import folder_size
from facehub.demo.settings import COMPUTED, Settings
from tests.demo.routes import ask, picture, trigger, upload, uploads

ADDRESS = "https://93.184.216.34/face.jpg"  # public: Gradio itself would fetch it


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that Gradio was about to fetch."""
    addresses: list[str] = []

    async def get(address: str, *_: object, **__: object) -> None:
        addresses.append(address)
        raise RuntimeError("not in a test")

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_get", get)
    monkeypatch.setattr(safehttpx, "async_validate_url", get)
    return addresses


def test_no_endpoint_fetches_an_address(page_url: str, fetched: list[str]) -> None:
    one = picture(ADDRESS)
    assert texts.NO_ADDRESS in ask(page_url, "verify", one, one, "exactly_one")[1]
    assert texts.NO_ADDRESS in ask(page_url, "identify", one, [one], ["Ada"])[1]
    assert fetched == []


def test_no_handler_of_the_page_fetches_an_address(page_url: str, fetched: list[str]) -> None:
    config = httpx.get(f"{page_url}config").json()
    kinds = {block["id"]: (block["type"], block["props"]) for block in config["components"]}
    asked = 0
    for handler in config["dependencies"]:
        taken = [kinds[number] for number in handler["inputs"]]
        if not {"image", "file"} & {kind for kind, _ in taken} or handler["connection"] != "sse":
            continue
        values = {"image": picture(ADDRESS), "file": picture(ADDRESS)}
        data = [
            [values[kind]] if props.get("file_count") == "multiple" else values.get(kind)
            for kind, props in taken
        ]
        assert texts.NO_ADDRESS in trigger(page_url, handler["id"], *data)
        asked += 1
    assert asked >= 5
    assert fetched == []


@pytest.mark.parametrize("route", ["file=", "file/", "proxy="])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_file_and_proxy_routes_fetch_no_address(
    page_url: str, fetched: list[str], route: str, method: str
) -> None:
    answer = httpx.request(method, f"{page_url}gradio_api/{route}{ADDRESS}")
    assert answer.status_code == 404
    assert fetched == []


def test_no_route_writes_a_session_or_a_recording_to_the_disk(page_url: str) -> None:
    ask(page_url, "verify", None, None, "exactly_one", session="deep")
    before = uploads()
    api = f"{page_url}gradio_api"
    assert httpx.get(f"{api}/deep_link?session_hash=deep").status_code == 404
    file = {"file": ("a.mp4", b"x")}
    assert httpx.post(f"{api}/process_recording", files=file).status_code == 404
    assert httpx.post(f"{api}/component_server", files=file).status_code == 404
    assert httpx.post(f"{api}/component_server/", json={}).status_code == 404
    assert uploads() == before


def test_endpoints_cannot_be_called_without_the_queue(page_url: str) -> None:
    for api in ("run", "api"):
        body = {"data": [None, None, "exactly_one"]}
        answer = httpx.post(f"{page_url}gradio_api/{api}/verify", json=body)
        assert answer.status_code == 404
        assert "join the queue" in answer.text


def test_all_handlers_share_the_workers(serve) -> None:
    page, url = serve(Settings(workers=3))
    ask(url, "verify", None, None, "exactly_one")
    shared = [fn.concurrency_id == COMPUTED for fn in page.fns.values() if fn.queue]
    assert len(shared) >= 15
    assert shared.count(False) == 1  # the webcam, whose frames would wait behind them
    limit = page._queue.event_queue_per_concurrency_id[COMPUTED].concurrency_limit
    assert limit == 8  # 3 that search, and 5 that decode meanwhile


def test_an_interrupted_upload_is_removed(page_url: str) -> None:
    before = uploads()
    where = urlsplit(page_url)
    with socket.create_connection((where.hostname, where.port)) as client:
        client.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
            + b"x"
            * 9999
        )
        deadline = time.monotonic() + 10
        while uploads() == before:
            assert time.monotonic() < deadline
    while uploads() != before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_full_folder_takes_no_more_uploads(
    page_url: str, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = Path(upload(page_url, examples / "grace_hopper.jpg"))
    before = uploads()
    monkeypatch.setattr(guard, "MAX_UPLOADS", folder_size() - 1)
    monkeypatch.setattr(guard, "CHECK_EVERY", 1)
    answer = httpx.post(f"{page_url}gradio_api/upload", files={"files": ("a.jpg", b"x")})
    assert answer.status_code == 400
    assert answer.text == texts.UPLOADS_FULL
    assert uploads() == before
    monkeypatch.setattr(guard, "CHECK_EVERY", 2**20)
    answer = httpx.post(f"{page_url}gradio_api/upload", files={"files": ("a.jpg", b"x")})
    assert answer.status_code == 400  # the folder counts as full until a check finds room
    waiting.unlink()
    waiting.parent.rmdir()
    upload(page_url, examples / "grace_hopper.jpg")  # there is room again


@pytest.mark.parametrize("query", ["", "?upload_id=telltale"])
def test_an_upload_holds_files_only(
    page_url: str, query: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Gradio would collect other fields in memory."""
    before = uploads()
    parts = {"files": ("a.jpg", b"x" * 99), "more": (None, b"x" * 99)}
    answer = httpx.post(f"{page_url}gradio_api/upload{query}", files=parts)
    assert answer.status_code == 400
    assert answer.text == texts.NO_FILE
    assert uploads() == before
    output, errors = capfd.readouterr()
    assert "Traceback" not in output + errors


def test_a_request_that_is_too_large_is_refused(page_url: str) -> None:
    inline = {"url": f"data:image/png;base64,{'A' * guard.MAX_BODY}"}
    status, text = ask(page_url, "verify", inline, None, "exactly_one")
    assert status == 413
    assert re.search(texts.TOO_LARGE, text)


def test_no_picture_inside_a_request_is_kept(serve, examples: Path) -> None:
    page, url = serve(Settings())
    content = base64.b64encode((examples / "grace_hopper.jpg").read_bytes()).decode()
    inline = {"url": f"data:image/jpeg;base64,{content}", "meta": {"_type": "gradio.FileData"}}
    assert "same" in ask(url, "verify", inline, inline, "exactly_one", session="ada")[1]
    kept = page.state_holder.session_data["ada"]
    assert content[:99] not in str(kept.config_values)
    assert content[:99] not in str(kept.state_data)


def messages(application: ASGIApp, path: str = "/") -> list[Message]:
    """Return what the guard sends when a browser gets `path` of an application."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    scope |= {"query_string": b"", "scheme": "http"}
    asyncio.run(guard.Guard(application, 1000)(scope, receive, send))
    return sent


@pytest.mark.parametrize("sized", [False, True])
def test_an_interrupted_answer_is_ended_unless_its_length_was_promised(sized: bool) -> None:
    """If the length was promised, the server closes the connection."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"10")] if sized else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"12345", "more_body": True})
        raise RuntimeError("its file is gone")

    ends = [not message.get("more_body", True) for message in messages(application)]
    assert ends == ([False, False] if sized else [False, False, True])


@pytest.mark.parametrize("there", [False, True])
def test_a_removed_upload_is_not_found_and_not_logged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], there: bool
) -> None:
    """Any other failure gives status 500 and is logged."""
    file = tmp_path / "face.jpg"
    if there:
        file.touch()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("File does not exist")

    start = messages(application, f"/gradio_api/file={file}")[0]
    assert start["status"] == (500 if there else 404)
    assert bool(capfd.readouterr().err) == there
