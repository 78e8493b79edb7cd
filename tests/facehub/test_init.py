"""The public names, and the packages that importing them does not load."""

import inspect
import subprocess
import sys

import pytest

import facehub


@pytest.mark.parametrize("name", [n for n in facehub.__all__ if n != "__version__"])
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(facehub, name).__name__ == name
    assert name in dir(facehub)


@pytest.mark.parametrize("name", [n for n in facehub.__all__ if n != "__version__"])
def test_every_public_name_has_docstrings(name: str) -> None:
    """A gallery's methods may have their docstrings in the `Gallery` protocol."""
    public = getattr(facehub, name)
    assert inspect.getdoc(public)
    methods = vars(public) if inspect.isclass(public) else {}
    for method in (m for m in methods if not m.startswith("_")):
        member = getattr(public, method)
        if callable(member) or isinstance(member, property):
            described = inspect.getdoc(member) or inspect.getdoc(getattr(facehub.Gallery, method))
            assert described, f"{name}.{method}"


def test_a_star_import_needs_no_pytorch() -> None:
    code = "import sys; sys.modules['torch'] = None; from facehub import *; FaceRecognizer, verify"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_name_raises_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'recognise'"):
        facehub.recognise  # noqa: B018


def test_importing_the_command_loads_no_slow_package() -> None:
    """Slow packages load when they are first used."""
    slow = {"torch", "torchvision", "mediapipe", "onnx", "onnxruntime", "gradio", "huggingface_hub"}
    code = f"import sys, facehub.cli.main; print({slow} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
