"""Plots of the page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from facehub.demo import plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(axes: Axes) -> None:
    for colour in (plot.FIRST, plot.SECOND):
        axes.plot([0, 1], color=colour, label="of one person & another")
    axes.legend()


def test_a_plot_has_the_colours_of_the_page_and_a_text_alternative() -> None:
    html = plot.svg(draw, 'a "line"')
    (image,) = ElementTree.fromstring(html)
    assert (image.get("role"), image.get("aria-label")) == ("img", 'a "line"')
    assert {"var(--fh-first)", "var(--fh-second)", "currentColor"} <= set(
        re.findall(r"stroke: ([^;\"]+)", html)
    )
    assert not re.search("#[0-9a-f]{6};", html)
    texts = [element.text for element in image.iter() if element.tag.endswith("}text")]
    assert texts.count("of one person & another") == 2


def test_the_style_of_a_plot_applies_to_plots_only() -> None:
    style = re.findall("<style[^>]*>(.*?)</style>", plot.svg(draw, ""), re.DOTALL)
    assert [rule.split("{")[0].strip() for rule in style] == [".fh-plot *"]
