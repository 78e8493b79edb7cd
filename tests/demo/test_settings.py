"""Settings of the host: read, checked, and applied."""

from __future__ import annotations

import copy
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from facehub import load_image
from facehub.demo.page import build, launch_options
from facehub.demo.session import SessionGallery
from facehub.demo.settings import Settings
from facehub.errors import GalleryError
from facehub.hosting import SettingsError
from facehub.model.calibration import Calibration
from facehub.model.onnx import PRECISION_VARIABLE
from facehub.model.runtime import THREADS_VARIABLE
from facehub.model.spec import ModelSpec
from facehub.model.store import MODEL_VARIABLE
from facehub.model.tail import Tail
from facehub.pipeline import FaceRecognizer, default_recognizer
from facehub.results import QualityIssue
from facehub.verification import verify
from tests.demo.routes import ask, picture, upload

ROOT = Path(__file__).parents[2]
CURVE = ((0.0, 0.5, 0.0), (0.5, 0.01, 0.2), (1.0, 0.0001, 1.0))
CONFIG = ModelSpec(
    threshold=0.6, calibration=Calibration("made up", None, 0.01, 0.2, 10_000, 100, CURVE)
)


def test_an_empty_environment_gives_the_default_settings() -> None:
    assert Settings.from_environment({}) == Settings()
    assert Settings().apply(CONFIG) is CONFIG


def test_every_variable_is_read() -> None:
    found = Settings.from_environment(
        {
            "FACEHUB_THRESHOLD": "0.4",
            "FACEHUB_MAX_UPLOAD_MB": "8",
            "FACEHUB_SESSION_MINUTES": "5",
            "FACEHUB_GALLERY": "/tmp/g.db",
            "FACEHUB_AUTH": "ada:secret, bob:a:b",
            "FACEHUB_QUEUE_SIZE": "10",
            "FACEHUB_WORKERS": "3",
            "FACEHUB_DOWNLOADS": "Off",
            "FACEHUB_REJECT": "blurred",
        }
    )
    auth = (("ada", "secret"), ("bob", "a:b"))
    reject = frozenset({QualityIssue.BLURRED})
    assert found == Settings(0.4, None, 8, 10, 3, 30, 5, "/tmp/g.db", auth, False, reject=reject)
    assert found.apply(CONFIG).threshold == 0.4
    options = launch_options(found)
    assert options["max_file_size"] == 8 * 2**20
    assert options["auth"] == [("ada", "secret"), ("bob", "a:b")]


@pytest.mark.parametrize(
    ("fmr", "threshold"), [("0.01", 0.5), ("0.001", 0.75), ("1e-4", 1.0)], ids=str
)
def test_an_fmr_gives_the_threshold_of_the_calibration(fmr: str, threshold: float) -> None:
    # The logarithm is interpolated: 1e-3 is halfway between 1e-2 at 0.5 and 1e-4 at 1.
    config = Settings.from_environment({"FACEHUB_FMR": fmr}).apply(CONFIG)
    assert config.threshold == pytest.approx(threshold)


@pytest.mark.parametrize("threshold", ["-1", "0.2", "1"])
def test_a_threshold_setting_does_not_rise_with_comparisons(threshold: str) -> None:
    """The threshold for an FMR setting rises with the number of comparisons."""
    spec = Settings.from_environment({"FACEHUB_THRESHOLD": threshold}).apply(CONFIG)
    assert [spec.threshold_for(n) for n in (1, 10, 1000)] == [float(threshold)] * 3
    spec = Settings.from_environment({"FACEHUB_FMR": "0.01"}).apply(CONFIG)
    assert spec.threshold_for(1) == pytest.approx(0.5)
    assert spec.threshold_for(100) == pytest.approx(1.0, abs=1e-3)


