"""Tables: every format holds exactly the same rows in a private file."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facehub.bulk.table import ERROR, GEOMETRY, PHOTO, SUFFIXES, Column, open_table
from facehub.errors import FaceHubError
from facehub.results import Candidate
from tests.facehub.bulk.tables import read_table

pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")

VECTOR = np.array([1 / 3, -1e-20, 16777217.0], np.float32)
COLUMNS = (
    *PHOTO,
    *GEOMETRY,
    Column("embedding", "numbers", ("e0", "e1", "e2")),
    Column("candidates", "candidates"),
    *ERROR,
)
CANDIDATES = [Candidate("Zo\xeb", 0.5, 0, 'a "b".jpg', 0.25, True).to_dict()]
ROWS: list[dict[str, Any]] = [
    {
        "photo": 'a, "b"\n.jpg',
        "face": 1,
        "box": (0.5, 1.5, 2.5, 3.5),
        "yaw": -1.5,
        "issues": ["blurred", "cut_off"],
        "embedding": VECTOR,
        "candidates": CANDIDATES,
    },
    {"photo": "caf\udce9.jpg", "error": "NoFaceError", "message": "No face."},
]


def write(path: Path) -> None:
    with open_table(path, COLUMNS, {"fingerprint": "sha256:1"}) as table:
        for row in ROWS:
            table.write([row])
        table.commit()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_table_holds_exact_rows_in_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    write(path)
    first, second = read_table(path)
    assert first["photo"] == ROWS[0]["photo"]
    assert second["photo"] == ("caf\udce9.jpg" if suffix == ".jsonl" else "caf\\udce9.jpg")
    assert second["error"] == "NoFaceError"
    if suffix == ".csv":
        assert [float(first[f"box_{p}"]) for p in ("x0", "y0", "x1", "y1")] == [0.5, 1.5, 2.5, 3.5]
        embedding = [float(first[f"e{i}"]) for i in range(3)]
        assert first["issues"] == "blurred cut_off"
        assert json.loads(first["candidates"]) == CANDIDATES
        assert (second["face"], second["e0"], second["issues"]) == ("", "", "")
    else:
        assert list(first["box"]) == [0.5, 1.5, 2.5, 3.5]
        embedding = first["embedding"]
        assert first["issues"] == ["blurred", "cut_off"]
        assert first["candidates"] == CANDIDATES
        assert second["face"] is second["embedding"] is second["issues"] is None
    np.testing.assert_array_equal(np.array(embedding, np.float32), VECTOR)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_parquet_table_holds_the_fingerprint(tmp_path: Path) -> None:
    import pyarrow.parquet

    write(tmp_path / "table.parquet")
    schema = pyarrow.parquet.read_schema(tmp_path / "table.parquet")
    assert schema.metadata[b"facehub.fingerprint"] == b"sha256:1"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_commit_the_old_file_stays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    path.write_bytes(b"old")
    with open_table(path, COLUMNS) as table:
        table.write(ROWS)
    with pytest.raises(TypeError), open_table(path, COLUMNS) as table:
        table.write([*ROWS, {"photo": "a.jpg", "embedding": 3}] * 5000)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_suffix_and_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FaceHubError, match=r"must end with \.csv, \.jsonl or \.parquet\."):
        open_table(tmp_path / "table.txt", COLUMNS)
    with pytest.raises(FaceHubError, match="cannot be written: No such file"):
        open_table(tmp_path / "nothing" / "table.csv", COLUMNS)
