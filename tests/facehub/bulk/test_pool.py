"""Worker processes: a killed one loses no photo and repeats no finished shard."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from facehub.bulk.pool import run_shards
from facehub.bulk.shards import plan_shards, read_shard
from facehub.bulk.stage import EmbeddedPhoto
from facehub.errors import FaceHubError, WeightsError
from facehub.io.sources import Picture
from tests.facehub.bulk.stages import BrokenConfig, DyingConfig, FakeConfig, photos

pytest.importorskip("pyarrow", reason="shards need pyarrow")


def run(
    pictures: list[Picture], folder: Path, *, workers: int = 2, size: int = 2
) -> tuple[list[EmbeddedPhoto], list[int]]:
    """Return the photos and the reported counts."""
    reports: list[int] = []
    shards = plan_shards(pictures, "key", size)
    run_shards(shards, FakeConfig().load, folder, workers=workers, report=reports.append)
    return [p for shard in shards for p in read_shard(folder / shard.file, shard)], reports


def starts(log: Path) -> Counter[str]:
    """How often the stage started each photo."""
    return Counter(line.partition(" ")[2] for line in log.read_text().splitlines())


def test_killed_worker_loses_no_photo(tmp_path: Path, log: Path) -> None:
    """The worker of the fifth shard dies once; finished shards are not repeated.

    Only one worker runs: a second one would repeat its unfinished shard, too.
    """
    words = [*(f"a{i}" for i in range(8)), "b", f"die-once {tmp_path / 'died'}", "bad", "raise"]
    found, reports = run(photos(*words), tmp_path, workers=1)
    assert [p.path for p in found] == [p.path for p in photos(*words)]
    assert [len(p.faces) for p in found] == [1] * 10 + [0, 0]
    assert [type(p.error).__name__ for p in found[10:]] == ["ImageDecodeError", "ImageError"]
    assert (tmp_path / "died").exists()
    assert [starts(log)[f"a{i}"] for i in range(8)] == [1] * 8
    assert starts(log)["b"] == 2
    assert reports[-1] == 12
    assert len({line.split()[0] for line in log.read_text().splitlines()}) >= 2


def test_photo_that_kills_every_worker_is_an_error(tmp_path: Path, log: Path) -> None:
    found, _ = run(photos("a", "b", "die", "c"), tmp_path, workers=1)
    assert [p.error is None for p in found] == [True, True, False, True]
    assert "The process that searched this picture died" in str(found[2].error)
    assert starts(log) == {"a": 1, "b": 1, "die": 3, "c": 1}


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        (BrokenConfig(), WeightsError, "no weights"),
        (DyingConfig(), FaceHubError, "die at the start"),
    ],
)
def test_worker_that_cannot_start_ends_the_run(
    tmp_path: Path, config: FakeConfig, error: type[FaceHubError], message: str
) -> None:
    with pytest.raises(error, match=message):
        run_shards(plan_shards(photos("a"), "key"), config.load, tmp_path, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_error_of_the_stage_ends_the_run_and_keeps_finished_shards(
    tmp_path: Path, log: Path
) -> None:
    shards = plan_shards(photos("a", "b", "end", "c"), "key", 2)
    with pytest.raises(FaceHubError, match="no use to go on"):
        run_shards(shards, FakeConfig().load, tmp_path, workers=1)
    assert [path.name for path in tmp_path.glob("*.parquet")] == [shards[0].file]


def test_folder_that_cannot_be_written_ends_the_run(tmp_path: Path, log: Path) -> None:
    with pytest.raises(FaceHubError, match="cannot be written: No such file"):
        run(photos("a"), tmp_path / "nothing", workers=1)
