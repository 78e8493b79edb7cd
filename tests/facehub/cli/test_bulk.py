"""Many photos: `--workers`, tables, what is left out; the same answers as one by one."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import facehub
from facehub.bulk import on_ray, pool, shards
from facehub.cli import bulk
from facehub.io.locks import hold_folder
from tests.facehub.bulk.tables import read_table
from tests.facehub.cli.conftest import Run

pytest.importorskip("pyarrow", reason="work in several processes needs pyarrow")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, recognizer: facehub.FaceRecognizer) -> None:
    """In place of processes, which take seconds to start: the same shards, in this one."""

    def run_shards(plan: Any, load: Any, folder: Path, *, workers: int, report: Any) -> None:
        stage = load.__self__.stage(recognizer)
        for shard in plan:
            outcomes = list(stage(picture.read for picture in shard.pictures))
            shards.write_shard(folder / shard.file, outcomes)

    monkeypatch.setattr(pool, "run_shards", run_shards)


@pytest.fixture
def people(tmp_path: Path, photos: Path) -> Path:
    """One sub-folder per person, and all that may be wrong with such a folder."""
    folder = tmp_path / "people"
    for name, photo in (("Grace", "hopper.jpg"), ("Eileen", "astronaut.png")):
        (folder / name).mkdir(parents=True)
        shutil.copy(photos / photo, folder / name)
    (folder / "Empty").mkdir()
    (folder / "Texts").mkdir()
    (folder / "Texts" / "notes.txt").touch()
    shutil.copy(photos / "text.jpg", folder / "Grace")
    shutil.copy(photos / "both.png", folder)
    return folder


def test_embed_in_processes(run: Run, tmp_path: Path, photos: Path) -> None:
    """The same faces as in this process, and nothing is left beside the output."""
    output = tmp_path / "faces.npz"
    code, stdout, _ = run("embed", photos, "-o", tmp_path / "here.npz")
    assert run("embed", photos, "-o", output, "--workers", 2)[:2] == (
        code,
        stdout.replace("here.npz", "faces.npz"),
    )
    assert {path.name for path in tmp_path.iterdir()} == {"faces.npz", "here.npz"}
    with np.load(output) as ours, np.load(tmp_path / "here.npz") as theirs:
        assert ours["names"].tolist() == theirs["names"].tolist()
        np.testing.assert_allclose(ours["embeddings"], theirs["embeddings"], atol=1e-5)
        np.testing.assert_array_equal(ours["boxes"], theirs["boxes"])


@pytest.mark.parametrize("workers", [[], ["--workers", "1"]], ids=["", "workers"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.usefixtures("here")
def test_embed_table(
    run: Run,
    tmp_path: Path,
    photos: Path,
    recognizer: facehub.FaceRecognizer,
    suffix: str,
    workers: list[str],
) -> None:
    """A row for each face, for a photo without one, and for one that cannot be read."""
    output = tmp_path / f"faces{suffix}"
    code, _, stderr = run("embed", photos, "-o", output, *workers)
    assert code == 6
    assert stderr.startswith(f"error: {photos / 'text.jpg'}: ")
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    rows = read_table(output)
    names = ["astronaut.png", "both.png", "both.png", "hopper.jpg", "nobody.webp", "text.jpg"]
    assert [row["photo"] for row in rows] == [str(photos / name) for name in names]
    assert [str(row["face"] or "") for row in rows] == ["1", "1", "2", "1", "", ""]
    assert [row["error"] or None for row in rows] == [None] * 5 + ["ImageFormatError"]
    expected = recognizer.face(photos / "astronaut.png").embedding
    if suffix == ".csv":
        found = np.array([float(rows[0][f"embedding_{i}"]) for i in range(512)])
    else:
        found = np.array(rows[0]["embedding"])
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("workers", [[], ["--workers", "1"]], ids=["", "workers"])
@pytest.mark.usefixtures("here")
def test_enrol_reports_what_it_leaves_out(
    run: Run, tmp_path: Path, people: Path, workers: list[str]
) -> None:
    """An empty folder of a person, a text and a loose photo stop nobody else's enrolment."""
    gallery = tmp_path / "people.db"
    code, stdout, stderr = run("enrol", gallery, people, *workers)
    assert code == 6
    assert stdout == f"2 of 3 photos enrolled; {gallery} holds 2 people, 2 templates\n"
    ignored = [line for line in stderr.splitlines() if line.startswith("ignored: ")]
    assert ignored == [
        f"ignored: {people / 'Empty'}/: a folder without a supported picture",
        f"ignored: {people / 'Texts'}/: a folder without a supported picture",
        f"ignored: {people / 'both.png'}: not in a sub-folder",
        f"ignored: {people / 'Texts' / 'notes.txt'}: not a supported picture suffix",
    ]
    assert f"error: {people / 'Grace' / 'text.jpg'}: " in stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["people", "people.db"]
    result = json.loads(run("enrol", gallery, people, *workers, "--json")[1])
    assert (result["known"], len(result["ignored"]), result["people"]) == (2, 4, 2)


@pytest.mark.usefixtures("here")
def test_enrol_with_a_name_that_nobody_can_have(run: Run, tmp_path: Path, people: Path) -> None:
    shutil.copytree(people / "Eileen", people / ("x" * 101))
    code, stdout, stderr = run("enrol", tmp_path / "people.db", people, "--workers", 1)
    assert code == 6
    assert stdout.startswith("2 of 4 photos enrolled")
    assert "at most 100 characters" in stderr


