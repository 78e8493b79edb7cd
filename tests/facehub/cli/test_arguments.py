"""Bad values of every argument: errors in the user's words, before any work."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import pytest

from facehub.cli.arguments import (
    Parser,
    UsageError,
    file_of,
    matching,
    names,
    names_of,
    number,
    similarity,
    wants_json,
    whole_number,
)
from facehub.cli.parser import make_parser
from facehub.results import Decision
from tests.arguments import Case, bad_values, commands_of
from tests.facehub.cli.conftest import Run


@pytest.mark.parametrize("case", list(bad_values(make_parser())), ids=str)
def test_bad_value_of_any_argument_is_refused(case: Case, run: Run) -> None:
    code, stdout, stderr = run(*case.words)
    assert (code, stdout) == (2, "")
    message, hint = stderr.splitlines()
    assert message.startswith(f"error: {case.name} must ")
    assert repr(case.value) in message
    assert "invalid" not in message
    assert "_" not in message.replace(case.name, "") or "one of" in message  # no internal name
    assert hint.startswith("`facehub ")


def test_bad_values_cover_every_typed_argument() -> None:
    """Otherwise a new argument with `type=int` could show a message of argparse."""
    names_tried = {(case.words[0], case.name) for case in bad_values(make_parser())}
    for needed in (
        ("verify", "--threshold"),
        ("verify", "--faces"),
        ("verify", "--precision"),
        ("identify", "--top"),
        ("identify", "-o/--output"),
        ("embed", "--workers"),
        ("enrol", "--reject"),
        ("gallery", "--probes"),
        ("model", "--mean"),
        ("model", "--std"),
        ("model", "--colour"),
        ("serve", "--port"),
        ("keys", "--rate"),
        ("keys", "--scopes"),
        ("completion", "shell"),
    ):
        assert needed in names_tried
    for _, command in commands_of(make_parser()):
        assert not [a.dest for a in command._actions if a.type in (int, float)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("verify a b --threshold high", "--threshold must be a number between -1 and 1, not 'hi"),
        ("verify a b --faces all", "--faces must be one of exactly_one, largest, best_pair, not"),
        ("verif a b", "command must be one of verify, embed, cluster, info, enrol"),
        ("gallery", "Missing: command."),
        ("enrol people.db", "Missing: photos."),
        ("verify a", "Give two photos, or a file of pairs with --pairs."),
        ("verify", "Give two photos, or a file of pairs with --pairs."),
        ("verify a b --pairs c.csv", "Give two photos or --pairs, not both."),
        ("verify - -", "Standard input (-) holds one picture only."),
        ("verify a b --threshold", "--threshold needs a value."),
        ("verify a b --json=1", "--json takes no value."),
        ("info --hurry", "unrecognized arguments: --hurry."),
        ("keys k --add a --remove b", "--remove excludes --add."),
        ("keys k --galleries ,", "--galleries must be names, separated by commas, not ','."),
        ("model add a -o b --mean 1 2", "--mean needs one number, or three."),
        ("model add a -o b --std 0", "--std must be a number above 0, not '0'."),
        ("serve --port 70000", "--port must be a whole number between 0 and 65,535, not '70000'."),
    ],
)
def test_usage_error_says_what_is_wrong(words: str, message: str, run: Run) -> None:
    code, stdout, stderr = run(*words.split())
    assert (code, stdout) == (2, "")
    assert stderr.startswith(f"error: {message}")
    assert stderr.count("\n") == 2


def test_command_without_arguments_prints_its_help(run: Run) -> None:
    code, stdout, stderr = run()
    assert (code, stdout) == (2, "")
    assert "usage: facehub" in stderr
    assert "exit codes:" in stderr


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (similarity, {"-1": -1, "1": 1, "1e-1": 0.1}, ["1.01", "-1.01", "inf", "nan", "", "x"]),
        (number(0, 1, open_ends=True), {"0.5": 0.5}, ["0", "1", "-0.1"]),
        (number(0, open_ends=True), {"7": 7}, ["0", "inf"]),
        (number(2), {"2": 2}, ["1.9"]),
        (number(), {"-3": -3}, ["inf", "x"]),
        (whole_number(), {"1": 1, "99": 99}, ["0", "1.5", "", "x"]),
        (whole_number(0, 3), {"0": 0, "3": 3}, ["4", "-1"]),
        (names, {"a, b": ["a", "b"]}, ["", " , "]),
        (names_of(Decision), {"same,different": ["same", "different"]}, ["same;", "other"]),
        (matching("a+", "letters a"), {"aa": "aa"}, ["ab", ""]),
    ],
)
def test_argument_types_read_good_values_and_refuse_bad_ones(
    read: Callable[[str], Any], good: dict[str, Any], bad: list[str]
) -> None:
    assert {text: read(text) for text in good} == good
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match="must be"):
            read(text)


def test_file_of_accepts_only_the_given_suffixes() -> None:
    assert file_of(".csv", ".json")("a/B.CSV").name == "B.CSV"
    with pytest.raises(argparse.ArgumentTypeError, match=r"must end with \.a, \.b or \.c, not 'x'"):
        file_of(".a", ".b", ".c")("x")


def test_wants_json_finds_the_option() -> None:
    assert wants_json(["verify", "a", "--json"])
    assert wants_json(["verify", "--js", "a"])  # argparse accepts it, too
    assert not wants_json(["verify", "--", "--json"])
    assert not wants_json(["verify", "-", "--"])


def test_other_messages_of_argparse_become_usage_errors() -> None:
    with pytest.raises(UsageError, match=r"^ambiguous option: --w could match .*\.$") as found:
        make_parser().parse_args(["embed", "a", "-o", "b.csv", "--w", "1"])
    assert found.value.command == "facehub embed"
    with pytest.raises(UsageError, match=r"^--when is strange\.$"):
        Parser(prog="p").error("argument --when: is strange")
