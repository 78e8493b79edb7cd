"""The page behind `deploy/nginx.conf` and `deploy/Caddyfile`, if the proxies are installed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from facehub.demo.host.sessions import sessions_of
from facehub.demo.page import build, launch_options
from facehub.demo.settings import Settings
from facehub.pipeline import default_recognizer

DEPLOY = Path(__file__).parents[1] / "deploy"
SITE = "faces.example.org"


@dataclass
class Proxied:
    """A page behind a proxy."""

    page: gr.Blocks
    url: str  # the visitor's address, with 127.0.0.1 in place of the name
    port: int
    client: httpx.Client

    @property
    def origin(self) -> str:
        return f"{self.url.partition(':')[0]}://{SITE}:{self.port}"


@pytest.fixture(params=["nginx", "caddy"])
def proxied(request: pytest.FixtureRequest, tmp_path: Path, free_port: int) -> Iterator[Proxied]:
    program = shutil.which(request.param) or shutil.which(f"/usr/sbin/{request.param}")
    if program is None:
        pytest.skip(f"no {request.param} on this machine")
    settings = Settings()
    page = build(default_recognizer(), settings)
    options: dict[str, Any] = {**launch_options(settings), "prevent_thread_lock": True}
    if request.param == "nginx":
        options["root_path"] = "/faces"
    _, local_url, _ = page.launch(**options, quiet=True)
    upstream = httpx.URL(local_url).netloc.decode()
    start = _nginx if request.param == "nginx" else _caddy
    command, url = start(program, upstream, free_port, tmp_path)
    process = subprocess.Popen(command, cwd=tmp_path, stderr=(tmp_path / "errors").open("wb"))
    headers = {"Host": f"{SITE}:{free_port}"}
    try:
        with httpx.Client(verify=False, base_url=url, headers=headers, timeout=30) as client:
            _wait(client, process, tmp_path / "errors")
            yield Proxied(page, url, free_port, client)
    finally:
        process.terminate()
        process.wait(10)
        page.close()


def _nginx(program: str, upstream: str, port: int, folder: Path) -> tuple[list[str], str]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on this machine")
    certificate = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={SITE}"]
    files = ["-keyout", "privkey.pem", "-out", "fullchain.pem"]
    subprocess.run([openssl, "req", *certificate, *files], cwd=folder, check=True, timeout=60)
    text = (DEPLOY / "nginx.conf").read_text()
    for old, new in (
        ("127.0.0.1:7860", upstream),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (f"/etc/letsencrypt/live/{SITE}/", f"{folder}/"),
        ("/run/nginx.pid", f"{folder}/nginx.pid"),
        ("/dev/shm/facehub-nginx", f"{folder}/bodies"),
        ("client_header_timeout 10s", "client_header_timeout 1s"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(text)
    paths = ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "errors")]
    user = " user root;" if os.getuid() == 0 else ""  # root owns the folder
    return [program, *paths, "-g", f"daemon off;{user}"], f"https://127.0.0.1:{port}/faces"


def _caddy(program: str, upstream: str, port: int, folder: Path) -> tuple[list[str], str]:
    text = (DEPLOY / "Caddyfile").read_text()
    for old, new in (
        ("app1:7860 app2:7860", upstream),
        ("{$FACEHUB_SITE:localhost}", f"http://:{port}"),
        ("client_ip_hash", "ip_hash"),  # Debian 12 has Caddy 2.6
        ("read_header 10s", "read_header 1s"),
        ("{\n\tservers", "{\n\tadmin off\n\tservers"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "Caddyfile").write_text(text)
    os.environ.setdefault("HOME", str(folder))
    file = ["--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    return [program, "run", *file], f"http://127.0.0.1:{port}"


def _wait(client: httpx.Client, process: subprocess.Popen[bytes], errors: Path) -> None:
    deadline = time.monotonic() + 15
    while True:
        assert process.poll() is None, errors.read_text()
        assert time.monotonic() < deadline
        try:
            if client.get("/").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)


def test_the_page_works_behind_a_proxy(proxied: Proxied, examples: Path) -> None:
    client = proxied.client
    client.cookies.clear()  # drop the cookies of `_wait`
    page = client.get("/")
    assert "no-store" in page.headers["cache-control"]
    cookie = page.headers["set-cookie"]
    assert ("Secure" in cookie) == proxied.url.startswith("https")
    root = client.get("/config").json()["root"]
    assert root == f"{proxied.origin}{'/faces' if proxied.url.endswith('/faces') else ''}"
    script = re.search(r"assets/[\w.-]+\.js", page.text)
    assert script is not None
    assert client.get(f"/{script[0]}").status_code == 200

    api = "/gradio_api"
    files = [("files", ("a.jpg", (examples / "grace_hopper.jpg").read_bytes()))] * 2
    own = {"Origin": proxied.origin}
    paths = client.post(f"{api}/upload", files=files, headers=own).json()
    data = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in paths]
    body = {"data": [*data, "exactly_one"], "session_hash": "proxied"}
    spoofed = {**own, "X-Forwarded-For": "203.0.113.9"}
    call = client.post(f"{api}/call/verify", json=body, headers=spoofed)
    assert call.status_code == 200
    answer = client.get(f"{api}/call/verify/{call.json()['event_id']}")
    assert '"same"' in answer.text
    owners = sessions_of(proxied.page.state_holder)._owners
    assert owners["proxied"].client == "127.0.0.1"  # not what the client claims

    foreign = {"Origin": "https://evil.org"}
    assert client.post(f"{api}/upload", files=files, headers=foreign).status_code == 403
    large = client.post(f"{api}/upload", files={"files": ("a", b"x" * (65 * 2**20))})
    assert large.status_code == 413


def test_the_proxy_closes_half_open_connections(proxied: Proxied) -> None:
    with socket.create_connection(("127.0.0.1", proxied.port), timeout=8) as plain:
        connection: socket.socket = plain
        if proxied.url.startswith("https"):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = context.wrap_socket(plain)
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {SITE}\r\nX-Half".encode())
        started = time.monotonic()
        while connection.recv(4096):  # the proxy may send an error first
            pass
        assert 0.5 < time.monotonic() - started < 5
