"""Bad values of every argument of `python -m train`, and usage errors as JSON."""

from __future__ import annotations

import json

import pytest

from tests.arguments import Case, bad_values, commands_of
from train.__main__ import main, make_parser


@pytest.mark.parametrize("case", list(bad_values(make_parser())), ids=str)
def test_bad_value_of_any_argument_is_named(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(case.words) == 2
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    message, hint = stderr.splitlines()
    assert message.startswith(f"error: {case.name} must ")
    assert repr(case.value) in message
    assert hint.startswith("`python -m train ")


def test_bad_values_cover_every_typed_argument() -> None:
    tried = {(case.words[0], case.name) for case in bad_values(make_parser())}
    for needed in (
        ("align", "--workers"),
        ("fit", "name=value"),
        ("export", "--shrink"),
        ("calibrate", "--fmr"),
        ("calibrate", "--uncertain-fmr"),
        ("evaluate", "--alignment"),
        ("quantize", "--count"),
        ("occlusion", "--epochs"),
        ("upright", "--steps"),
        ("publish", "OWNER/NAME"),
        ("space", "--model"),
    ):
        assert needed in tried
    for _, command in commands_of(make_parser()):
        assert not [action.dest for action in command._actions if action.type in (int, float)]


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        ("evaluate set --alignment none --json", 2, "UsageError"),
        ("evaluate nothing --json", 1, "ArchiveError"),
        ("evaluate-heldout nothing --columns a --json", 1, "ValueError"),
    ],
)
def test_error_is_printed_as_json(
    words: str, code: int, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == code
    stdout, stderr = capsys.readouterr()
    error = json.loads(stdout)["error"]
    assert error["code"] == name
    assert stderr == f"error: {error['message']}\n"


def test_bad_setting_after_an_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Up to Python 3.12.7, argparse returns such an argument as unknown."""
    assert main(["fit", "run", "a=1", "--allow-slow", "epochs"]) == 2
    assert "name=value must be NAME=VALUE, not 'epochs'" in capsys.readouterr().err
