"""The snippets of the README and of docs/hosting.md run as printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from facehub.cli import main as cli

ROOT = Path(__file__).parents[2]


def snippet(heading: str, language: str, page: str = "README.md") -> str:
    text = (ROOT / page).read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)[0]


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that looks like the checkout and may be written to."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    person = tmp_path / "people" / "Eileen Collins"
    person.mkdir(parents=True)
    (person / "portrait.jpg").symlink_to(ROOT / "examples" / "eileen_collins.jpg")
    monkeypatch.chdir(tmp_path)


def test_python_snippet(capsys: pytest.CaptureFixture[str]) -> None:
    exec(snippet("Python", "python"), {})
    lines = capsys.readouterr().out.splitlines()
    decision, similarity = lines[0].split()
    assert decision == "same"
    assert float(similarity) == pytest.approx(0.99, abs=0.01)  # as the comment says
    assert [line.split(" (")[0] for line in lines[1:]] == ["Eileen Collins", "Grace Hopper"]
    assert Path("people.db").is_file()


def test_command_line_snippet(capsys: pytest.CaptureFixture[str]) -> None:
    codes = {}
    for line in snippet("Command line", "bash").splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "facehub"
        codes[words[1]] = cli.main(words[1:])
    assert codes.pop("verify") == 1
    assert codes == dict.fromkeys(("enrol", "identify", "gallery", "embed", "cluster", "info"), 0)
    out = capsys.readouterr().out
    assert "different people" in out
    assert "face 1: Eileen Collins" in out
    assert "face 2: Grace Hopper" in out


def test_command_line_help_names_every_command_of_the_readme(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    for name in ("verify", "enrol", "identify", "gallery", "embed", "cluster", "info"):
        assert re.search(rf"^    {name} ", out, re.MULTILINE)


def test_api_snippet(page_url: str) -> None:
    code = snippet("API of the demo", "python", "docs/hosting.md")
    code = code.replace("http://127.0.0.1:7860", page_url)
    answers: list[dict] = []

    class Recorder:
        def __init__(self, url: str, **options: bool) -> None:
            from gradio_client import Client

            self.client = Client(url, verbose=False, **options)

        def predict(self, *args: object, **kwargs: object) -> dict:
            answers.append(self.client.predict(*args, **kwargs))
            return answers[-1]

    scope: dict = {}
    exec(code.replace("client = Client", "client = Recorder"), {"Recorder": Recorder, **scope})
    verified, identified = answers
    assert verified["decision"] == "different"
    (printed,) = re.findall(r"'similarity': ([\d.]+)", code)
    assert verified["similarity"] == pytest.approx(float(printed), abs=0.01)  # int8 or float32
    assert [face["name"] for face in identified["faces"]] == [None, "Grace Hopper"]
