"""Each test is of one kind, and a unit test can neither load a network nor start a process."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kinds import FILES, GUARD, KINDS, kind_of_file

TESTS = Path(__file__).parent


def test_each_test_is_of_one_kind(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        assert len({mark.name for mark in item.iter_markers()} & set(KINDS)) == 1, item.nodeid


def test_what_is_listed_is_there() -> None:
    files = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    for kind, patterns in FILES.items():
        for pattern in patterns:
            assert any(TESTS.glob(pattern)), pattern
        assert {kind_of_file(file) for file in files} >= {kind, None}
    assert kind_of_file("test_kinds.py") is None


@pytest.mark.unit
def test_a_unit_test_can_start_no_process_and_load_no_framework(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the code under test catches the error, the test fails all the same."""
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
