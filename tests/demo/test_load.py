"""Conditions under which the load benchmark fails."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "load.py"
spec = importlib.util.spec_from_file_location("load", FILE)
assert spec is not None
assert spec.loader is not None
load = importlib.util.module_from_spec(spec)
spec.loader.exec_module(load)

MEMORY = [500, 900, 1000, 1050, 1099]  # the benchmark compares memory from 20 s on


@pytest.mark.parametrize(
    ("outcomes", "overhead", "memory", "left", "fault"),
    [
        ({"same": 9, "busy": 1}, 0.05, MEMORY, False, None),
        ({"same": 9}, 0.05, [500, 900], False, None),  # too short to tell
        ({"same": 9, "error": 1}, 0.05, MEMORY, False, "something else"),
        ({"busy": 9}, 2e9, MEMORY, False, "the page adds"),
        ({"same": 9}, 0.051, MEMORY, False, "the page adds"),
        ({"same": 9}, 0.05, [*MEMORY, 1101], False, "memory"),
        ({"same": 9}, 0.05, MEMORY, True, "left"),
    ],
)
def test_load_benchmark_reports_each_fault(
    outcomes: dict[str, int], overhead: float, memory: list[float], left: bool, fault: str | None
) -> None:
    found = load.faults(Counter(outcomes), overhead, memory, left)
    assert len(found) == (fault is not None)
    assert fault is None or fault in found[0]
