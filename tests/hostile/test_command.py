"""Hostile and odd inputs through the command line."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facehub import FaceRecognizer, enrol
from facehub.cli.main import main
from facehub.cli.output import EXIT_BAD_INPUT, EXIT_PARTLY
from tests.hostile.cases import (
    ANY,
    FACE,
    FACES,
    LIMIT_BYTES,
    NONE,
    Case,
    GalleryCase,
    ZipCase,
    one_in,
)
from tests.hostile.galleries import GALLERIES
from tests.hostile.pictures import CASES
from tests.hostile.sound import hopper, jpeg
from tests.hostile.zips import ZIPS

Run = Callable[..., tuple[int, str]]

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_zip = pytest.mark.parametrize("case", ZIPS, ids=lambda case: case.name)
# All cases run through `embed`, and through the library with their messages; these commands read
# pictures by the same function.
some_cases = one_in(4, CASES)
each_gallery = pytest.mark.parametrize("case", GALLERIES, ids=lambda case: case.name)


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory, recognizer: FaceRecognizer) -> Path:
    """A gallery with Grace."""
    path = tmp_path_factory.mktemp("gallery") / "people.db"
    with recognizer.open_gallery(path) as people:
        enrol(people, "Grace", hopper(), source="hopper.jpg", recognizer=recognizer)
    return path


@pytest.fixture(scope="module")
def hopper_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hopper") / "hopper.png"
    hopper().save(path)
    return path


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], recognizer: FaceRecognizer
) -> Run:
    """Run the command in this process, with shared weights; return exit code and stderr."""
    monkeypatch.setattr(FaceRecognizer, "from_pretrained", lambda name, **_: recognizer)

    def run(*args: object) -> tuple[int, str]:
        assert isinstance(sys.stderr, io.TextIOWrapper)
        sys.stderr.reconfigure(errors="backslashreplace")  # as outside pytest
        code = main([str(arg) for arg in args])
        output, errors = capsys.readouterr()
        assert "Traceback" not in output + errors
        if "error: " in errors:
            assert code in (EXIT_BAD_INPUT, EXIT_PARTLY)
        else:
            assert code != EXIT_BAD_INPUT
        return code, errors

    return run


@some_cases
def test_cli_verify_gives_the_expected_exit_code(
    case: Case, corpus: dict[str, Path], hopper_file: Path, run: Run
) -> None:
    code, errors = run("verify", corpus[case.name], hopper_file)
    wanted = {FACE: {0, 1, 3}, FACES: {4}, NONE: {4}, ANY: {0, 1, 3, 4}}
    assert code in wanted.get(case.expected, {5})
    assert not case.fails or case.expected in errors


@some_cases
def test_cli_identify_gives_the_expected_exit_code(
    case: Case,
    corpus: dict[str, Path],
    enrolled: Path,
    run: Run,
) -> None:
    code, _ = run("identify", enrolled, corpus[case.name])
    wanted = {FACE: {0, 1}, FACES: {0, 1}, NONE: {4}, ANY: {0, 1, 4}}
    assert code in wanted.get(case.expected, {5})


@each_case
def test_cli_embed_writes_the_face_of_the_valid_picture(
    case: Case,
    corpus: dict[str, Path],
    hopper_file: Path,
    tmp_path: Path,
    run: Run,
) -> None:
    output = tmp_path / "out.npz"
    code, _ = run("embed", corpus[case.name], hopper_file, "-o", output)
    assert code == (EXIT_PARTLY if case.fails else 0)  # the other picture is valid
    assert set(os.listdir(tmp_path)) <= {output.name}
    with np.load(output) as saved:  # whole, with the face of the valid picture
        count = len(saved["embeddings"])
        assert saved["embeddings"].shape == (count, 512)
        assert saved["names"].shape == (count,)
        assert saved["names"][-1].endswith("hopper.png")


@some_cases
def test_cli_failed_enrol_leaves_the_gallery_unchanged(
    case: Case,
    corpus: dict[str, Path],
    enrolled: Path,
    tmp_path: Path,
    run: Run,
    recognizer: FaceRecognizer,
) -> None:
    gallery = Path(shutil.copy(enrolled, tmp_path / "people.db"))
    before = gallery.read_bytes()
    code, _ = run("enrol", gallery, "--name", "Ada", corpus[case.name])
    assert code in {FACE: {0}, ANY: {0, 5}}.get(case.expected, {5})
    if code:
        assert gallery.read_bytes() == before
    else:
        with recognizer.open_gallery(gallery, new=False) as people:
            assert tuple(people) == ("Grace", "Ada")
    assert os.listdir(tmp_path) == [gallery.name]


@each_case
def test_cli_refuses_a_picture_as_a_gallery(
    case: Case,
    corpus: dict[str, Path],
    hopper_file: Path,
    run: Run,
) -> None:
    path = corpus[case.name]
    regular = os.path.isfile(path)
    before = path.read_bytes() if regular and case.name != "1 TB" else None
    code, errors = run("gallery", "list", path)
    assert code == 5
    assert "gallery" in errors
    if regular:
        code, _ = run("enrol", path, "--name", "Ada", hopper_file)
        assert code == 5
        assert before is None or path.read_bytes() == before


@pytest.mark.parametrize("command", ["embed", "verify", "identify", "enrol"])
def test_cli_accepts_a_file_name_that_looks_like_an_option(
    command: str, enrolled: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "--help.jpg").write_bytes(jpeg())
    arguments: dict[str, list[object]] = {
        "embed": ["-o", "out.npz", "--", "--help.jpg"],
        "verify": ["--", "--help.jpg", "--help.jpg"],
        "identify": ["--", enrolled, "--help.jpg"],
        "enrol": ["--name", "Ada", "--", "new.db", "--help.jpg"],
    }
    code, _ = run(command, *arguments[command])
    assert code == (1 if command == "identify" else 0)


@each_zip
def test_cli_enrols_the_valid_pictures_of_a_zip(
    case: ZipCase, enrolled: Path, tmp_path: Path, run: Run, recognizer: FaceRecognizer
) -> None:
    """The command enrols what the page enrols, without the limits of the page."""
    path = case.write(tmp_path)
    for options in (["--name", "Ada"], []):
        gallery = Path(shutil.copy(enrolled, tmp_path / "people.db"))
        before = gallery.read_bytes()
        code, errors = run("enrol", gallery, *options, path)
        with recognizer.open_gallery(gallery, new=False) as opened:
            people = tuple(opened)
        if options and "photos in sub-folders" in errors:  # of several people
            assert code == 5
            assert gallery.read_bytes() == before
        elif case.name == "a picture" or case.name == "name too long":
            assert code == (0 if options else 5)
        elif not case.people:
            assert code == 5
            assert gallery.read_bytes() == before
        else:
            assert code in (0, 6)
            assert code == 6 or "error: " not in errors
            assert "Grace" in people
            assert not options or set(people) == {"Grace", "Ada"}
        assert set(os.listdir(tmp_path)) == {path.name, gallery.name}
        assert not Path("/tmp/evil.jpg").exists()


@each_gallery
def test_cli_refuses_a_bad_gallery_and_leaves_the_file_unchanged(
    case: GalleryCase, hopper_file: Path, tmp_path: Path, run: Run, recognizer: FaceRecognizer
) -> None:
    path = case.write(tmp_path, recognizer.fingerprint)
    before = path.read_bytes()
    code, errors = run("gallery", "list", path)
    assert code == (0 if case.expected is None else 5)
    assert case.expected is None or case.expected in errors
    usable = case.expected is None and case.usable
    code, _ = run("identify", path, hopper_file)
    assert code == (1 if usable else 5)
    assert run("gallery", "remove", path, "nobody at all")[0] == 5
    assert run("enrol", path, "--name", "Grace", hopper_file)[0] == 5
    code, _ = run("gallery", "copy", path, tmp_path / "people.db")
    assert code == (0 if usable else 5)
    if usable:
        with recognizer.open_gallery(tmp_path / "people.db", new=False) as people:
            assert tuple(people) == case.people
    assert path.read_bytes() == before
    assert set(os.listdir(tmp_path)) - {"people.db"} == {path.name}
    assert not Path("pickle_was_run").exists()


def test_cli_enrol_reports_bad_pictures_and_adds_the_others(
    corpus: dict[str, Path], enrolled: Path, tmp_path: Path, run: Run, recognizer: FaceRecognizer
) -> None:
    """The command reports every error and enrols every valid picture; equal faces only once."""
    bad = [case for case in CASES if case.fails and case.name != "folder"]
    good = [case for case in CASES if case.expected == FACE]
    gallery = Path(shutil.copy(enrolled, tmp_path / "people.db"))
    photos = [corpus[case.name] for case in (*bad, *good)]
    code, errors = run("enrol", gallery, "--name", "Ada", *photos)
    assert code == 6  # in part
    assert errors.count("error: ") == len(bad)
    with recognizer.open_gallery(gallery, new=False) as people:
        enrolled_rows = np.stack([e.template for e in people.examples("Ada")])
        assert len(people.examples("Grace")) == 1
    assert 10 < len(enrolled_rows) < len(good)
    for case in good:  # the gallery holds this face or an equal one
        embedding = recognizer.face(corpus[case.name]).embedding
        assert (enrolled_rows @ embedding).max() > 0.9998, case.name


# Run the command and print its peak memory: `ru_maxrss` would include that of the parent.
COMMAND = """
import atexit, pathlib, runpy
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: print(status.read_text() if status.exists() else "VmHWM: 0 kB"))
runpy.run_module("facehub", run_name="__main__")
"""


def test_the_command_embeds_the_whole_corpus_within_the_memory_limit(
    corpus: dict[str, Path], tmp_path: Path
) -> None:
    """The command runs in its own process, with streams as in a shell."""
    cases = [case for case in CASES if case.name != "folder"]
    output = tmp_path / "out.npz"
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "embed", *(corpus[c.name] for c in cases), "-o", output],
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 6  # in part
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"error: ") == sum(case.fails for case in cases)
    with np.load(output) as saved:
        assert len(saved["embeddings"]) >= 30 + sum(case.expected == FACE for case in cases)
    assert os.listdir(tmp_path) == [output.name]
    peak = re.search(rb"VmHWM:\s*(\d+) kB", done.stdout)
    assert peak is not None
    assert 1024 * int(peak[1]) < LIMIT_BYTES
