"""Every open route answers junk with an error and does not log it. All other routes are closed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import httpx
import pytest

from facehub.demo.host.routes import is_open
from facehub.demo.settings import Settings

TELLTALE = "Ada Lovelace"
FILLED = re.compile(r"\{[^}]*\}")
STREAMS = re.compile(r"/gradio_api/(heartbeat|dev)/")  # these streams never end
CLOSED = (
    "/gradio_api/token",
    "/gradio_api/user",
    "/gradio_api/deep_link",
    "/gradio_api/proxy=https://a.org/x",
    "/gradio_api/file=https://a.org/x",
    "/gradio_api/file/etc/passwd",
    "/gradio_api/custom_component/a/client/b/c",
    "/gradio_api/runs",
    "/gradio_api/dev/reload",
    "/monitoring",
    "/monitoring/summary",
    "/docs",
    "/openapi.json",
    "/pwa_icon",
    "/login",  # GET
)
JUNK: tuple[dict[str, Any], ...] = (
    {"json": {TELLTALE: 1}},
    {"json": {"data": [TELLTALE], "fn_index": TELLTALE, "session_hash": "junk"}},
    {"json": {"data": [TELLTALE] * 3, "fn_index": 3, "session_hash": "junk"}},
    {"json": {"data": {TELLTALE: 1}, "session_hash": "junk"}},
    {"json": {"data": [{"path": TELLTALE, "meta": {"_type": "gradio.FileData"}}] * 3}},
    {"json": {"event_id": TELLTALE, "fn_index": 10**9, "session_hash": "junk"}},
    {"json": [TELLTALE]},
    {"content": f'{{"{TELLTALE}"'.encode(), "headers": {"Content-Type": "application/json"}},
    {"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}},
    {"data": {"username": TELLTALE, "password": TELLTALE}},
    {"files": {TELLTALE: (TELLTALE, TELLTALE.encode())}},
    {
        "content": f"--b\r\n{TELLTALE}\r\n\r\n{TELLTALE}".encode(),
        "headers": {"Content-Type": "multipart/form-data; boundary=b"},
    },
    {"content": b"", "headers": {"Content-Type": TELLTALE}},
)


@pytest.fixture(scope="module")
def page(request: pytest.FixtureRequest) -> Iterator[tuple[gr.Blocks, str]]:
    from facehub.demo.page import build, launch_options
    from facehub.pipeline import default_recognizer

    settings = Settings()
    page = build(default_recognizer(), settings)
    _, url, _ = page.launch(**launch_options(settings), prevent_thread_lock=True, quiet=True)
    yield page, url.rstrip("/")
    page.close()


def routes(page: gr.Blocks) -> set[tuple[str, str]]:
    """Return method and path of all routes of Gradio's app."""
    found: set[tuple[str, str]] = set()
    waiting = list(page.app.routes)
    while waiting:
        route = waiting.pop()
        waiting += getattr(getattr(route, "original_router", None), "routes", [])
        for method in getattr(route, "methods", None) or ():
            found.add((method, getattr(route, "path", "")))
    return found


def test_junk_is_refused_and_not_logged(
    page: tuple[gr.Blocks, str], capfd: pytest.CaptureFixture[str]
) -> None:
    blocks, url = page
    tried = 0
    for method, pattern in sorted(routes(blocks)):
        for name in ("verify", TELLTALE):
            path = FILLED.sub(name, pattern)
            if not is_open(method, path) or STREAMS.match(path):
                continue
            for junk in JUNK if method == "POST" else ({}, {"params": {"session_hash": TELLTALE}}):
                answer = httpx.request(method, url + path, timeout=20, **junk)
                tried += 1
                if method == "POST" and not path.startswith("/gradio_api/upload"):
                    fine = (200,) if "cancel" in path or "reset" in path or "login" in path else ()
                    handled = answer.status_code == 200 and "event_id" in answer.text
                    # A handler without the queue puts the error into its answer.
                    handled |= answer.status_code == 200 and "is_generating" in answer.text
                    assert (
                        answer.status_code >= 400 or handled or answer.status_code in (*fine, 302)
                    )
    assert tried > 150
    output, errors = capfd.readouterr()
    for part in TELLTALE.split():
        assert part not in output + errors


def test_an_endpoint_called_with_an_unknown_field_fails_and_does_not_log_it(
    page: tuple[gr.Blocks, str], capfd: pytest.CaptureFixture[str]
) -> None:
    answer = httpx.post(f"{page[1]}/gradio_api/call/v2/verify", json={"Ada Lovelace": 1})
    assert answer.status_code == 500
    errors = capfd.readouterr().err
    assert "Lovelace" not in errors
    assert "Traceback (most recent call last)" in errors  # the place and the type
    assert "TypeError" in errors


@pytest.mark.parametrize("path", CLOSED)
def test_a_closed_route_answers_not_found(page: tuple[gr.Blocks, str], path: str) -> None:
    answer = httpx.get(page[1] + path)
    assert answer.status_code == 404
    assert answer.text == "Not Found"


def test_most_routes_of_gradio_are_closed(page: tuple[gr.Blocks, str]) -> None:
    found = routes(page[0])
    closed = {(method, path) for method, path in found if not is_open(method, path)}
    assert {path for _, path in closed} >= {
        "/gradio_api/token",
        "/gradio_api/component_server",
        "/gradio_api/process_recording",
        "/gradio_api/vibe-edit",
    }
    assert len(found) > 60
    assert len(closed) > 30


def test_answers_forbid_caching_and_framing(page: tuple[gr.Blocks, str]) -> None:
    for path in ("/", "/config", "/gradio_api/info", "/gradio_api/token", "/nothing"):
        headers = httpx.get(page[1] + path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["content-security-policy"] == "frame-ancestors 'self'"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    script = re.search(r"assets/[\w.-]+\.js", httpx.get(page[1]).text)
    assert script is not None
    assert "no-store" not in httpx.get(f"{page[1]}/{script[0]}").headers.get("cache-control", "")


ELSEWHERE = ("https://evil.org", "null", "http://127.0.0.1:1", "http://localhost.evil.org")


@pytest.mark.parametrize("origin", ELSEWHERE)
def test_no_other_site_reads_or_changes_anything(page: tuple[gr.Blocks, str], origin: str) -> None:
    url = page[1]
    for host in (httpx.URL(url).netloc.decode(), "faces.org"):
        headers = {"Origin": origin, "Host": host}
        answer = httpx.get(f"{url}/config", headers=headers)
        assert "access-control-allow-origin" not in answer.headers
        asked = {**headers, "Access-Control-Request-Method": "POST"}
        answer = httpx.options(f"{url}/gradio_api/queue/join", headers=asked)
        assert "access-control-allow-origin" not in answer.headers
        for path in ("/gradio_api/queue/join", "/gradio_api/upload", "/login"):
            answer = httpx.post(url + path, json={}, headers=headers)
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
    assert httpx.get(f"{url}/logout", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_the_own_site_of_the_page_may_call_endpoints(page: tuple[gr.Blocks, str]) -> None:
    url = page[1]
    own = httpx.URL(url).netloc.decode()
    body = {"data": [None, None, "exactly_one"]}
    for headers in (
        {"Origin": f"http://{own}"},
        {"Host": "faces.org", "Origin": "https://faces.org"},
        {"Host": "faces.org:443", "Origin": "https://FACES.org"},
        {"X-Forwarded-Host": "faces.org", "Origin": "https://faces.org"},
        {},
    ):
        answer = httpx.post(f"{url}/gradio_api/call/verify", json=body, headers=headers)
        assert answer.status_code == 200
