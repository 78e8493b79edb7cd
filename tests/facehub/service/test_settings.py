"""Settings of the service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from facehub.hosting import SettingsError
from facehub.service.settings import Settings

ROOT = Path(__file__).parents[3]


def test_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()
    assert not Settings().allow_embed


def test_every_variable_is_read() -> None:
    found = Settings.from_environment(
        {
            "FACEHUB_FMR": "0.01",
            "FACEHUB_MAX_UPLOAD_MB": "8",
            "FACEHUB_QUEUE_SIZE": "10",
            "FACEHUB_WORKERS": "3",
            "FACEHUB_KEYS": "k.json",
            "FACEHUB_GALLERIES": "staff=postgresql://a:b=c@h/d  'people=my people.db'",
            "FACEHUB_ALLOW_EMBED": "1",
            "FACEHUB_DEADLINE_SECONDS": "5",
        }
    )
    addresses = {"staff": "postgresql://a:b=c@h/d", "people": "my people.db"}
    assert found == Settings(None, 0.01, 8, 10, 3, 5, Path("k.json"), addresses, True)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FACEHUB_GALLERIES", "secret.db", "NAME=ADDRESS"),
        ("FACEHUB_GALLERIES", "people=", "NAME=ADDRESS"),
        ("FACEHUB_GALLERIES", "../people=secret", "NAME=ADDRESS"),
        ("FACEHUB_GALLERIES", "a=secret a=secret", "two galleries a"),
        ("FACEHUB_GALLERIES", "'a=secret", "quote"),
        ("FACEHUB_ALLOW_EMBED", "yes", "must be 0 or 1"),
        ("FACEHUB_DEADLINE_SECONDS", "0", "FACEHUB_DEADLINE_SECONDS must be a number from 1"),
        ("FACEHUB_WORKERS", "1.5", "whole number"),
    ],
)
def test_bad_value_is_refused_without_printing_secrets(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        Settings.from_environment({name: value})
    assert "secret" not in str(error.value)


def test_the_documentation_names_every_variable() -> None:
    files = [ROOT / "facehub" / name for name in ("hosting.py", "service/settings.py")]
    used = {name for f in files for name in re.findall(r'"(FACEHUB_[A-Z_]+)"', f.read_text())}
    text = (ROOT / "docs" / "service.md").read_text()
    assert set(re.findall(r"^\| `(FACEHUB_[A-Z_]+)`", text, re.MULTILINE)) == used
