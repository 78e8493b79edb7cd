"""The program of docs/hosting.md that calls the page runs as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_api_snippet_runs_as_printed(page_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # it names pictures of examples/
    text = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code = code.replace("http://127.0.0.1:7860", page_url)
    answers: list[dict] = []

    class Recorder:
        def __init__(self, url: str, **options: bool) -> None:
            from gradio_client import Client

            self.client = Client(url, verbose=False, **options)

        def predict(self, *args: object, **kwargs: object) -> dict:
            answers.append(self.client.predict(*args, **kwargs))
            return answers[-1]

    exec(code.replace("client = Client", "client = Recorder"), {"Recorder": Recorder})
    verified, identified = answers
    assert verified["decision"] == "different"
    (printed,) = re.findall(r"'similarity': ([\d.]+)", code)
    assert verified["similarity"] == pytest.approx(float(printed), abs=0.01)  # int8 or float32
    assert [face["name"] for face in identified["faces"]] == [None, "Grace Hopper"]
