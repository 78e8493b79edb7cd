"""With --json every command prints one JSON value on standard output, whatever happens."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import facehub
from facehub.cli.parser import make_parser
from tests.arguments import commands_of
from tests.facehub.cli.conftest import Run
from tests.facehub.model.networks import save_network

COMMANDS = [" ".join(words) for words, _ in commands_of(make_parser())]
ENDLESS = ("serve", "demo")  # they run until they are interrupted


def keys_of(value: Any) -> set[str]:
    """All keys, at every depth."""
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def check(stdout: str) -> Any:
    """Read exactly one JSON value; its keys are lower case with underscores."""
    value = json.loads(stdout)
    for key in keys_of(value):
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", key), key
    return value


def lines(folder: Path, photos: Path) -> dict[str, list[Any]]:
    """A command line for each command, in a folder with `people.db` and `net.onnx`."""
    people, photo = folder / "people.db", photos / "hopper.jpg"
    return {
        "verify": ["verify", photos / "both.png", photo, "--faces", "best_pair"],
        "embed": ["embed", photo, photos / "text.jpg", "-o", folder / "faces.npz"],
        "cluster": ["cluster", photo, "-o", folder / "album.json"],
        "info": ["info"],
        "enrol": ["enrol", people, photos, "--name", "Ann"],
        "identify": ["identify", people, photos],
        "gallery list": ["gallery", "list", people],
        "gallery remove": ["gallery", "remove", people, "Grace"],
        "gallery rename": ["gallery", "rename", people, "Grace", "Admiral Hopper"],
        "gallery merge": ["gallery", "merge", people, "Grace", "Eileen"],
        "gallery purge": ["gallery", "purge", people],
        "gallery index": ["gallery", "index", people],  # an error: the gallery is not in PostgreSQL
        "gallery check": ["gallery", "check", people, "--probes", 2],
        "gallery copy": ["gallery", "copy", people, folder / "copy.safetensors"],
        "model add": ["model", "add", folder / "net.onnx", "-o", folder / "net"],
        "keys": ["keys", folder / "keys.json", "--add", "desk"],
        "completion": ["completion", "zsh"],
    }


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in ENDLESS])
def test_answer_of_every_command_is_one_json_value(
    run: Run, command: str, tmp_path: Path, photos: Path, enrolled: Path
) -> None:
    shutil.copy(enrolled, tmp_path / "people.db")
    save_network(tmp_path / "net.onnx")
    code, stdout, _ = run(*lines(tmp_path, photos)[command], "--json")
    answer = check(stdout)
    assert code in (0, 5 if command == "gallery index" else 6)
    assert ("error" in answer) == (code == 5)


@pytest.mark.parametrize("command", COMMANDS)
def test_usage_error_of_every_command_is_one_json_value(run: Run, command: str) -> None:
    code, stdout, stderr = run(*command.split(), "--hurry", "--json")
    assert code == 2
    error = check(stdout)["error"]
    assert error.keys() == {"code", "message"}
    assert error["code"] == "UsageError"
    assert stderr == f"error: {error['message']}\n"


@pytest.mark.parametrize("words", [["--json"], ["gallery", "--json"], ["fly", "--json"]])
def test_usage_error_without_a_command_is_one_json_value(run: Run, words: list[str]) -> None:
    code, stdout, _ = run(*words)
    assert code == 2
    assert check(stdout)["error"]["code"] == "UsageError"


FAILING = {
    "verify": "verify no.jpg no.jpg",
    "embed": "embed no.jpg -o no/x.csv",
    "cluster": "cluster no.jpg -o no/x.csv",
    "info": "info --weights no/weights",
    "enrol": "enrol no/x.db no.jpg --name Ann",
    "identify": "identify no.db no.jpg",
    "gallery list": "gallery list no.db",
    "gallery remove": "gallery remove no.db A",
    "gallery rename": "gallery rename no.db A B",
    "gallery merge": "gallery merge no.db A B",
    "gallery purge": "gallery purge no.db",
    "gallery index": "gallery index no.db",
    "gallery check": "gallery check no.db",
    "gallery copy": "gallery copy no.db x.db",
    "model add": "model add no.onnx -o x",
    "demo": "demo",
    "serve": "serve --keys no.json",
    "keys": "keys no.json",
}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "completion"])
def test_error_of_every_command_is_one_json_value(
    run: Run, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEHUB_THRESHOLD", "high")  # which the page and the service refuse
    code, stdout, stderr = run(*FAILING[command].split(), "--json")
    assert code == 5
    value = check(stdout)
    if "error" in value:
        assert value["error"]["code"].endswith("Error")
        assert stderr == f"error: {value['error']['message']}\n"
    else:
        assert value["failed"]
    assert list(tmp_path.iterdir()) == []


def test_interrupted_command_prints_one_json_value(
    run: Run, monkeypatch: pytest.MonkeyPatch, photos: Path
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(facehub.FaceRecognizer, "from_pretrained", interrupt)
    code, stdout, stderr = run("verify", photos / "hopper.jpg", photos / "hopper.jpg", "--json")
    assert (code, stderr) == (130, "interrupted\n")
    assert check(stdout)["error"]["code"] == "Interrupted"
