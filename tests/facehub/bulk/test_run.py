"""Bulk work that is interrupted goes on where it was, and leaves nothing behind at its end."""

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
from tests.facehub.bulk.stages import FakeConfig, Told, photos

pytest.importorskip("pyarrow", reason="shards need pyarrow")

ROOT = Path(__file__).parents[3]


def here(
    shards: Sequence[Shard],
    load: Callable[[], Stage],
    folder: Path,
    *,
    report: Callable[[int], None],
    fail_after: int = 99,
) -> None:
    """An engine without processes, that may fail after some shards."""
    for number, shard in enumerate(shards):
        if number == fail_after:
            raise FaceHubError("interrupted")
        write_shard(folder / shard.file, list(load()(p.read for p in shard.pictures)))
        report(2 * number + 2)


def embed(
    pictures: list[Picture], folder: Path, key: str = "key", fail_after: int = 99
) -> tuple[list[EmbeddedPhoto], Told]:
    told = Told()
    engine = functools.partial(here, fail_after=fail_after)
    with embed_photos(pictures, FakeConfig(key), folder, engine, told, shard_size=2) as found:
        return list(found), told


def begun(log: Path) -> Counter[str]:
    return Counter(line.partition(" ")[2] for line in log.read_text().splitlines())


def test_all_at_once(tmp_path: Path, log: Path) -> None:
    found, told = embed(photos(*"abc"), tmp_path / "parts")
    assert [p.path for p in found] == [f"photos/00{i}.jpg" for i in range(3)]
    assert told.calls[0] == ("begin", 3, 0)
    assert told.calls[-1][0] == "end"
    assert not (tmp_path / "parts").exists()


def test_goes_on_where_it_was(tmp_path: Path, log: Path) -> None:
    folder = tmp_path / "parts"
    with pytest.raises(FaceHubError, match="interrupted"):
        embed(photos(*"abcde"), folder, fail_after=1)
    (folder / ".facehub-half.part").touch()  # of a process that was killed
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    found, told = embed(photos(*"abcde"), folder)
    assert len(found) == 5
    assert told.calls[0] == ("begin", 5, 2)
    assert begun(log) == dict.fromkeys("abcde", 1)
    assert not folder.exists()


def test_other_weights_take_nothing_over(tmp_path: Path, log: Path) -> None:
    with pytest.raises(FaceHubError):
        embed(photos(*"abc"), tmp_path / "parts", fail_after=1)
    _, told = embed(photos(*"abc"), tmp_path / "parts", key="other")
    assert told.calls[0] == ("begin", 3, 0)
    assert not (tmp_path / "parts").exists()


def test_an_error_of_the_caller_keeps_what_is_finished(tmp_path: Path, log: Path) -> None:
    with (
        pytest.raises(BrokenPipeError),
        embed_photos(photos("a"), FakeConfig(), tmp_path / "parts", here, Told()),
    ):
        raise BrokenPipeError
    assert len(list((tmp_path / "parts").glob("*.parquet"))) == 1


def test_a_folder_with_other_files_stays(tmp_path: Path, log: Path) -> None:
    (tmp_path / "mine.txt").touch()
    embed(photos("a"), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "log"}


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind")
def test_one_process_at_a_time(tmp_path: Path, log: Path) -> None:
    def embed_meanwhile(*_: object, **__: object) -> None:
        with pytest.raises(FaceHubError, match="Another process uses"):
            embed(photos("a"), tmp_path / "parts")
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        embed_photos(photos("a"), FakeConfig(), tmp_path / "parts", embed_meanwhile, Told()),
    ):
        pass
    embed(photos("a"), tmp_path / "parts")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(FaceHubError, match="cannot be used: No such file"):
        embed(photos("a"), tmp_path / "nothing" / "parts")


COMMAND = """
import functools, sys
from pathlib import Path
from facehub.bulk.pool import run_shards
from facehub.bulk.run import embed_photos
from tests.facehub.bulk.stages import FakeConfig, Told, photos

if __name__ == "__main__":
    words = [*"abcd", "sleep 30", "sleep 30"]
    engine = functools.partial(run_shards, workers=1)
    with embed_photos(
        photos(*words), FakeConfig(), Path(sys.argv[1]), engine, Told(), shard_size=2
    ):
        pass
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_kill_the_command(tmp_path: Path, log: Path) -> None:
    """Its worker ends with it; what was finished is neither lost nor repeated."""
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
    told = Told()
    words = [*"abcd", "sleep 0", "sleep 0"]
    with embed_photos(photos(*words), FakeConfig(), folder, here, told, shard_size=2) as found:
        assert [len(p.faces) for p in found] == [1] * 6
    assert told.calls[0] == ("begin", 6, 4)
    assert begun(log) == {**dict.fromkeys("abcd", 1), "sleep 30": 1, "sleep 0": 2}
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
