"""Matplotlib plots inside the page, in its colours and its font."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours to draw with. Each becomes one of the page's, of its light or its dark theme.
INK, FIRST, SECOND = "#010101", "#020202", "#030303"
_OF_THE_PAGE = {INK: "currentColor", FIRST: "var(--fh-first)", SECOND: "var(--fh-second)"}
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text, in the page's font
    "svg.hashsalt": "facehub",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_lock = threading.Lock()  # Matplotlib's style is global


def svg(draw: Callable[[Axes], None], alt: str, size: tuple[float, float] = (4.6, 3.2)) -> str:
    """HTML of a plot, as wide as there is room, at most 40 rem.

    Args:
        draw: draws on the axes it is given, with `INK`, `FIRST` and `SECOND`.
        alt: what the plot shows, for those who cannot see it.
        size: inches; the default keeps text of 9 points legible on a phone.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    drawn = io.StringIO()
    with _lock, rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        figure.savefig(drawn, format="svg", transparent=True, metadata=_NO_METADATA)
    image = drawn.getvalue()
    image = image[image.index("<svg") :].replace("*{", ".fh-plot *{", 1)
    for colour, own in _OF_THE_PAGE.items():
        image = image.replace(colour, own)
    image = image.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1)
    return f'<div class="fh-plot">{image}</div>'
