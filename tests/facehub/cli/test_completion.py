"""The completion scripts, run in the shells that are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from facehub.cli.completion import SHELLS
from facehub.cli.parser import make_parser
from tests.arguments import commands_of
from tests.facehub.cli.conftest import Run


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_script_has_every_command_and_option(run: Run, shell: str) -> None:
    code, script, stderr = run("completion", shell)
    assert (code, stderr) == (0, "")
    for words, command in commands_of(make_parser()):
        assert words[-1] in script
        for option in command._option_string_actions:
            assert option in script
    assert json.loads(run("completion", shell, "--json")[1]) == {
        "shell": shell,
        "script": script.removesuffix("\n"),
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_shell_can_parse_the_completion_script(run: Run, shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(run("completion", shell)[1])
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ver"], {"verify"}),
        (["verify", "--thr"], {"--threshold"}),
        (["verify", "a", "b", "--faces", "b"], {"best_pair"}),
        (["gallery", "m"], {"merge"}),
        (["identify", "peo"], {"people.db"}),
    ],
)
def test_bash_completes_commands_options_values_and_files(
    run: Run, tmp_path: Path, words: list[str], expected: set[str]
) -> None:
    (tmp_path / "people.db").touch()
    script = run("completion", "bash")[1]
    ask = f"""
COMP_WORDS=(facehub {" ".join(words)})
COMP_CWORD={len(words)}
$(complete -p facehub | sed 's/.*-F \\([^ ]*\\).*/\\1/') facehub {words[-1]} ""
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", script + ask], capture_output=True, text=True, cwd=tmp_path
    )
    assert set(done.stdout.split()) == expected, done.stderr
