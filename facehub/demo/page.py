"""The page: all tabs, with settings that are safe for faces."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from facehub.demo import (
    about_tab,
    album_tab,
    api,
    identify_tab,
    texts,
    theme,
    verify_tab,
)
from facehub.demo.host.guard import MAX_BODY, Guard
from facehub.demo.host.patches import patch_gradio
from facehub.demo.host.sweeper import sweeping
from facehub.demo.session import SessionGallery
from facehub.demo.settings import Settings
from facehub.demo.upload import SLASH
from facehub.gallery.address import check_changeable
from facehub.hosted.recognizer import Host, HostedRecognizer
from facehub.io.formats import SUFFIXES
from facehub.io.walking import SYSTEM_NAMES
from facehub.pipeline import FaceRecognizer

_SCRIPTS = (
    "accordions.js",
    "camera.js",
    "confirm.js",
    "download.js",
    "folders.js",
    "pictures.js",
)
DROPS = {"photos": "nothing-dropped", "album-photos": "album-nothing-dropped"}
SESSIONS = 300  # held at once; the least recently used is evicted


def build(recognizer: FaceRecognizer, settings: Settings | None = None) -> gr.Blocks:
    """Build the page.

    Args:
        recognizer: weights in use. It is not changed: the page makes its own with the threshold of
            the settings.
        settings: of the host; None reads the environment.

    Returns:
        Blocks to launch with `launch_options(settings)`.

    Raises:
        SettingsError: a setting does not fit the weights.
        GalleryError: the host's gallery file cannot be used.
    """
    settings = settings or Settings.from_environment()
    patch_gradio()
    recognizer = recognizer.with_spec(settings.apply(recognizer.spec))
    host = Host(settings.workers, settings.deadline)
    hosted = HostedRecognizer.of(recognizer, host)
    examples = examples_folder()
    session = _gallery(settings, recognizer)
    page = gr.Blocks(title=texts.TITLE, analytics_enabled=False)
    with page:
        gr.Markdown(texts.INTRO, elem_id="intro")
        gr.Markdown(texts.CONSENT_SHARED if session.shared else texts.CONSENT, elem_id="consent")
        with gr.Tab(texts.VERIFY_TAB):
            verify_tab.build(hosted, examples, settings.reject)
        with gr.Tab(texts.IDENTIFY_TAB):
            identify = identify_tab.build(
                page, hosted, examples, session, downloadable=settings.downloads
            )
        with gr.Tab(texts.ALBUM_TAB):
            album_tab.build(hosted, examples, identify, downloadable=settings.downloads)
        with gr.Tab(texts.ABOUT_TAB) as about:
            about_tab.build(about, recognizer, settings)
        api.build(hosted, settings)
    page.queue(max_size=settings.queue_size, default_concurrency_limit=host.threads, api_open=False)
    return page


def launch_options(settings: Settings | None = None) -> dict[str, Any]:
    """Arguments for `Blocks.launch`: limits, nothing kept, local fonts."""
    settings = settings or Settings.from_environment()
    return {
        "theme": theme.theme(),
        "css": theme.css(),
        "head": _head(),
        "max_file_size": settings.max_upload_mb * 2**20,
        "state_session_capacity": SESSIONS,
        "app_kwargs": {
            "middleware": [
                Middleware(Guard, max_body=MAX_BODY, frame_ancestors=settings.frame_ancestors)
            ],
            "lifespan": functools.partial(sweeping, lifetime=60.0 * settings.session_minutes),
        },
        "auth": list(settings.auth) or None,
        "run_history": False,
        "enable_monitoring": False,
        "mcp_server": False,  # whatever GRADIO_MCP_SERVER says: its routes are closed
        "footer_links": ["api"],
        "ssr_mode": False,
    }


def examples_folder() -> Path:
    """The folder of example pictures: in an installed wheel, else beside the package, if at all."""
    package = Path(__file__).parents[1]
    carried = package / "assets" / "examples"
    return carried if carried.is_dir() else package.parent / "examples"


def _head() -> str:
    """The scripts, preceded by the constants that they share with Python."""
    constants = {
        "CAMERA": texts.CAMERA,
        "CONFIRM": {"delete": texts.CONFIRM_DELETE, "replace": texts.CONFIRM_REPLACE},
        "DOWNLOADED": texts.DOWNLOADED_PICTURE,
        "DROPS": DROPS,
        "SLASH": SLASH,
        "SUFFIXES": sorted(SUFFIXES),
        "SYSTEM_NAMES": sorted(SYSTEM_NAMES),
        "DROPPED": {"none": texts.NOTHING_DROPPED, "leftOut": texts.DROPPED_LEFT_OUT},
    }
    parts = [f"const {name} = {json.dumps(value)};" for name, value in constants.items()]
    parts += [Path(__file__).with_name(name).read_text() for name in _SCRIPTS]
    return f"<script>{chr(10).join(parts)}</script>"


def _gallery(settings: Settings, recognizer: FaceRecognizer) -> SessionGallery:
    """The host's gallery, which all share, or an empty one, which is copied for each session."""
    if settings.gallery is None:
        return SessionGallery(recognizer.empty_gallery(), reject=settings.reject)
    check_changeable(settings.gallery)
    gallery = recognizer.open_gallery(settings.gallery)
    return SessionGallery(gallery, shared=True, reject=settings.reject)
