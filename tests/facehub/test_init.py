"""The public names: all there, and imported only when used."""

import subprocess
import sys

import pytest

import facehub


@pytest.mark.parametrize("name", facehub.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(facehub, name).__name__ == name
    assert name in dir(facehub)


def test_public_names_are_those_with_a_module() -> None:
    assert sorted(facehub._MODULE_OF) == sorted(facehub.__all__)


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'recognise'"):
        facehub.recognise  # noqa: B018


def test_help_does_not_load_pytorch() -> None:
    code = "import sys, facehub.cli.main as _; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
