"""Each test has one kind, and a unit test can neither load a framework nor start a process."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kinds import FILES, GUARD, KINDS, kind_of_file

TESTS = Path(__file__).parent


def test_each_test_has_exactly_one_kind(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        assert len({mark.name for mark in item.iter_markers()} & set(KINDS)) == 1, item.nodeid


def test_every_listed_pattern_matches_a_file() -> None:
    files = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    for kind, patterns in FILES.items():
        for pattern in patterns:
            assert any(TESTS.glob(pattern)), pattern
        assert {kind_of_file(file) for file in files} >= {kind, None}
    assert kind_of_file("test_kinds.py") is None


@pytest.mark.unit
def test_a_unit_test_cannot_start_a_process_or_load_a_framework(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The test fails even where the code under test catches the error."""
    with pytest.raises(RuntimeError, match="a unit test starts a process"):
        subprocess.run(["true"])
    with pytest.raises(RuntimeError, match="a unit test starts a process"):
        multiprocessing.get_context("spawn").Process(target=print).start()
    monkeypatch.setattr(GUARD, "alone", True)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(RuntimeError, match="a unit test imports torch"):
        import torch  # noqa: F401
    assert len(GUARD.refused) == 3
    GUARD.refused.clear()
