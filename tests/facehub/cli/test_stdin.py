"""A photo on standard input, named "-"."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facehub.io.images import MAX_BYTES
from tests.facehub.cli.conftest import Run


class Endless(io.RawIOBase):
    """A stream longer than any allowed picture; it counts the bytes that are read."""

    requested = 0

    def read(self, size: int = -1) -> bytes:
        assert 0 < size <= MAX_BYTES + 1
        self.requested += size
        return b"\xff\xd8\xff" + bytes(size - 3)


@pytest.fixture
def fed(photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo that is also on standard input."""
    feed(monkeypatch, (photos / "hopper.jpg").read_bytes())
    return photos / "hopper.jpg"


def feed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))


@pytest.mark.parametrize("words", [["-", "PHOTO"], ["PHOTO", "-"]])
def test_verify_reads_a_photo_from_standard_input(run: Run, fed: Path, words: list[str]) -> None:
    code, stdout, _ = run("verify", *(fed if word == "PHOTO" else word for word in words))
    assert (code, stdout.splitlines()[0]) == (0, "same person")


def test_enrol_and_identify_read_photos_from_standard_input(
    run: Run, fed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = tmp_path / "people.db"
    assert run("enrol", people, "-", "--name", "Grace")[0] == 0
    feed(monkeypatch, fed.read_bytes())
    code, stdout, _ = run("identify", people, "-", "--json")
    assert code == 0
    (found,) = json.loads(stdout)["photos"]
    assert (found["photo"], found["faces"][0]["name"]) == ("-", "Grace")
    assert found["faces"][0]["candidates"][0]["source"] == "stdin"


def test_embed_reads_a_photo_from_standard_input(run: Run, fed: Path, tmp_path: Path) -> None:
    code, stdout, _ = run("embed", "-", fed, "-o", tmp_path / "faces.csv")
    assert code == 0
    assert stdout.startswith("2 faces from 2 photos")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("embed - - -o FOLDER/x.csv", 6, "error: -: Standard input holds one picture only."),
        ("enrol FOLDER/x.db -", 5, "use --name to say who it shows"),
        ("embed - -o FOLDER/x.csv --workers 2", 2, "read by this process alone: leave out --work"),
        ("embed - -o FOLDER/x.csv --parts FOLDER/p", 2, "leave out --workers, --ray and --parts"),
    ],
)
@pytest.mark.usefixtures("fed")
def test_unsupported_use_of_standard_input_is_refused(
    run: Run, tmp_path: Path, words: str, code: int, message: str
) -> None:
    found, _, stderr = run(*words.replace("FOLDER", str(tmp_path)).split())
    assert found == code
    assert message in stderr


@pytest.mark.parametrize("command", ["verify - PHOTO", "identify GALLERY -"])
@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "The file is empty"), (b"no picture", "not a picture in a supported format")],
)
def test_standard_input_without_a_picture_is_an_error(
    run: Run,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    content: bytes,
    message: str,
) -> None:
    run("enrol", tmp_path / "people.db", photos / "hopper.jpg", "--name", "Grace")
    feed(monkeypatch, content)
    places = {"PHOTO": photos / "hopper.jpg", "GALLERY": tmp_path / "people.db"}
    code, _, stderr = run(*(places.get(word, word) for word in command.split()))
    assert code == 5
    assert stderr.startswith("error: -: ")
    assert message in stderr


def test_standard_input_has_the_size_limit_of_files(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = Endless()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=endless))
    code, _, stderr = run("verify", "-", photos / "hopper.jpg")
    assert code == 5
    assert stderr == "error: -: The file is larger than 32 MB.\n"
    assert endless.requested == MAX_BYTES + 1


def test_closed_standard_input_is_an_error(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    code, _, stderr = run("verify", "-", photos / "hopper.jpg")
    assert (code, stderr) == (5, "error: -: Standard input is closed.\n")


@pytest.mark.models
@pytest.mark.parametrize("source", ["file", "pipe"])
def test_verify_process_reads_redirected_standard_input(source: str, photos: Path) -> None:
    photo = photos / "hopper.jpg"
    command = [sys.executable, "-m", "facehub", "verify", "-", str(photo)]
    with photo.open("rb") as file:
        given: dict[str, Any] = {"stdin": file} if source == "file" else {"input": file.read()}
        done = subprocess.run(command, capture_output=True, timeout=120, **given)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"same person\n")
