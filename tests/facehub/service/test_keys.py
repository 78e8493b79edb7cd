"""The file of API keys."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from facehub.hosting import SettingsError
from facehub.service.keys import FORMAT, KeyRing, Scope, digest_of, make_key, read_keys, write_keys


def test_key_file_holds_no_tokens(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    one, token = make_key("door", [Scope.READ], 60, ["staff"])
    other, other_token = make_key("desk", [Scope.READ, Scope.ENROL])
    write_keys(file, [one, other])
    assert read_keys(file) == [one, other]
    assert file.stat().st_mode & 0o077 == 0
    assert token not in file.read_text()
    assert len({token, other_token}) == 2
    assert len(token) >= 43  # 256 bits
    ring = KeyRing(file)
    assert ring.find(token) == one
    assert ring.find(other_token) == other
    assert ring.find(token + "x") is None
    assert ring.find(one.digest) is None
    assert ring.find("") is None


def test_removed_key_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    one, token = make_key("door", [Scope.READ])
    write_keys(file, [one])
    ring = KeyRing(file)
    assert ring.find(token)
    write_keys(file, [])
    assert ring.find(token) is None


def test_damaged_or_missing_key_file_refuses_every_key(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    one, token = make_key("door", [Scope.READ])
    write_keys(file, [one])
    ring = KeyRing(file)
    file.write_text("{")
    with pytest.raises(SettingsError):
        ring.find(token)
    file.unlink()
    with pytest.raises(SettingsError):
        ring.find(token)


def test_digest_of_a_token_with_invalid_characters() -> None:
    assert len(digest_of("\udc80\u00fc")) == 64


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"format": "other", "keys": []}',
        '{"format": "FORMAT", "keys": [1]}',
        '{"format": "FORMAT", "keys": [{"name": "a"}]}',
        "[" * 100_000,
    ],
)
def test_damaged_key_file_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content.replace("FORMAT", FORMAT))
    with pytest.raises(SettingsError, match=r"keys\.json is damaged"):
        KeyRing(file)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", 1),
        ("sha256", "12"),
        ("sha256", "x" * 64),
        ("scopes", []),
        ("scopes", ["root"]),
        ("rate", 0),
        ("rate", "many"),
        ("galleries", 1),
    ],
)
def test_key_file_with_invalid_values_is_refused(tmp_path: Path, field: str, value: object) -> None:
    file = tmp_path / "keys.json"
    write_keys(file, [make_key("door", [Scope.READ])[0]])
    content = json.loads(file.read_text())
    content["keys"][0][field] = value
    file.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match="damaged"):
        read_keys(file)


def test_missing_key_file_and_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        KeyRing(tmp_path / "keys.json")
    with pytest.raises(SettingsError, match="cannot be written"):
        write_keys(tmp_path / "no" / "keys.json", [])
    assert os.listdir(tmp_path) == []
