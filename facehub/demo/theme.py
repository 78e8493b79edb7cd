"""How the page looks: Gradio's Soft theme with more contrast, and style sheets."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from facehub.demo import album_wall


def theme() -> gr.themes.Soft:
    """The theme, with the system's fonts: none is fetched.

    Text and background differ by 4.5 to 1 or more, and a control's border by 3 to 1, as WCAG 2.2
    AA asks; Gradio's own labels reach 3.6.
    """
    look = gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    look.set(
        background_fill_primary="*neutral_50",  # of Soft; `set` would forget it
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*primary_800",
        block_label_background_fill_dark="*primary_700",
        block_title_text_color="*primary_800",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
        button_secondary_background_fill_hover_dark="*primary_700",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        checkbox_label_background_fill_selected="*primary_600",
        input_border_color="*neutral_500",
        input_border_color_dark="*neutral_500",
        input_border_width="1px",
        input_placeholder_color="*neutral_600",
        input_placeholder_color_dark="*neutral_300",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        link_text_color_hover="*primary_800",
        link_text_color_hover_dark="*primary_200",
        link_text_color_visited="*primary_700",
        link_text_color_visited_dark="*primary_300",
    )
    return look


def css() -> str:
    """The style sheets of the page and of its tabs."""
    sheets = [Path(__file__).with_name(f"{name}.css").read_text() for name in ("page", "results")]
    return "".join(sheets) + album_wall.CSS
