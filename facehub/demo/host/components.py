"""Choices on the page, which the handlers check themselves."""

from __future__ import annotations

from typing import Any

import gradio as gr


def unchecked(component: gr.Dropdown | gr.Radio) -> None:
    """Let any value reach the handler.

    Gradio refuses what is not among the choices, which it forgets with the session while the page
    still shows them, and names the value in its refusal.
    """
    # On the instance: for a subclass, Gradio writes a .pyi file beside the module.
    setattr(component, "preprocess", _as_sent)  # noqa: B010


def _as_sent(payload: Any) -> Any:
    return payload
