"""Put the tabs together, with settings that are safe for faces."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from facehub.demo import identify_tab, render, texts, verify_tab
from facehub.images import MAX_BYTES
from facehub.recognizer import FaceRecognizer

EXAMPLES = Path(__file__).parents[2] / "examples"
UPLOAD_LIFETIME = 1800  # seconds
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108  # kept in memory by Linux, not on a disk
MEMORY_NEEDED = 2**30


def build(recognizer: FaceRecognizer) -> gr.Blocks:
    """The page.

    Args:
        recognizer: weights in use.

    Returns:
        Blocks to launch with `launch_options()`.
    """
    os.environ["GRADIO_TEMP_DIR"] = upload_folder()
    with gr.Blocks(
        title=texts.TITLE, analytics_enabled=False, delete_cache=(60, UPLOAD_LIFETIME)
    ) as page:
        gr.Markdown(texts.INTRO)
        with gr.Tab(texts.VERIFY_TAB):
            verify_tab.build(recognizer, EXAMPLES)
        with gr.Tab(texts.IDENTIFY_TAB):
            identify_tab.build(recognizer, EXAMPLES)
        gr.Markdown(texts.LIMITS)
    page.queue(max_size=64, default_concurrency_limit=2)
    return page


def launch_options() -> dict[str, Any]:
    """Arguments for `Blocks.launch`: no history, no monitoring, limited uploads, local fonts."""
    theme = gr.themes.Soft(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    return {
        "theme": theme,
        "css": render.CSS,
        "max_file_size": MAX_BYTES,
        "run_history": False,
        "enable_monitoring": False,
        "footer_links": ["api"],
        "ssr_mode": False,
    }


def upload_folder() -> str:
    """A private folder for uploads, in memory where possible, removed when the process ends."""
    in_memory = (
        os.access(MEMORY_FOLDER, os.W_OK) and shutil.disk_usage(MEMORY_FOLDER).free >= MEMORY_NEEDED
    )
    folder = tempfile.mkdtemp(prefix="facehub-", dir=MEMORY_FOLDER if in_memory else None)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
