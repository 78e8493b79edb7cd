"""Spreadsheets never read a cell as a formula."""

from __future__ import annotations

import pytest

from facehub.io.spreadsheet import cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"])
def test_formula_becomes_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Ada", "1-2", "O'Neill"])
def test_other_text_stays_unchanged(text: str) -> None:
    assert cell(text) == text
