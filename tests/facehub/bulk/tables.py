"""Reading of the tables that bulk runs write."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any


def read_table(path: Path) -> list[dict[str, Any]]:
    """The rows of a .jsonl, .csv or .parquet file."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    import pyarrow.parquet

    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows
