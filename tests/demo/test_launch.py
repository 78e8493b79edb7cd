"""Start of the page, with and without PyTorch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from facehub.cli import main as command
from facehub.demo import launch
from facehub.demo.page import examples_folder
from facehub.hosting import SettingsError

ROOT = Path(__file__).parents[2]

WITHOUT_TORCH = """
import sys
from pathlib import Path

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoTorch())

from app import demo
from facehub.demo.page import launch_options
from tests.demo.routes import ask, picture, upload

_, url, _ = demo.launch(**launch_options(), prevent_thread_lock=True, quiet=True)
grace, both = (Path(f"examples/{name}.jpg") for name in ("grace_hopper", "both"))
first, second = (picture(upload(url, grace)) for _ in range(2))
print(ask(url, "verify", first, second, "exactly_one")[1])
photo, person = (picture(upload(url, path)) for path in (both, grace))
print(ask(url, "identify", photo, [person], ["Grace"])[1])
assert not {"torch", "torchvision"} & set(sys.modules)
demo.close()
"""


@pytest.mark.parametrize("network", ["ours", "another"])
def test_the_page_needs_no_torch(network: str, onnx_weights: Path) -> None:
    model = {} if network == "ours" else {"FACEHUB_MODEL": str(onnx_weights)}
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **model},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    decision = "same" if network == "ours" else "uncalibrated"
    assert f'"decision": "{decision}"' in run.stdout
    assert '"name": "Grace"' in run.stdout


def test_settings_and_texts_need_no_gradio() -> None:
    code = (
        "import sys, facehub.demo.settings, facehub.demo.texts\n"
        "assert not {'gradio', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)


def test_a_bad_setting_gives_one_error_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FACEHUB_WORKERS", "none")
    assert launch.main() == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors == "error: FACEHUB_WORKERS must be a number from 1 to 64, not 'none'.\n"
    with pytest.raises(SettingsError):
        launch.create_page()


def test_launch_uses_the_options_of_the_page_and_of_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launched: list[dict] = []
    handlers: dict[int, object] = {}

    class Page:
        def launch(self, **options: object) -> None:
            launched.append(options)

    monkeypatch.setattr(launch, "create_page", lambda settings: Page())
    monkeypatch.setattr(launch.signal, "signal", handlers.__setitem__)
    assert launch.main(server_port=7999, ssr_mode=True) == 0
    (options,) = launched
    assert options["server_port"] == 7999
    assert options["ssr_mode"] is True
    assert options["run_history"] is False
    assert handlers == {signal.SIGTERM: launch._terminate}


def test_demo_command_with_json_prints_only_the_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked: list[str] = []

    class Page:
        def launch(self, **options: object) -> tuple[None, str, None]:
            assert options["quiet"]
            assert options["prevent_thread_lock"]
            return None, "http://127.0.0.1:7860/", None

        def block_thread(self) -> None:
            blocked.append(capsys.readouterr().out)

    monkeypatch.setattr(launch, "create_page", lambda settings: Page())
    monkeypatch.setattr(launch.signal, "signal", lambda *_: None)
    assert command.main(["demo", "--json"]) == 0
    assert [json.loads(out) for out in blocked] == [{"url": "http://127.0.0.1:7860/"}]


def test_a_second_sigterm_is_ignored() -> None:
    """Otherwise it would interrupt the removal of the uploads."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as caught:
            launch._terminate()
        assert caught.value.code == 0
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_examples_are_found_in_a_checkout_and_in_a_wheel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, examples: Path
) -> None:
    assert examples_folder().samefile(examples)
    module = tmp_path / "facehub" / "demo" / "page.py"
    monkeypatch.setattr("facehub.demo.page.__file__", str(module))
    assert examples_folder() == tmp_path / "examples"
    carried = tmp_path / "facehub" / "assets" / "examples"
    carried.mkdir(parents=True)
    assert examples_folder() == carried
