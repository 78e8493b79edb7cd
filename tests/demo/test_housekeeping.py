"""What the page forgets by itself."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from facehub.demo import housekeeping
from facehub.demo.page import SESSIONS
from facehub.demo.settings import Settings
from facehub.demo.uploads import LIFETIME, folder_size, sweep, upload_folder
from tests.demo.routes import ask, picture, upload, uploads


def until(condition, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def aged(path: Path) -> Path:
    long_ago = time.time() - LIFETIME - 1
    os.utime(path, (long_ago, long_ago))
    return path


def test_uploads_that_nothing_was_done_with_are_swept(page_url: str, examples: Path) -> None:
    old, new = (Path(upload(page_url, examples / "grace_hopper.jpg")) for _ in range(2))
    stray = Path(upload_folder(), "tmp-of-the-parser")
    stray.write_bytes(b"x" * 100)
    assert folder_size() >= 2 * (examples / "grace_hopper.jpg").stat().st_size + 100
    aged(old), aged(stray)
    sweep()
    assert not old.exists()
    assert not stray.exists()
    assert new.exists()
    aged(old.parent)
    sweep()
    assert not old.parent.exists()
    assert new.exists()
    sweep(age=-1)
    sweep(age=-1)  # the folders
    assert uploads() == set()


def test_the_sweeper_runs(serve, examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "EVERY", 0.2)
    page, url = serve(Settings())
    old = Path(upload(url, examples / "grace_hopper.jpg"))
    assert str(old) in page.upload_file_set
    aged(old)
    until(lambda: not old.exists())
    until(lambda: str(old) not in page.upload_file_set)


def test_a_session_is_forgotten_with_all_that_gradio_keeps_of_it(serve, examples: Path) -> None:
    page, url = serve(Settings(session_minutes=0.02))  # type: ignore[arg-type]  # 1.2 seconds
    path = upload(url, examples / "grace_hopper.jpg")
    ask(url, "verify", picture(path), picture(path), "exactly_one", session="ada")
    assert path in str(page.state_holder.session_data["ada"].config_values)
    until(lambda: "ada" not in page.state_holder.session_data)
    assert "ada" not in page.state_holder.time_last_used
    assert "ada" not in page._queue.pending_messages_per_session


def test_a_session_lives_on_while_it_is_used(serve) -> None:
    page, url = serve(Settings(session_minutes=0.05))  # type: ignore[arg-type]  # 3 seconds
    first = None
    for _ in range(6):
        ask(url, "verify", None, None, "exactly_one", session="ada")
        first = first or page.state_holder.session_data["ada"]
        time.sleep(0.7)
    assert page.state_holder.session_data["ada"] is first


def test_sessions_are_bounded(serve) -> None:
    page, _ = serve(Settings())
    assert page.state_holder.capacity == SESSIONS <= 500
