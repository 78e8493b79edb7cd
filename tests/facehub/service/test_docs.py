"""The snippets of `docs/service.md` run unchanged against the real service and weights."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def snippet(heading: str, language: str) -> str:
    section = DOCS.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)[0]


@dataclass
class Served:
    process: subprocess.Popen[str]
    url: str
    folder: Path

    def end(self) -> str:
        """Terminate the service and return its log."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        return (self.folder / "log.txt").read_text()


@pytest.fixture
def served(tmp_path: Path, free_port: int) -> Iterator[Served]:
    """A service started by the snippet "Start", in a folder that looks like the checkout."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    keys, serve = snippet("Start", "bash").splitlines()
    command = f"{sys.executable} -m facehub"
    options = {
        "cwd": tmp_path,
        "env": {**os.environ, "PYTHONPATH": str(ROOT)},
        "shell": True,
        "text": True,
    }
    subprocess.run(keys.replace("facehub", command, 1), check=True, capture_output=True, **options)
    with (tmp_path / "log.txt").open("w") as log:
        line = f"exec {serve.replace('facehub', command, 1)} --port {free_port}"
        process = subprocess.Popen(line, stdout=log, stderr=log, **options)
    url = f"http://127.0.0.1:{free_port}"
    try:
        for _ in range(600):
            assert process.poll() is None, (tmp_path / "log.txt").read_text()
            try:
                if httpx.get(f"{url}/healthz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield Served(process, url, tmp_path)
    finally:
        process.kill()
        process.wait()


def test_snippets_run_as_shown(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("curl") is not None:
        shell = snippet("From a shell", "bash").replace(ADDRESS, served.url)
        done = subprocess.run(
            ["bash", "-ec", shell], cwd=served.folder, capture_output=True, text=True, check=True
        )
        answers = [json.loads(text) for text in re.split(r"(?<=})(?={)", done.stdout)]
        assert answers[0]["decision"] == "different"
        assert (answers[1]["name"], answers[1]["added"]) == ("Grace Hopper", True)
        assert [face["name"] for face in answers[2]["faces"]] == [None, "Grace Hopper"]

    monkeypatch.chdir(served.folder)
    code = snippet("From Python", "python")
    exec(code.replace(ADDRESS, served.url), {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"^print.*  # (.*)$", code, re.M)

    token = (served.folder / "desk.token").read_text().strip()
    log = served.end()
    assert "POST /v1/galleries/{gallery}/people 201" in log
    for secret in (token, "Hopper", "desk", "hopper", "top_k"):
        assert secret not in log
    assert log.count("127.0.0.1") == 1  # the service's own address
    assert "Traceback" not in log
    assert served.process.returncode in (0, -signal.SIGTERM)
    left = {path.name: path.stat().st_mode & 0o077 for path in served.folder.glob("*.*")}
    assert left["people.db"] == left["keys.json"] == 0
    assert token not in (served.folder / "keys.json").read_text()


def test_error_in_the_documentation_is_the_real_one() -> None:
    from facehub.service.problems import problem

    documented = json.loads(snippet("Errors", "json"))
    actual = problem(422, "NoFaceError", documented["detail"])
    assert json.loads(actual.body) == documented
