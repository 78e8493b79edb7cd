"""The scripts of examples/ do what their first lines say."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import matplotlib
import numpy as np
import pytest

from facehub import FaceRecognizer, enrol, load_image

EXAMPLES = Path(__file__).parents[2] / "examples"
EILEEN = EXAMPLES / "eileen_collins.jpg"
TILTED = EXAMPLES / "eileen_collins_tilted.jpg"
GRACE = EXAMPLES / "grace_hopper.jpg"

Run = Callable[..., int | None]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the `main` of a script with arguments."""

    def run(name: str, *arguments: object) -> int | None:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        result: int | None = _script(name).main()
        return result

    return run


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def people(tmp_path: Path, recognizer: FaceRecognizer) -> Path:
    """A gallery of two people; two photos of one of them count as copies."""
    path = tmp_path / "people.db"
    with recognizer.open_gallery(path) as gallery:
        for name, photo in (("Eileen", EILEEN), ("Eileen", TILTED), ("Grace", GRACE)):
            enrol(gallery, name, photo, source=photo.name)
    return path


def test_every_script_is_tested() -> None:
    tested = {"passport", "holiday_album", "door_camera", "deduplicate_gallery"}
    tested |= {"calibrate_own_faces", "own_network"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


@pytest.mark.parametrize(
    ("document", "selfie", "code", "text"),
    [
        (EILEEN, TILTED, 0, "same"),
        (EILEEN, GRACE, 1, "different"),
        (EILEEN, EXAMPLES / "both.jpg", 4, "2 faces were found"),
        (EILEEN, EXAMPLES / "README.md", 4, "cannot be used"),
    ],
)
def test_passport_prints_the_decision_or_the_problem(
    run: Run,
    capsys: pytest.CaptureFixture[str],
    document: Path,
    selfie: Path,
    code: int,
    text: str,
) -> None:
    assert run("passport", document, selfie) == code
    assert text in capsys.readouterr().out


def test_passport_refuses_a_blurred_photo(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    blurred = cv2.GaussianBlur(cv2.imread(str(EILEEN)), (0, 0), 6)
    cv2.imwrite(str(tmp_path / "blurred.png"), blurred)
    assert run("passport", EILEEN, tmp_path / "blurred.png") == 4
    assert "Take another photo" in capsys.readouterr().out


def test_holiday_album_links_the_photos_of_each_person(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "photos" / "day 1").mkdir(parents=True)
    for photo in (EILEEN, TILTED, GRACE):
        shutil.copy(photo, tmp_path / "photos" / "day 1")
    shutil.copy(EXAMPLES / "both.jpg", tmp_path / "photos")
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no picture")
    for _ in range(2):  # a second run replaces its links
        run("holiday_album", tmp_path / "photos", tmp_path / "album")
    groups = {
        frozenset(link.name for link in folder.iterdir())
        for folder in (tmp_path / "album").iterdir()
    }
    assert groups == {
        frozenset({"both.jpg", "day 1_eileen_collins.jpg", "day 1_eileen_collins_tilted.jpg"}),
        frozenset({"both.jpg", "day 1_grace_hopper.jpg"}),
    }
    assert "broken.jpg: " in capsys.readouterr().out


def test_door_camera_prints_a_visitor_once(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, people: Path
) -> None:
    """Grace is at the door from second 1 to 3; nobody is there before."""
    face = cv2.resize(cv2.imread(str(GRACE)), (320, 376))
    video = cv2.VideoWriter(
        str(tmp_path / "door.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 376)
    )
    for number in range(30):
        video.write(face if number >= 10 else np.full_like(face, 90))
    video.release()
    run("door_camera", people, tmp_path / "door.avi")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(" s  Grace")
    assert 1.3 <= float(line.split()[0]) <= 1.8  # the third frame that shows her


def test_door_camera_exits_if_the_source_cannot_be_opened(run: Run, people: Path) -> None:
    with pytest.raises(SystemExit, match="cannot be opened"):
        run("door_camera", people, "nowhere.mp4")


def test_deduplicate_gallery_removes_copies_only_with_remove(
    run: Run, capsys: pytest.CaptureFixture[str], people: Path, recognizer: FaceRecognizer
) -> None:
    run("deduplicate_gallery", people)
    assert "copy" in capsys.readouterr().out
    with recognizer.open_gallery(people) as gallery:
        assert gallery.people() == {"Eileen": 2, "Grace": 1}
    run("deduplicate_gallery", people, "--remove")
    with recognizer.open_gallery(people) as gallery:
        assert gallery.people() == {"Eileen": 1, "Grace": 1}
    run("deduplicate_gallery", people, "--remove")
    assert capsys.readouterr().out.endswith("Nothing is doubtful.\n")


def test_calibrate_own_faces_prints_threshold_and_error_rates(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, recognizer: FaceRecognizer
) -> None:
    for name, photos in {"Eileen": (EILEEN, TILTED), "Grace": (GRACE,)}.items():
        (tmp_path / name).mkdir()
        for photo in photos:
            shutil.copy(photo, tmp_path / name)
    run("calibrate_own_faces", tmp_path, "--fmr", 0.5)
    out = capsys.readouterr().out
    assert "1 genuine and 2 impostor pairs" in out
    assert "too few impostor pairs" in out
    one, two, other = (recognizer.face(load_image(p)).embedding for p in (EILEEN, TILTED, GRACE))
    least = min(one @ other, two @ other)  # one of two impostor pairs may pass
    assert f"threshold {least:.3f}: FMR 0.5, FNMR 0\n" in out


def test_own_network_compares_two_faces(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, sface: Path
) -> None:
    network = next(sface.glob("*.onnx"))
    run("own_network", network, tmp_path / "net", EILEEN, TILTED)
    out = capsys.readouterr().out
    assert "embeddings of 128 values" in out
    assert float(out.split()[-1]) > 0.9


def test_roc_notebook_prints_error_rates(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, photos in {"Eileen": (EILEEN, TILTED), "Grace": (GRACE,)}.items():
        (tmp_path / name).mkdir()
        for photo in photos:
            shutil.copy(photo, tmp_path / name)
    (tmp_path / "Grace" / "notes.jpg").write_bytes(b"no picture")
    monkeypatch.setenv("FACEHUB_PEOPLE", str(tmp_path))
    matplotlib.use("agg")
    scope: dict[str, object] = {}
    for cell in json.loads((EXAMPLES / "roc.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"]  # outputs could hold faces or local paths
            exec("".join(cell["source"]), scope)
    out = capsys.readouterr().out
    assert "3 faces of 2 people" in out
    assert "1 genuine pairs, 2 impostor pairs" in out
    assert "at 0.385: FMR 0, FNMR 0\n" in out
