"""Forget idle sessions and remove unused uploads while the app runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
from anyio.to_thread import run_sync
from gradio.state_holder import SessionState, StateHolder

from facehub.demo.host.sessions import sessions_of
from facehub.demo.host.uploads import sweep
from facehub.hosting import print_frames

EVERY = 5.0  # seconds
CLOSED_LIFETIME = 300.0  # seconds that a session outlives its page: connections break on phones

_closed_since: WeakKeyDictionary[SessionState, datetime] = WeakKeyDictionary()


@asynccontextmanager
async def sweeping(app: Any, *, lifetime: float) -> AsyncIterator[None]:
    """Lifespan of Gradio's app: it sweeps every few seconds.

    Args:
        app: Gradio's.
        lifetime: seconds without use after which a session is forgotten.
    """
    task = asyncio.create_task(_sweep_forever(app, lifetime))
    try:
        yield
    finally:
        task.cancel()


async def _sweep_forever(app: Any, lifetime: float) -> None:
    while True:
        await asyncio.sleep(min(EVERY, lifetime))
        try:
            forget_sessions(app.get_blocks(), lifetime)
            await run_sync(sweep)
            forget_paths(app.get_blocks())
        except Exception:  # the next round may do better
            print_frames()


def forget_sessions(page: gr.Blocks, lifetime: float) -> None:
    """Drop everything that Gradio holds of idle sessions. Call in the server's event loop.

    Besides the values of `gr.State`, Gradio keeps the components, whose choices hold names, and
    answers that nobody fetched.
    """
    holder, now = page.state_holder, datetime.now()
    for session_hash, session in list(holder.session_data.items()):
        used = holder.time_last_used.get(session_hash, now)
        gone = (now - used).total_seconds() > lifetime
        if session.is_closed:
            left = max(used, _closed_since.setdefault(session, now))
            gone |= (now - left).total_seconds() > CLOSED_LIFETIME
        if gone:
            with holder.lock:
                holder.session_data.pop(session_hash, None)
                holder.time_last_used.pop(session_hash, None)
            sessions_of(holder).forget(session_hash)
            page._queue.pending_messages_per_session.pop(session_hash, None)


def reopen(holder: StateHolder, session_hash: str) -> None:
    """Mark a session as open again: Gradio leaves it closed when its page reconnects."""
    session = holder.session_data.get(session_hash)
    if session is not None:
        session.is_closed = False
        _closed_since.pop(session, None)


def forget_paths(page: gr.Blocks) -> None:
    """Drop Gradio's records of uploads that are gone."""
    for paths in page.temp_file_sets:
        paths.difference_update([path for path in paths if not os.path.exists(path)])