def test_reject_setting_takes_known_quality_issues_only() -> None:
    settings = Settings.from_environment({"FACEHUB_REJECT": "covered_eyes, too_dark,"})
    assert settings.reject == {QualityIssue.COVERED_EYES, QualityIssue.TOO_DARK}
    with pytest.raises(SettingsError, match="FACEHUB_REJECT: 'beard' is not a valid QualityIssue"):
        Settings.from_environment({"FACEHUB_REJECT": "beard"})


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"FACEHUB_THRESHOLD": "high"}, "FACEHUB_THRESHOLD must be a number from -1 to 1"),
        ({"FACEHUB_THRESHOLD": "2"}, "FACEHUB_THRESHOLD must be a number"),
        ({"FACEHUB_THRESHOLD": "nan"}, "FACEHUB_THRESHOLD must be a number"),
        ({"FACEHUB_FMR": "0"}, "FACEHUB_FMR must be a number"),
        ({"FACEHUB_DOWNLOADS": "no"}, "FACEHUB_DOWNLOADS must be on or off, not 'no'"),
        ({"FACEHUB_FMR": "0.1", "FACEHUB_THRESHOLD": "0.1"}, "not both"),
        ({"FACEHUB_WORKERS": "0"}, "FACEHUB_WORKERS must be a number from 1"),
        ({"FACEHUB_WORKERS": "1.5"}, "FACEHUB_WORKERS must be a whole number"),
        ({"FACEHUB_AUTH": "ada"}, "FACEHUB_AUTH must be user:password"),
    ],
)
def test_bad_values_raise_an_error_that_names_the_variable(
    environment: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings.from_environment(environment)


def test_an_fmr_beyond_the_calibration_is_refused() -> None:
    with pytest.raises(SettingsError, match="does not reach FACEHUB_FMR=1e-05"):
        Settings(fmr=1e-5).apply(CONFIG)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1, 2])
def test_numbers_out_of_range_are_refused(bad: float) -> None:
    with pytest.raises(SettingsError, match="does not reach"):
        Settings(fmr=bad).apply(CONFIG)
    if not -1 <= bad <= 1:
        with pytest.raises(ValueError, match="threshold must be a number"):
            Settings(threshold=bad).apply(CONFIG)


def test_an_fmr_beyond_the_curve_uses_the_tail() -> None:
    tail = Tail(0.5, 0.01, 0.0, 0.1 / math.log(10), 100)
    spec = replace(CONFIG, calibration=replace(CONFIG.calibration, tail=tail))
    assert Settings(fmr=1e-5).apply(spec).threshold == pytest.approx(0.8)
    with pytest.raises(SettingsError, match="does not reach FACEHUB_FMR=1e-07"):
        Settings(fmr=1e-7).apply(spec)


