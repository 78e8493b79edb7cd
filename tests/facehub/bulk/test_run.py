"""Bulk runs: an interrupted run resumes, and a finished run leaves no shards behind."""

from __future__ import annotations

import functools
import os
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from facehub.bulk.run import embed_photos
from facehub.bulk.shards import Shard, write_shard
from facehub.bulk.stage import EmbeddedPhoto, Stage
from facehub.errors import FaceHubError
from facehub.io.sources import Picture
from tests.facehub.bulk.stages import FakeConfig, RecordedProgress, photos

pytest.importorskip("pyarrow", reason="shards need pyarrow")

ROOT = Path(__file__).parents[3]


def run_in_this_process(
    shards: Sequence[Shard],
    load: Callable[[], Stage],
    folder: Path,
    *,
    report: Callable[[int], None],
    fail_after: int = 99,
) -> None:
    """An engine without other processes, which may fail after some shards."""
    for number, shard in enumerate(shards):
        if number == fail_after:
            raise FaceHubError("interrupted")
        write_shard(folder / shard.file, list(load()(p.read for p in shard.pictures)))
        report(2 * number + 2)


def embed(
    pictures: list[Picture], folder: Path, key: str = "key", fail_after: int = 99
) -> tuple[list[EmbeddedPhoto], RecordedProgress]:
    progress = RecordedProgress()
    engine = functools.partial(run_in_this_process, fail_after=fail_after)
    with embed_photos(pictures, FakeConfig(key), folder, engine, progress, shard_size=2) as found:
        return list(found), progress


def starts(log: Path) -> Counter[str]:
    return Counter(line.partition(" ")[2] for line in log.read_text().splitlines())


def test_uninterrupted_run_embeds_all_photos_and_removes_its_folder(
    tmp_path: Path, log: Path
) -> None:
    found, progress = embed(photos(*"abc"), tmp_path / "parts")
    assert [p.path for p in found] == [f"photos/00{i}.jpg" for i in range(3)]
    assert progress.calls[0] == ("begin", 3, 0)
    assert progress.calls[-1][0] == "end"
    assert not (tmp_path / "parts").exists()


def test_interrupted_run_resumes_after_its_finished_shards(tmp_path: Path, log: Path) -> None:
    folder = tmp_path / "parts"
    with pytest.raises(FaceHubError, match="interrupted"):
        embed(photos(*"abcde"), folder, fail_after=1)
    (folder / ".facehub-half.part").touch()  # left by a killed process
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    found, progress = embed(photos(*"abcde"), folder)
    assert len(found) == 5
    assert progress.calls[0] == ("begin", 5, 2)
    assert starts(log) == dict.fromkeys("abcde", 1)
    assert not folder.exists()


def test_run_with_other_weights_uses_no_old_shard(tmp_path: Path, log: Path) -> None:
    with pytest.raises(FaceHubError):
        embed(photos(*"abc"), tmp_path / "parts", fail_after=1)
    _, progress = embed(photos(*"abc"), tmp_path / "parts", key="other")
    assert progress.calls[0] == ("begin", 3, 0)
    assert not (tmp_path / "parts").exists()


def test_error_of_the_caller_keeps_finished_shards(tmp_path: Path, log: Path) -> None:
    with (
        pytest.raises(BrokenPipeError),
        embed_photos(
            photos("a"), FakeConfig(), tmp_path / "parts", run_in_this_process, RecordedProgress()
        ),
    ):
        raise BrokenPipeError
    assert len(list((tmp_path / "parts").glob("*.parquet"))) == 1


def test_folder_with_other_files_is_not_removed(tmp_path: Path, log: Path) -> None:
    (tmp_path / "mine.txt").touch()
    embed(photos("a"), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "log"}


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind")
def test_folder_in_use_refuses_a_second_run(tmp_path: Path, log: Path) -> None:
    def embed_meanwhile(*_: object, **__: object) -> None:
        with pytest.raises(FaceHubError, match="Another process uses"):
            embed(photos("a"), tmp_path / "parts")
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        embed_photos(
            photos("a"), FakeConfig(), tmp_path / "parts", embed_meanwhile, RecordedProgress()
        ),
    ):
        pass
    embed(photos("a"), tmp_path / "parts")


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FaceHubError, match="cannot be used: No such file"):
        embed(photos("a"), tmp_path / "nothing" / "parts")


COMMAND = """
import functools, sys
from pathlib import Path
from facehub.bulk.pool import run_shards
from facehub.bulk.run import embed_photos
from tests.facehub.bulk.stages import FakeConfig, RecordedProgress, photos

if __name__ == "__main__":
    words = [*"abcd", "sleep 30", "sleep 30"]
    engine = functools.partial(run_shards, workers=1)
    with embed_photos(
        photos(*words), FakeConfig(), Path(sys.argv[1]), engine, RecordedProgress(), shard_size=2
    ):
        pass
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_killed_command_ends_its_worker_and_can_resume(tmp_path: Path, log: Path) -> None:
    """Finished shards are neither lost nor repeated."""
    folder = tmp_path / "parts"
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    command = subprocess.Popen(
        [sys.executable, str(script), str(folder)], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        wait_until(lambda: "sleep" in log.read_text())
    finally:
        command.kill()
        command.wait()
    worker = int(log.read_text().splitlines()[-1].split()[0])
    wait_until(lambda: not alive(worker))
    assert len(list(folder.glob("*.parquet"))) == 2
    progress = RecordedProgress()
    words = [*"abcd", "sleep 0", "sleep 0"]
    with embed_photos(
        photos(*words), FakeConfig(), folder, run_in_this_process, progress, shard_size=2
    ) as found:
        assert [len(p.faces) for p in found] == [1] * 6
    assert progress.calls[0] == ("begin", 6, 4)
    assert starts(log) == {**dict.fromkeys("abcd", 1), "sleep 30": 1, "sleep 0": 2}
    assert not folder.exists()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return sys.platform != "linux"
