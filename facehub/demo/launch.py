"""Serve the demo with the settings of the environment: `facehub demo`, `python app.py`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import gradio as gr

from facehub.demo.page import build, launch_options
from facehub.demo.settings import Settings
from facehub.errors import FaceHubError
from facehub.pipeline import default_recognizer


def create_page(settings: Settings | None = None) -> gr.Blocks:
    """The page with the default weights, ready to launch.

    Args:
        settings: of the host; None for the environment's.

    Raises:
        FaceHubError: a setting, the weights or the gallery file cannot be used.
    """
    settings = settings or Settings.from_environment()
    # Gradio asks Matplotlib for its backend around every call. Without this, Matplotlib would look
    # for one: it would import all of its own.
    os.environ.setdefault("MPLBACKEND", "agg")
    return build(default_recognizer(), settings)


def serve(*, on_start: Callable[[str], None] | None = None, **options: Any) -> None:
    """Serve the page until the process ends.

    Args:
        on_start: told the page's address when it listens, in place of Gradio's own message.
        options: arguments of `gr.Blocks.launch` that replace those of the page.

    Raises:
        FaceHubError: a setting, the weights or the gallery file cannot be used.
    """
    settings = Settings.from_environment()
    page = create_page(settings)
    signal.signal(signal.SIGTERM, _terminate)
    options = {**launch_options(settings), **options}
    if on_start is None:
        page.launch(**options)
        return
    _, url, _ = page.launch(**{**options, "quiet": True, "prevent_thread_lock": True})
    on_start(url)
    page.block_thread()


def main(**options: Any) -> int:
    """`serve` as a command.

    Returns:
        The exit code: 0, or 1 after one line on stderr if a setting, the weights or the gallery
        file cannot be used.
    """
    try:
        serve(**options)
    except FaceHubError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _terminate(*_: object) -> None:
    """End the process in order, so that uploads are removed; a second SIGTERM is ignored."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)
