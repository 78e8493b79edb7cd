"""The command prints the output that `docs/command.md` shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "command.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][2:60])
def test_command_prints_the_documented_output(block: str) -> None:
    """Lines may have any order: standard output and standard error are separate streams."""
    commands = re.findall(r"^\$ (.*)$", block, re.MULTILINE)
    documented = [line for line in block.splitlines() if not line.startswith("$ ")]
    facehub = f'facehub() {{ "{sys.executable}" -m facehub "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-c", facehub + "\n".join(commands)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert sorted(done.stdout.splitlines()) == sorted(documented)


def test_documentation_shows_the_newer_options() -> None:
    documented = "".join(BLOCKS)
    for words in ("verify - ", "--pairs", "--faces best_pair", "--json", "--threshold high"):
        assert words in documented
