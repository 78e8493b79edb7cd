"""Many photos: `--workers`, tables, ignored files; the results equal those of one process."""

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
def in_this_process(monkeypatch: pytest.MonkeyPatch, recognizer: facehub.FaceRecognizer) -> None:
    """Make the shards in this process: worker processes take seconds to start."""

    def run_shards(plan: Any, load: Any, folder: Path, *, workers: int, report: Any) -> None:
        stage = load.__self__.stage(recognizer)
        for shard in plan:
            outcomes = list(stage(picture.read for picture in shard.pictures))
            shards.write_shard(folder / shard.file, outcomes)

    monkeypatch.setattr(pool, "run_shards", run_shards)


@pytest.fixture
def people(tmp_path: Path, photos: Path) -> Path:
    """One sub-folder per person, with every fault that such a folder may have."""
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


def test_embed_with_workers_gives_the_same_faces(run: Run, tmp_path: Path, photos: Path) -> None:
    """The faces equal those of this process, and nothing is left beside the output."""
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
@pytest.mark.usefixtures("in_this_process")
def test_embed_table_has_a_row_for_each_face_and_error(
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
@pytest.mark.usefixtures("in_this_process")
def test_enrol_reports_ignored_files_and_folders(
    run: Run, tmp_path: Path, people: Path, workers: list[str]
) -> None:
    """An empty person folder, a text file and a loose photo stop no other enrolment."""
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


@pytest.mark.usefixtures("in_this_process")
def test_enrol_continues_after_a_name_that_is_too_long(
    run: Run, tmp_path: Path, people: Path
) -> None:
    shutil.copytree(people / "Eileen", people / ("x" * 101))
    code, stdout, stderr = run("enrol", tmp_path / "people.db", people, "--workers", 1)
    assert code == 6
    assert stdout.startswith("2 of 4 photos enrolled")
    assert "at most 100 characters" in stderr


@pytest.mark.usefixtures("in_this_process")
def test_identify_table_holds_names_and_candidates(
    run: Run, tmp_path: Path, photos: Path, people: Path
) -> None:
    gallery, output = tmp_path / "people.db", tmp_path / "found.csv"
    run("enrol", gallery, people)
    arguments = "identify", gallery, photos, "-o", output, "--workers", 1
    code, stdout, _ = run(*arguments)
    assert code == 6  # because of text.jpg
    assert stdout == f"4 of 4 faces in 5 photos named; {output}\n"
    rows = read_table(output)
    assert [row["name"] for row in rows] == ["Eileen", "Eileen", "Grace", "Grace", "", ""]
    assert json.loads(rows[2]["candidates"])[0]["source"] == "hopper.jpg"
    assert json.loads(run(*arguments, "--json")[1])["output"] == str(output)


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind")
def test_temporary_shards_of_a_killed_command_are_removed(
    run: Run, tmp_path: Path, photos: Path, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They lie beside no output, so no later command would find them."""
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


def test_embed_reads_a_photo_at_a_url(run: Run, tmp_path: Path, photos: Path) -> None:
    output = tmp_path / "faces.jsonl"
    assert run("embed", f"file://{photos}/hopper.jpg", "-o", output)[0] == 0
    assert [row["photo"] for row in read_table(output)] == [f"file://{photos}/hopper.jpg"]


def test_interrupted_embed_keeps_finished_work_and_resumes(
    run: Run, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says where the finished work is."""

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


def test_many_photos_use_worker_processes(
    run: Run, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def run_shards(*_: Any, workers: int, **__: Any) -> None:
        used.append(workers)
        raise ZeroDivisionError

    monkeypatch.setattr(pool, "run_shards", run_shards)
    monkeypatch.setattr(bulk, "MANY", 2)
    run("embed", photos / "hopper.jpg", "-o", tmp_path / "faces.npz")
    assert used == []
    with pytest.raises(ZeroDivisionError):
        run("embed", photos / "hopper.jpg", photos / "both.png", "-o", tmp_path / "faces.npz")
    assert used == [1]  # `FACEHUB_THREADS` of these tests


def test_ray_option_uses_ray_for_any_number_of_photos(
    run: Run, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tests/facehub/bulk/test_on_ray.py` tests the work of Ray itself."""
    used = []

    def run_on_ray(plan: Any, load: Any, folder: Path, **options: Any) -> None:
        used.append((options["address"], options["workers"]))
        for shard in plan:
            shards.write_shard(folder / shard.file, [[]] * len(shard.pictures))

    monkeypatch.setattr(on_ray, "run_shards_on_ray", run_on_ray)
    output = tmp_path / "faces.csv"
    assert run("embed", photos / "hopper.jpg", "-o", output, "--ray", "host:6379")[0] == 0
    assert used == [("host:6379", None)]


def test_workers_and_parts_without_pyarrow_say_what_to_install(
    run: Run, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    output = tmp_path / "faces.csv"
    assert run("embed", photos / "hopper.jpg", "-o", output)[0] == 0
    for options in (["--workers", 1], ["--parts", tmp_path / "parts"]):
        code, _, stderr = run("embed", photos / "hopper.jpg", "-o", output, *options)
        assert code == 5
        assert "pip install 'facehub[bulk]'" in stderr


def test_output_with_an_unknown_suffix_is_refused(run: Run, tmp_path: Path, photos: Path) -> None:
    output = tmp_path / "faces.xlsx"
    code, stdout, stderr = run("embed", photos / "hopper.jpg", "-o", output)
    assert (code, stdout) == (2, "")
    assert "-o/--output must end with .npz, .csv, .jsonl or .parquet, not " in stderr


def test_progress_without_a_terminal_prints_a_line_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line has the rate of this run and the time left at that rate."""
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
