"""Inference needs only the base install: no PyTorch, no onnx, no Gradio."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = (
    "import sys; sys.modules.update(dict.fromkeys(['torch', 'torchvision', 'onnx', 'gradio'])); "
)
COMMAND = BLOCK + "from facehub.cli.main import main; sys.exit(main())"


def imports(path: Path) -> set[str]:
    """Top-level packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_only_two_modules_import_pytorch() -> None:
    files = [*(ROOT / "facehub").rglob("*.py"), ROOT / "app.py"]
    found = {p for p in files if imports(p) & {"torch", "torchvision"}}
    assert found == {ROOT / "facehub" / name for name in ("backbone.py", "encoder.py")}


def test_facehub_does_not_import_train() -> None:
    assert not [p for p in (ROOT / "facehub").rglob("*.py") if "train" in imports(p)]


def test_library_works_with_the_base_install(examples: Path) -> None:
    code = BLOCK + (
        "import facehub, pathlib; folder = pathlib.Path(sys.argv[1]); "
        "one, other = folder / 'eileen_collins.jpg', folder / 'grace_hopper.jpg'; "
        "recognizer = facehub.FaceRecognizer.from_pretrained(); "
        "gallery = recognizer.empty_gallery(); "
        "facehub.enrol(gallery, 'Grace', other, recognizer=recognizer); "
        "print(facehub.verify(one, other, recognizer=recognizer).decision, "
        "[f.name for f in facehub.identify(folder / 'both.jpg', gallery)])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(examples)], capture_output=True, text=True
    )
    assert found.stdout.split(" ", 1)[0] == "different", found.stderr
    assert sorted(str(n) for n in ast.literal_eval(found.stdout.split(" ", 1)[1])) == [
        "Grace",
        "None",
    ]


def test_face_encoder_without_pytorch_says_what_to_install() -> None:
    code = BLOCK + "import facehub; facehub.FaceEncoder"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'facehub[torch]'" in found.stderr


@pytest.mark.parametrize("command", ["verify", "enrol", "identify", "gallery", "embed", "info"])
def test_command_works_with_the_base_install(command: str, examples: Path, tmp_path: Path) -> None:
    people, one = tmp_path / "people.db", examples / "grace_hopper.jpg"

    def run(*arguments: object) -> dict[str, object]:
        words = [sys.executable, "-c", COMMAND, *map(str, arguments), "--json"]
        found = subprocess.run(words, capture_output=True, text=True)
        assert found.returncode == 0, found.stderr
        return json.loads(found.stdout)

    if command in ("identify", "gallery"):
        run("enrol", people, one, "--name", "Grace")
    answer = run(
        *{
            "verify": ["verify", one, one],
            "enrol": ["enrol", people, one, "--name", "Grace"],
            "identify": ["identify", people, one],
            "gallery": ["gallery", "list", people],
            "embed": ["embed", one, "-o", tmp_path / "faces.npz"],
            "info": ["info"],
        }[command]
    )
    expected = {
        "verify": ("decision", "same"),
        "enrol": ("people", 1),
        "identify": ("failed", []),
        "gallery": ("people", [{"name": "Grace", "sources": ["grace_hopper.jpg"]}]),
        "embed": ("faces", 1),
        "info": ("threshold", 0.385),
    }
    name, value = expected[command]
    assert answer[name] == value


@pytest.mark.parametrize(
    "arguments", [["info"], ["gallery", "list", "PEOPLE"]], ids=["info", "gallery"]
)
def test_info_and_gallery_list_load_no_unneeded_network(
    arguments: list[str], examples: Path, tmp_path: Path
) -> None:
    people = tmp_path / "people.db"
    code = COMMAND.replace("sys.exit(main())", "main()") + (
        "; print(sorted({'mediapipe', 'onnxruntime'} & set(sys.modules)), file=sys.stderr)"
    )
    words = [sys.executable, "-c", code, "enrol", people, examples / "grace_hopper.jpg"]
    subprocess.run([*map(str, words), "--name", "Grace"], check=True, capture_output=True)
    words = [sys.executable, "-c", code, *(str(people) if a == "PEOPLE" else a for a in arguments)]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    allowed = {"info": ["onnxruntime"], "gallery": []}[arguments[0]]  # info lists its devices
    assert found.stderr.splitlines()[-1] == str(allowed)
