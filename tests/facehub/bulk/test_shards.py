"""Shards: names that depend on their content, exact values, damaged and removed files."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest

from facehub.bulk.shards import (
    is_finished,
    plan_shards,
    read_shard,
    remove_shards,
    write_shard,
)
from facehub.errors import ImageDecodeError, NoFaceError
from tests.facehub.bulk.stages import face, photos

pytest.importorskip("pyarrow", reason="shards need pyarrow")


def test_shard_keeps_faces_and_errors_exactly(tmp_path: Path) -> None:
    """Every number stays the same bit for bit; so do the order and photos without a face."""
    (shard,) = plan_shards(photos("a", "b", "c", "d"), "key")
    found = [face("a", number) for number in range(3)]
    write_shard(tmp_path / shard.file, [found, ImageDecodeError("damaged"), [], [face("d", 0)]])
    first, second, third, fourth = read_shard(tmp_path / shard.file, shard)
    assert [p.path for p in (first, second, third, fourth)] == [p.path for p in shard.pictures]
    for ours, theirs in zip(first.faces, found, strict=True):
        assert ours.embedding.dtype == np.float32
        for one, other in (
            (ours.embedding, theirs.embedding),
            (ours.face.pupils, theirs.face.pupils),
            (ours.face.matrix, theirs.face.matrix),
        ):
            np.testing.assert_array_equal(one, other)
        assert ours.face.box == theirs.face.box
        assert ours.to_dict() == theirs.to_dict()
        assert ours.issues == theirs.issues
    assert isinstance(second.error, ImageDecodeError)
    assert str(second.error) == "damaged"
    assert (len(second.faces), len(third.faces), third.error) == (0, 0, None)
    assert len(fourth.faces) == 1
    assert stat.S_IMODE((tmp_path / shard.file).stat().st_mode) == 0o600


def test_shard_without_any_face_can_be_read(tmp_path: Path) -> None:
    (shard,) = plan_shards(photos("a", "b"), "key")
    write_shard(tmp_path / shard.file, [[], NoFaceError("none")])
    first, second = read_shard(tmp_path / shard.file, shard)
    assert (first.error, len(first.faces)) == (None, 0)
    assert isinstance(second.error, NoFaceError)


def test_name_of_a_shard_depends_on_its_photos_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = photos(*"abcde")
    plan = plan_shards(pictures, "key", 2)
    names = [shard.file for shard in plan]
    assert [len(shard.pictures) for shard in plan] == [2, 2, 1]
    assert names == [shard.file for shard in plan_shards(photos(*"abcde"), "key", 2)]
    assert not set(names) & {shard.file for shard in plan_shards(pictures, "other", 2)}
    more = [shard.file for shard in plan_shards(photos(*"abcdef"), "key", 2)]
    assert more[:2] == names[:2]
    assert more[2] != names[2]
    monkeypatch.chdir("/")  # a relative path names another photo there
    assert names[0] != plan_shards(pictures, "key", 2)[0].file


def test_a_damaged_shard_is_not_finished(tmp_path: Path) -> None:
    path = tmp_path / "000000-0.parquet"
    assert not is_finished(path)
    write_shard(path, [[face("a", 0)]])
    assert is_finished(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert not is_finished(path)


def test_remove_shards_leaves_other_files(tmp_path: Path) -> None:
    (shard,) = plan_shards(photos("a"), "key")
    half = tmp_path / ".facehub-x1y2.part"  # left by a killed process
    others = [tmp_path / "mine.parquet", tmp_path / ".hidden", tmp_path / "000000.parquet"]
    for path in (half, tmp_path / shard.file, *others):
        path.touch()
    remove_shards(tmp_path)
    assert set(tmp_path.iterdir()) == set(others)
