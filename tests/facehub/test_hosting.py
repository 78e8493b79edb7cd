"""How the page and the service treat proxies."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from facehub import hosting

ROOT = Path(__file__).parents[2]
NOWHERE = "127.0.0.1:9"  # nothing listens there


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    variables: dict[str, str] = {}
    monkeypatch.setattr(hosting.os, "environ", variables)
    return variables


def test_bypass_proxy_excludes_this_machine_once(environment: dict[str, str]) -> None:
    environment |= {"http_proxy": f"http://{NOWHERE}", "NO_PROXY": "intern.org, localhost"}
    hosting.bypass_proxy()
    assert environment["NO_PROXY"] == "intern.org,localhost,127.0.0.1,::1"
    assert environment["no_proxy"] == environment["NO_PROXY"]
    before = dict(environment)
    hosting.bypass_proxy()
    assert environment == before


def test_bypass_proxy_avoids_a_proxy_that_httpx_does_not_support(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting.importlib.util, "find_spec", lambda _: None)
    environment["ALL_PROXY"] = f"socks5://{NOWHERE}"
    hosting.bypass_proxy()
    assert environment["NO_PROXY"] == environment["no_proxy"] == "*"
    monkeypatch.setattr(hosting.importlib.util, "find_spec", lambda _: object())
    environment.clear()
    environment["ALL_PROXY"] = f"socks5://{NOWHERE}"
    hosting.bypass_proxy()
    assert environment["NO_PROXY"] == "localhost,127.0.0.1,::1"


@pytest.mark.parametrize(
    ("variable", "proxy", "command"),
    [
        ("http_proxy", f"http://{NOWHERE}", ["app.py"]),
        ("ALL_PROXY", f"socks5://{NOWHERE}", ["-m", "facehub", "demo"]),
    ],
    ids=["http", "socks"],
)
def test_the_page_starts_behind_a_proxy(
    variable: str, proxy: str, command: list[str], free_port: int
) -> None:
    clean = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    process = subprocess.Popen(
        [sys.executable, "-u", *command],
        cwd=ROOT,
        env={**clean, variable: proxy, "GRADIO_SERVER_PORT": str(free_port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        with httpx.Client(trust_env=False) as client:
            while True:
                assert process.poll() is None, process.stdout and process.stdout.read()
                assert time.monotonic() < deadline
                try:
                    if client.get(f"http://127.0.0.1:{free_port}/").status_code == 200:
                        break
                except httpx.HTTPError:
                    time.sleep(0.1)
        time.sleep(0.5)  # by then Gradio checks whether it can be reached
        assert process.poll() is None
    finally:
        process.kill()
        output = process.communicate()[0]
    assert "Traceback" not in output
