"""The alignment template: its points, and refused values."""

from __future__ import annotations

import pytest

from facehub import AlignmentTemplate
from facehub.template import DEFAULT_TEMPLATE, TEMPLATES


def test_default_template_has_known_size_and_points() -> None:
    assert (DEFAULT_TEMPLATE.width, DEFAULT_TEMPLATE.height) == (96, 112)
    assert DEFAULT_TEMPLATE.left_eye == (30.4, 51.6)
    assert DEFAULT_TEMPLATE.right_eye == (65.6, 51.6)
    assert DEFAULT_TEMPLATE.inter_eye == pytest.approx(35.2)


def test_inter_eye_is_the_distance_of_slanted_eyes() -> None:
    assert AlignmentTemplate(left_eye=(10, 20), right_eye=(13, 24)).inter_eye == 5  # 3-4-5


def test_template_accepts_lists_as_points() -> None:
    assert AlignmentTemplate(left_eye=[30.4, 51.6], right_eye=[65.6, 51.6]) == DEFAULT_TEMPLATE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width must be a whole number from 1 to 1024"),
        ({"height": -1}, "height must be a whole number"),
        ({"width": 96.5}, "whole"),
        ({"width": True}, "whole"),
        ({"width": 10**9}, "from 1 to 1024"),
        ({"left_eye": (True, 51.6)}, "two numbers"),
        ({"left_eye": 30.4}, "two coordinates"),
        ({"nose": (48, 70)}, "two points .the eyes. or all five"),
        ({"nose": (48, 70), "left_mouth": (30, 90), "right_mouth": (1e9, 90)}, "near the crop"),
        ({"left_eye": (70, 50)}, "left of"),
        ({"left_eye": (65.6, 40)}, "left of"),
        ({"right_eye": (65.6, 51.6, 0)}, "two coordinates"),
        ({"left_eye": (30.4,)}, "two coordinates"),
        ({"left_eye": (float("nan"), 51.6)}, "finite"),
        ({"right_eye": (65.6, float("inf"))}, "finite"),
    ],
)
def test_invalid_template_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AlignmentTemplate(**change)


def test_templates_have_two_or_five_points() -> None:
    assert DEFAULT_TEMPLATE.points.tolist() == [[30.4, 51.6], [65.6, 51.6]]
    five = TEMPLATES["arcface112"]
    assert (five.width, five.height) == (112, 112)
    assert five.points.shape == (5, 2)
    assert five.points[2].tolist() == [56.0252, 71.7366]
    assert five.points.mean() == pytest.approx(64.0, abs=1)
