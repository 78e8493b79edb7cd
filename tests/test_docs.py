"""The manual builds without a warning, its programs run, and its commands can be parsed."""

from __future__ import annotations

import argparse
import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facehub.cli import main as cli
from train import __main__ as train

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "train" / "README.md"])
PROGRAMS = sorted([*ROOT.glob("docs/quickstart/*.md"), *ROOT.glob("docs/concepts/*.md")])


class ParsedError(Exception):
    """Raised in place of doing what a command says."""


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[list[str]]:
    """Words of each command line of a page's shell blocks, without comments."""
    lines = "".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True) for line in lines]
    return [words for words in found if words]


def of_page(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def parse_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("parse_args", "parse_known_args"):
        monkeypatch.setattr(argparse.ArgumentParser, name, _then_raise(name))


def _then_raise(name: str) -> Callable[..., None]:
    real = getattr(argparse.ArgumentParser, name)

    def parse(parser: argparse.ArgumentParser, *args: Any, **options: Any) -> Any:
        found = real(parser, *args, **options)
        if parser.prog in ("facehub", "python -m train"):  # not one of its sub-commands
            raise ParsedError
        return found

    return parse


def test_the_manual_builds(tmp_path: Path) -> None:
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed: pip install --group docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "def verify" not in done.stderr
    page = (tmp_path / "api" / "tasks" / "index.html").read_text()
    assert "policy" in page  # the docstrings are there
    assert "fonts.googleapis.com" not in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("page", PROGRAMS, ids=of_page)
def test_programs_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a page's, one after the other, in one namespace."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for program in blocks(page, "python"):
        if '"owner/name' not in program:  # weights that nobody has published
            exec(program, scope)


@pytest.mark.usefixtures("parse_only")
@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=of_page)
def test_commands_can_be_parsed(page: Path) -> None:
    parsers: dict[tuple[str, ...], Callable[[list[str]], object]] = {
        ("facehub",): cli.main,
        ("python", "-m", "train"): train.main,
    }
    for words in commands(page):
        while words and "=" in words[0]:  # a variable of the environment
            words.pop(0)
        words = words[: words.index(">")] if ">" in words else words
        for start, main in parsers.items():
            if tuple(words[: len(start)]) == start:
                with pytest.raises(ParsedError):
                    main(words[len(start) :])
        for word in words:
            if re.fullmatch(r"(benchmarks|examples|scripts|train/configs)/[\w/]+(\.\w+)?", word):
                assert (ROOT / word).exists(), f"{of_page(page)} names {word}"


def test_comments_of_the_quickstart_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures that the pages print beside a call."""
    from facehub import FaceRecognizer

    spec = FaceRecognizer.from_pretrained().spec
    printed = re.findall(r"# (0\.\d+)$", "".join(map(Path.read_text, PROGRAMS)), re.MULTILINE)
    assert printed
    assert {float(figure) for figure in printed} == {spec.threshold}


def test_cells_of_the_readme_are_short() -> None:
    """At most 100 characters as they are read, links without their addresses."""
    lines = (ROOT / "README.md").read_text().splitlines()
    for line in lines:
        if line.startswith("|") and "![" not in line:
            for cell in re.sub(r"\]\([^)]*\)", "]", line).split("|"):
                assert len(cell.strip()) <= 100, cell


def test_links_of_the_readme_lead_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert link.startswith("https://") or (ROOT / link).exists(), f"{page.name}: {link}"
