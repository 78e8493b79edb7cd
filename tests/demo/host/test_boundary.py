"""Only `facehub/demo/host/` uses the internals of Gradio."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "facehub"
HOST = PACKAGE / "demo" / "host"
OUTSIDE = [path for path in sorted(PACKAGE.rglob("*.py")) if HOST not in path.parents]


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_outside_host_does_not_use_internals_of_gradio(path: Path) -> None:
    text = path.read_text()
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert {name for name in imported if name.split(".")[0] == "gradio"} <= {"gradio"}
    if "gradio" in imported:
        assert path.parent == PACKAGE / "demo"
        for trick in ("setattr(", ".preprocess", ".postprocess", "page._", "state_holder"):
            assert trick not in text


def test_host_modules_use_internals_of_gradio() -> None:
    text = "".join(path.read_text() for path in HOST.glob("*.py"))
    assert "from gradio.data_classes import" in text
    assert "setattr(" in text


@pytest.mark.parametrize("name", ["settings", "texts", "session", "render"])
def test_a_module_does_not_import_gradio(name: str) -> None:
    """These modules can be tested without Gradio."""
    tree = ast.parse((PACKAGE / "demo" / f"{name}.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert "gradio" not in "".join(map(ast.unparse, imports))