def test_bad_settings_end_the_app_with_one_line() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "app.py"],
        env={**os.environ, "FACEHUB_AUTH": "secret-without-user"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("error: FACEHUB_AUTH must be")
    assert "secret" not in run.stderr
    assert "Traceback" not in run.stderr


def test_the_manual_names_every_variable() -> None:
    files = [ROOT / "facehub" / name for name in ("hosting.py", "demo/settings.py")]
    used = {name for f in files for name in re.findall(r'"(FACEHUB_[A-Z_]+)"', f.read_text())}
    used |= {MODEL_VARIABLE, PRECISION_VARIABLE, THREADS_VARIABLE}
    page = (ROOT / "docs" / "hosting.md").read_text()
    table = set(re.findall(r"^\| `(FACEHUB_[A-Z_]+)`", page, re.M))
    assert table == used


def test_a_gallery_on_disk_is_shared_and_kept(tmp_path: Path, examples: Path) -> None:
    recognizer = default_recognizer()
    file = tmp_path / "gallery.db"
    first = SessionGallery(recognizer.open_gallery(file), shared=True)
    second = copy.deepcopy(first)  # as Gradio does for each session
    first.enrol("Eileen", examples / "eileen_collins.jpg", "e.jpg", recognizer)
    assert list(second.gallery) == ["Eileen"]
    with recognizer.open_gallery(file) as kept:
        assert list(kept) == ["Eileen"]
    assert file.stat().st_mode & 0o077 == 0
    second.rename("Eileen", "Collins")
    with recognizer.open_gallery(file) as kept:
        assert list(kept) == ["Collins"]


@pytest.mark.parametrize("setting", [{"threshold": 0.9}, {"fmr": 0.01}])
def test_threshold_settings_do_not_change_the_library(
    setting: dict[str, float], examples: Path
) -> None:
    recognizer = default_recognizer()
    before = recognizer.spec
    build(recognizer, Settings(**setting))  # type: ignore[arg-type]
    assert recognizer.spec is before
    assert default_recognizer() is recognizer
    assert default_recognizer().spec is before
    result = verify(examples / "eileen_collins.jpg", examples / "grace_hopper.jpg")
    assert result.threshold == before.threshold


def test_a_page_refuses_faces_with_issues_that_the_host_rejects(
    serve, examples: Path, tmp_path: Path
) -> None:
    dark = tmp_path / "dark.png"
    Image.fromarray((load_image(examples / "eileen_collins.jpg") * 0.2).astype("uint8")).save(dark)
    _, url = serve(Settings(reject=frozenset({QualityIssue.TOO_DARK})))
    pair = picture(upload(url, dark)), picture(upload(url, examples / "grace_hopper.jpg"))
    _, text = ask(url, "verify", *pair, "exactly_one")
    assert "The face is very dark" in text
    assert "decision" not in text
    session = SessionGallery(default_recognizer().empty_gallery(), reject={QualityIssue.TOO_DARK})
    for each in (session, copy.deepcopy(session)):
        report = each.enrol_many("Eileen", [str(dark)], default_recognizer())
        assert report.added == 0
        assert "The face is very dark" in report.failures[0]


def test_enrolment_of_a_dark_photo_gives_a_warning(examples: Path, tmp_path: Path) -> None:
    dark = tmp_path / "dark.png"
    Image.fromarray((load_image(examples / "eileen_collins.jpg") * 0.2).astype("uint8")).save(dark)
    session = SessionGallery(default_recognizer().empty_gallery())
    report = session.enrol_many("Eileen", [str(dark)], default_recognizer())
    assert (report.added, report.failures) == (1, [])
    assert report.warnings == ["dark.png: The face is very dark; use a brighter picture."]


def test_a_page_decides_by_its_own_threshold(serve, examples: Path) -> None:
    _, url = serve(Settings(threshold=1.0))
    first, second = (
        picture(upload(url, examples / f"eileen_collins{name}.jpg")) for name in ("", "_tilted")
    )
    _, text = ask(url, "verify", first, second, "exactly_one")
    assert '"threshold": 1.0' in text
    assert '"decision": "uncertain"' in text


def test_the_page_does_not_start_with_a_gallery_of_other_weights(
    tmp_path: Path, old_weights: tuple[Path, str]
) -> None:
    file = str(tmp_path / "gallery.db")
    default_recognizer().open_gallery(file).close()
    with pytest.raises(GalleryError, match="made with other weights"):
        build(FaceRecognizer.from_pretrained(old_weights[0]), Settings(gallery=file))
    with pytest.raises(GalleryError, match="facehub gallery copy"):
        build(default_recognizer(), Settings(gallery=str(tmp_path / "people.safetensors")))


def test_the_page_does_not_start_with_an_unusable_gallery_file(tmp_path: Path) -> None:
    file = tmp_path / "gallery.db"
    file.write_bytes(b"no gallery")
    recognizer = default_recognizer()
    with pytest.raises(GalleryError, match="damaged or not a facehub gallery"):
        build(recognizer, Settings(gallery=str(file)))
    with pytest.raises(GalleryError, match="cannot be written"):
        build(recognizer, Settings(gallery=str(tmp_path / "none" / "gallery.db")))
    assert file.read_bytes() == b"no gallery"