@pytest.mark.usefixtures("here")
def test_identify_table(run: Run, tmp_path: Path, photos: Path, people: Path) -> None:
    gallery, output = tmp_path / "people.db", tmp_path / "found.csv"
    run("enrol", gallery, people)
    arguments = "identify", gallery, photos, "-o", output, "--workers", 1
    code, stdout, _ = run(*arguments)
    assert code == 6  # of text.jpg
    assert stdout == f"4 of 4 faces in 5 photos named; {output}\n"
    rows = read_table(output)
    assert [row["name"] for row in rows] == ["Eileen", "Eileen", "Grace", "Grace", "", ""]
    assert json.loads(rows[2]["candidates"])[0]["source"] == "hopper.jpg"
    assert json.loads(run(*arguments, "--json")[1])["output"] == str(output)


@pytest.mark.usefixtures("here")
@pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind")
def test_finished_work_that_a_killed_command_left_is_removed(
    run: Run, tmp_path: Path, photos: Path, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it lies beside no output, the same command would not find it again."""
    temporary = tmp_path / "tmp"
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for name in ("facehub-parts-killed", "facehub-parts-living", "other"):
        (temporary / name).mkdir(parents=True)
        (temporary / name / "000000.parquet").touch()
    living = hold_folder(temporary / "facehub-parts-living")
    assert living is not None
    run("enrol", tmp_path / "people.db", people)
    assert run("identify", tmp_path / "people.db", photos, "--workers", 1)[0] == 6
    os.close(living)
    assert {path.name for path in temporary.iterdir()} == {"facehub-parts-living", "other"}


def test_photos_at_an_address(run: Run, tmp_path: Path, photos: Path) -> None:
    output = tmp_path / "faces.jsonl"
    assert run("embed", f"file://{photos}/hopper.jpg", "-o", output)[0] == 0
    assert [row["photo"] for row in read_table(output)] == [f"file://{photos}/hopper.jpg"]


def test_interrupted(
    run: Run, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is finished is kept, and the user told where."""

    def interrupted(plan: Any, *args: Any, **_: Any) -> None:
        shards.write_shard(args[1] / plan[0].file, [[]])
        raise KeyboardInterrupt

    monkeypatch.setattr(pool, "run_shards", interrupted)
    output = tmp_path / "faces.csv"
    code, _, stderr = run("embed", photos / "hopper.jpg", "-o", output, "--workers", 1)
    assert code == 130
    assert stderr.startswith(f"{output}.parts keeps finished work")
    assert not output.exists()
    code, _, stderr = run("embed", photos / "hopper.jpg", "-o", output, "--workers", 1)
    assert code == 0
    assert stderr == "already finished: 1 of 1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["faces.csv"]


def test_many_photos_take_processes(
    run: Run, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def run_shards(*_: Any, workers: int, **__: Any) -> None:
        taken.append(workers)
        raise ZeroDivisionError

    monkeypatch.setattr(pool, "run_shards", run_shards)
    monkeypatch.setattr(bulk, "MANY", 2)
    run("embed", photos / "hopper.jpg", "-o", tmp_path / "faces.npz")
    assert taken == []
    with pytest.raises(ZeroDivisionError):
        run("embed", photos / "hopper.jpg", photos / "both.png", "-o", tmp_path / "faces.npz")
    assert taken == [1]  # `FACEHUB_THREADS` of these tests


def test_ray(run: Run, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few the photos are; how it works is for `tests/facehub/bulk/test_on_ray.py`."""
    taken = []

    def run_on_ray(plan: Any, load: Any, folder: Path, **options: Any) -> None:
        taken.append((options["address"], options["workers"]))
        for shard in plan:
            shards.write_shard(folder / shard.file, [[]] * len(shard.pictures))

    monkeypatch.setattr(on_ray, "run_shards_on_ray", run_on_ray)
    output = tmp_path / "faces.csv"
    assert run("embed", photos / "hopper.jpg", "-o", output, "--ray", "host:6379")[0] == 0
    assert taken == [("host:6379", None)]


def test_without_pyarrow(
    run: Run, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    output = tmp_path / "faces.csv"
    assert run("embed", photos / "hopper.jpg", "-o", output)[0] == 0
    for options in (["--workers", 1], ["--parts", tmp_path / "parts"]):
        code, _, stderr = run("embed", photos / "hopper.jpg", "-o", output, *options)
        assert code == 5
        assert "pip install 'facehub[bulk]'" in stderr


def test_wrong_suffix(run: Run, tmp_path: Path, photos: Path) -> None:
    output = tmp_path / "faces.xlsx"
    code, stdout, stderr = run("embed", photos / "hopper.jpg", "-o", output)
    assert (code, stdout) == (2, "")
    assert "-o/--output must end with .npz, .csv, .jsonl or .parquet, not " in stderr


def test_progress_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line a minute: rate of this run, and the time that the rest takes at it."""
    clock = [0.0]
    monkeypatch.setattr(bulk.time, "monotonic", lambda: clock[-1])
    progress = bulk._Progress(type("Args", (), {"json": False})())
    progress.begin(10_000, 4_000)
    for seconds in (59.0, 60.0, 61.0, 120.0):
        clock.append(seconds)
        progress.report(int(10 * seconds))
    progress.end()
    assert capsys.readouterr().err.splitlines() == [
        "already finished: 4,000 of 10,000",
        "4,600 of 10,000 photos, 10.0 a second, 0:09:00 left",
        "5,200 of 10,000 photos, 10.0 a second, 0:08:00 left",
    ]
