"""What `docs/command.md` shows at a prompt is what the command prints."""

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
def test_the_output_that_is_shown(block: str) -> None:
    """In any order: standard output and standard error are not of one stream."""
    commands = re.findall(r"^\$ (.*)$", block, re.MULTILINE)
    shown = [line for line in block.splitlines() if not line.startswith("$ ")]
    facehub = f'facehub() {{ "{sys.executable}" -m facehub "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-c", facehub + "\n".join(commands)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert sorted(done.stdout.splitlines()) == sorted(shown)


def test_every_new_thing_is_shown() -> None:
    shown = "".join(BLOCKS)
    for words in ("verify - ", "--pairs", "--faces best_pair", "--json", "--threshold high"):
        assert words in shown
