"""The page checks the patches of Gradio when it is built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import gradio
import pytest
from gradio.state_holder import SessionState

from facehub.demo.host import patches
from facehub.demo.host.components import photo_input
from facehub.demo.host.patches import PATCHES, Patch, PatchError, patch_gradio

ROOT = Path(__file__).parents[3]


def test_every_patch_takes_hold() -> None:
    patch_gradio()
    for patch in PATCHES:
        patch.verify()
    patch_gradio()  # a second page


def test_another_version_of_gradio_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradio, "__version__", "6.32.0")
    with pytest.raises(PatchError, match=r"needs Gradio 6\.31\.x, not 6\.32\.0"):
        patch_gradio()


@pytest.mark.parametrize("number", range(len(PATCHES)))
def test_a_patch_that_is_undone_is_detected(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    patch = PATCHES[number]
    patch.apply()
    monkeypatch.setattr(patch.place, patch.name, object())
    with pytest.raises(PatchError, match=patch.name):
        patch.verify()


def test_a_patch_of_a_missing_or_unused_name_is_refused() -> None:
    def user() -> object:
        return len([])

    place = SimpleNamespace(used=1)
    with pytest.raises(PatchError, match="no gone"):
        Patch(place, "gone", 2, ()).apply()
    assert not hasattr(place, "gone")
    with pytest.raises(PatchError, match="does not use used"):
        Patch(place, "used", 2, (user,)).apply()
    Patch(SimpleNamespace(len=1), "len", 2, (user,)).apply()


def test_the_app_does_not_start_unpatched() -> None:
    code = (
        "import sys, gradio.route_utils as r; del r.GradioUploadFile.__init__\n"
        "from gradio import state_holder; del state_holder.SessionState._update_value_in_config\n"
        "from facehub.demo.launch import main; sys.exit(main())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 1
    assert run.stderr.startswith("error: Gradio has no _update_value_in_config any more.")


def test_pyproject_pins_the_patched_version_of_gradio() -> None:
    assert f'"gradio>={patches.VERSION.rstrip(".")},<6.32"' in (ROOT / "pyproject.toml").read_text()


def test_a_skipped_picture_keeps_its_hooks() -> None:
    """Gradio creates the component again in the session."""
    with gradio.Blocks() as page:
        picture = photo_input("picture")
    patch_gradio()
    session = SessionState(page)
    session[picture._id] = gradio.Image()
    assert session[picture._id].preprocess is picture.preprocess
    assert session[picture._id].postprocess is picture.postprocess
