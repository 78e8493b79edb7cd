"""Processes that share a gallery or are killed: two benchmarks in small, and what they detect."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import kills, writers
from facehub import MemoryGallery, open_gallery

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL")


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a gallery that does not exist yet."""
    if request.param == "sqlite":
        return str(tmp_path / "people.db")
    return request.getfixturevalue("postgres").address(tmp_path.name)


def test_parallel_writers_lose_nobody_and_searches_find_everybody(address: str) -> None:
    outcome = writers.run(address, processes=3, people=10, rounds=2, there=20)
    assert outcome.faults == []
    assert outcome.enrolled == 60
    assert outcome.searches > 0


def test_reported_changes_survive_kills(address: str) -> None:
    outcome = kills.run(address, 8)
    assert outcome.faults == []
    assert outcome.kills == outcome.caught.total() == 8
    assert outcome.reported > 0


def test_gallery_file_survives_kills(tmp_path: Path) -> None:
    outcome = kills.run(str(tmp_path / "people.safetensors"), 8)
    assert outcome.faults == []
    assert outcome.reported > 0
    assert [path.name for path in tmp_path.iterdir()] == ["people.safetensors"]


def test_writers_benchmark_detects_a_lost_person(tmp_path: Path) -> None:
    address, outcome = str(tmp_path / "people.db"), writers.Outcome()
    with writers._opened(address) as gallery:
        for number in range(5):
            gallery.add(f"p{number}", writers.template(number))
        writers._search(gallery, 0, [5], 0, 5, outcome)
        writers._compare(gallery, 5, outcome)
        assert outcome.faults == []
        gallery.remove("p4")
        writers._search(gallery, 0, [5], 0, 5, outcome)
        assert outcome.faults[0] == "p4 was reported, and not found"
        writers._compare(gallery, 5, outcome)
        assert "4 of 5 people are there" in outcome.faults


def test_kills_benchmark_detects_half_a_change_and_a_leftover_file(tmp_path: Path) -> None:
    address, outcome = str(tmp_path / "people.db"), kills.Outcome()
    model = MemoryGallery(kills.FINGERPRINT, kills.SIZE)
    step: kills.Step = (("enrol", "Ann", "7"), ("enrol", "Bob", "9"))
    with open_gallery(address, kills.FINGERPRINT, kills.SIZE) as gallery:
        kills.apply(gallery, step[:1])
    kills._check(address, model, step, 0, outcome)
    assert outcome.faults[0].endswith("the gallery holds something else")
    (tmp_path / "people.db-left").touch()
    outcome = kills.Outcome()
    kills._check(address, model, (), 0, outcome)
    assert outcome.faults[-1].endswith("people.db-left lie beside people.db")
