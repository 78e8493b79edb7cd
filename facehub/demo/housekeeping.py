"""While the app runs: forget sessions and remove uploads that nothing was done with."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import gradio as gr
from anyio.to_thread import run_sync

from facehub.demo.uploads import sweep

EVERY = 5.0  # seconds
CLOSED_LIFETIME = 300.0  # seconds that a session outlives its page: connections break on phones


@asynccontextmanager
async def housekeeping(app: Any, *, lifetime: float) -> AsyncIterator[None]:
    """For the lifespan of Gradio's app.

    Args:
        app: of Gradio.
        lifetime: seconds without use after which a session is forgotten.
    """
    task = asyncio.create_task(_keep_house(app, lifetime))
    try:
        yield
    finally:
        task.cancel()


async def _keep_house(app: Any, lifetime: float) -> None:
    while True:
        await asyncio.sleep(min(EVERY, lifetime))
        try:
            forget_sessions(app.get_blocks(), lifetime)
            await run_sync(sweep)
            forget_paths(app.get_blocks())
        except Exception:  # the next round may do better
            traceback.print_exc()


def forget_sessions(page: gr.Blocks, lifetime: float) -> None:
    """Drop all that Gradio holds of sessions that are out of use; for the server's event loop.

    That is more than the values of `gr.State`: the last value of each input and output is kept too,
    pictures and names among them, and answers that were not fetched.
    """
    holder, now = page.state_holder, datetime.now()
    for session_hash, session in list(holder.session_data.items()):
        last = holder.time_last_used.get(session_hash, now)
        limit = min(lifetime, CLOSED_LIFETIME) if session.is_closed else lifetime
        if (now - last).total_seconds() > limit:
            with holder.lock:
                holder.session_data.pop(session_hash, None)
                holder.time_last_used.pop(session_hash, None)
            page._queue.pending_messages_per_session.pop(session_hash, None)


def forget_paths(page: gr.Blocks) -> None:
    """Drop Gradio's record of uploads that are gone."""
    for paths in page.temp_file_sets:
        paths.difference_update([path for path in paths if not os.path.exists(path)])
