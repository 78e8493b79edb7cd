"""`facehub keys`, and errors of `facehub serve`; `tests/facehub/service/test_docs.py` runs it."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facehub.cli.main import main
from facehub.service.keys import KeyRing, Scope, read_keys


def test_keys_are_added_listed_and_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keys.json"
    words = ["keys", str(file), "--add", "door", "--scopes", "read,enrol"]
    assert main([*words, "--rate", "60", "--galleries", "staff,people"]) == 0
    token = capsys.readouterr().out.strip()
    key = KeyRing(file).find(token)
    assert key is not None
    assert (key.name, key.rate) == ("door", 60)
    assert key.scopes == {Scope.READ, Scope.ENROL}
    assert key.galleries == {"staff", "people"}
    assert main(["keys", str(file), "--add", "desk", "--json"]) == 0
    added = json.loads(capsys.readouterr().out)
    assert added["name"] == "desk"
    assert KeyRing(file).find(added["token"]).scopes == {Scope.READ}

    assert main(["keys", str(file)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "door: enrol, read; 60 requests a minute; people, staff",
        "desk: read; 600 requests a minute; all galleries",
    ]
    assert main(["keys", str(file), "--remove", "door", "--json"]) == 0
    (left,) = json.loads(capsys.readouterr().out)["keys"]
    assert left == {"name": "desk", "scopes": ["read"], "rate": 600, "galleries": None}
    assert KeyRing(file).find(token) is None


@pytest.mark.skipif(os.name == "nt", reason="no locks of this kind")
def test_concurrent_changes_of_keys_lose_none(tmp_path: Path) -> None:
    """Without a lock a new key could be lost, or a removed one kept."""
    file = tmp_path / "keys.json"
    assert main(["keys", str(file), "--add", "old"]) == 0

    def change(number: int) -> int:
        words = ["--add", f"k{number}"] if number else ["--remove", "old"]
        return main(["keys", str(file), *words])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(change, range(16))) == [0] * 16
    assert {key.name for key in read_keys(file)} == {f"k{number}" for number in range(1, 16)}


def test_invalid_change_of_keys_leaves_the_file_unchanged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keys.json"
    assert main(["keys", str(file)]) == 5  # nothing to list
    assert not file.exists()
    assert main(["keys", str(file), "--add", "door"]) == 0
    before = file.read_bytes()
    for words, message in (
        (["--add", "door"], "already a key door"),
        (["--add", " "], "needs a name"),
        (["--remove", "desk"], "no key desk"),
    ):
        assert main(["keys", str(file), *words]) == 5
        assert message in capsys.readouterr().err
    assert main(["keys", str(file), "--add", "desk", "--scopes", "root"]) == 2
    assert "--scopes must be of read, enrol" in capsys.readouterr().err
    assert file.read_bytes() == before


@pytest.mark.models
def test_serve_refuses_missing_keys_and_an_unnamed_gallery(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "--gallery", "people=people.db"]) == 5
    assert "keys.json cannot be read" in capsys.readouterr().err
    assert main(["serve", "--gallery", "people.db"]) == 5
    assert "NAME=ADDRESS" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_serve_without_uvicorn_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.startswith("facehub.service.")]:
        monkeypatch.delitem(sys.modules, name)

    class NoUvicorn:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "uvicorn":
                raise ModuleNotFoundError("No module named 'uvicorn'", name=name)

    monkeypatch.delitem(sys.modules, "uvicorn", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoUvicorn(), *sys.meta_path])
    assert main(["serve"]) == 5
    assert "pip install 'facehub[serve]'" in capsys.readouterr().err
