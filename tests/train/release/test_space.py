"""The Space on the Hub: the files sent are those that the demo needs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import RepoCard

from tests.local_hub import LocalHub
from train.__main__ import main
from train.release.space import ROOT, make_space

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_front_matter_of_the_readme_is_valid() -> None:
    data = RepoCard(make_space()["README.md"].decode()).data
    assert data["sdk"] == "gradio"
    assert data["app_file"] == "app.py"
    version = next(
        line.split("==")[1].split()[0]
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line.startswith("gradio==")
    )
    assert data["sdk_version"] == version
    assert len(data["short_description"]) <= 60


def test_weights_from_the_hub_are_pinned_and_preloaded() -> None:
    files = make_space(f"owner/name@{COMMIT}")
    data = RepoCard(files["README.md"].decode()).data
    assert data["models"] == ["owner/name"]
    assert data["preload_from_hub"] == [f"owner/name config.json,model.safetensors {COMMIT}"]
    assert data["sdk"] == "gradio"
    assert not any(path.startswith("weights/") for path in files)
    assert "# facehub" in files["README.md"].decode()


def test_space_runs_from_its_files_alone(tmp_path: Path) -> None:
    files = make_space()
    assert not any("tests/" in path or "train/" in path or ".pyc" in path for path in files)
    for path, content in files.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    code = (
        "import facehub, app; from facehub.demo.page import build; "
        "from facehub import default_recognizer, verify; "
        "build(default_recognizer()); print(facehub.__file__); "
        "print(verify('examples/eileen_collins.jpg', 'examples/both.jpg').decision)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, '.'); {code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [str(tmp_path / "facehub" / "__init__.py"), "cannot_tell"]


def test_requirements_name_every_import_of_the_demo() -> None:
    """Every imported package is in requirements.txt; some have another name than the module."""
    names = {"cv2": "opencv-contrib-python", "PIL": "pillow"}
    names |= dict.fromkeys(("anyio", "fastapi", "starlette"), "gradio")  # its dependencies
    wanted = {
        line.split("=")[0].split(">")[0].strip()
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if not line.strip().startswith("#")
    }
    assert not wanted & {"torch", "torchvision"}
    extras = {ROOT / "facehub" / name for name in ("encoder.py", "backbone.py", "model/add.py")}
    extras |= {*(ROOT / "facehub" / "gallery").glob("postgres*.py")}
    for folder in ("bulk", "service"):
        extras |= {*(ROOT / "facehub" / folder).rglob("*.py")}
    wanted.add("pillow-heif")  # imported only if it is installed
    for path in {ROOT / "app.py", *(ROOT / "facehub").rglob("*.py")} - extras:
        for node in ast.walk(ast.parse(path.read_text())):
            modules = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for module in (m.split(".")[0] for m in modules):
                if module not in sys.stdlib_module_names | {"facehub", ""}:
                    assert names.get(module, module.replace("_", "-")) in wanted, (path, module)


def test_space_command_sends_files_and_variables(
    writer: LocalHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["space", "owner/demo", "--model", f"owner/name@{COMMIT}"]) == 0
    repo = writer.repos["spaces", "owner/demo"]
    assert repo.settings["variables"] == [{"key": "FACEHUB_MODEL", "value": f"owner/name@{COMMIT}"}]
    sent = writer.files("owner/demo", kind="spaces")
    assert sent["app.py"] == (ROOT / "app.py").read_bytes()
    assert capsys.readouterr().out.splitlines()[-1].startswith(writer.url)


def test_dry_run_lists_the_files_and_sends_nothing(
    writer: LocalHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["space", "owner/demo", "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert " app.py\n" in output
    assert " weights/model.safetensors\n" in output
    assert writer.requests == []
