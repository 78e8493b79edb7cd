"""Uploads and sessions that the page removes by itself."""

from __future__ import annotations

import os
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import gradio as gr
import httpx
import pytest
from gradio.state_holder import SessionState, StateHolder

from facehub.demo.host import sweeper
from facehub.demo.host import uploads as uploads_module
from facehub.demo.host.uploads import LIFETIME, PREFIX, folder_size, sweep, upload_folder
from facehub.demo.page import SESSIONS
from facehub.demo.settings import Settings
from facehub.io.locks import hold_folder
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


def test_unused_uploads_are_swept(page_url: str, examples: Path) -> None:
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
    sweep(age=-1)  # the second call removes the folders
    assert uploads() == set()


def test_the_sweeper_runs_while_the_page_is_served(
    serve, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "EVERY", 0.2)
    page, url = serve(Settings())
    old = Path(upload(url, examples / "grace_hopper.jpg"))
    assert str(old) in page.upload_file_set
    aged(old)
    until(lambda: not old.exists())
    until(lambda: str(old) not in page.upload_file_set)


def test_a_forgotten_session_leaves_nothing_in_gradio(serve, examples: Path) -> None:
    page, url = serve(Settings(session_minutes=0.02))  # type: ignore[arg-type]  # 1.2 seconds
    path = upload(url, examples / "grace_hopper.jpg")
    ask(url, "verify", picture(path), picture(path), "exactly_one", session="ada")
    assert path not in str(page.state_holder.session_data["ada"].config_values)
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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sweeper, "datetime", clock)
    return clock


class Clock:
    """A replacement for `datetime` whose time only the test changes."""

    def __init__(self) -> None:
        self.time = datetime(2000, 1, 1)

    def now(self) -> datetime:
        return self.time

    def later(self, minutes: float) -> None:
        self.time += timedelta(minutes=minutes)


@pytest.fixture
def held(clock: Clock) -> gr.Blocks:
    """A page that is not served and holds the session of Ada."""
    page = gr.Blocks()
    page.state_holder = StateHolder()
    page.state_holder.session_data["ada"] = SessionState(page)
    page.state_holder.time_last_used["ada"] = clock.now()
    return page


def holds(page: gr.Blocks) -> bool:
    sweeper.forget_sessions(page, lifetime=3600)
    return "ada" in page.state_holder.session_data


def test_a_page_closed_after_long_reading_is_not_forgotten_at_once(
    held: gr.Blocks, clock: Clock
) -> None:
    clock.later(minutes=50)
    held.state_holder.session_data["ada"].is_closed = True
    assert holds(held)
    clock.later(minutes=4.9)
    assert holds(held)
    clock.later(minutes=0.2)
    assert not holds(held)


def test_a_reopened_page_is_kept(held: gr.Blocks, clock: Clock) -> None:
    for _ in range(2):
        held.state_holder.session_data["ada"].is_closed = True
        assert holds(held)
        clock.later(minutes=4)
        sweeper.reopen(held.state_holder, "ada")
        assert holds(held)
        clock.later(minutes=4)
    assert holds(held)


def test_a_page_that_seems_closed_is_kept_while_it_is_used(held: gr.Blocks, clock: Clock) -> None:
    held.state_holder.session_data["ada"].is_closed = True
    for _ in range(3):
        assert holds(held)
        clock.later(minutes=4)
        held.state_holder.time_last_used["ada"] = clock.now()
    clock.later(minutes=5.1)
    assert not holds(held)


def test_an_open_page_is_forgotten_after_its_lifetime(held: gr.Blocks, clock: Clock) -> None:
    clock.later(minutes=59.9)
    assert holds(held)
    clock.later(minutes=0.2)
    assert not holds(held)


def test_a_heartbeat_reopens_a_closed_page(serve) -> None:
    page, url = serve(Settings())
    ask(url, "verify", None, None, "exactly_one", session="ada")
    session = page.state_holder.session_data["ada"]
    session.is_closed = True
    with httpx.stream("GET", f"{url}gradio_api/heartbeat/ada"):
        assert not session.is_closed


def test_the_folder_of_a_process_that_was_killed_is_removed() -> None:
    folders = [
        Path(tempfile.mkdtemp(prefix=PREFIX, dir=Path(upload_folder()).parent)) for _ in range(2)
    ]
    for folder in folders:
        (folder / "face.jpg").write_bytes(b"x")
        aged(folder)
    held = hold_folder(folders[1])  # as a running process does
    assert held is not None
    sweep()
    assert [folder.exists() for folder in folders] == [False, True]
    os.close(held)
    aged(Path(upload_folder()))
    sweep()
    assert not folders[1].exists()
    assert Path(upload_folder()).is_dir()  # the folder of this process


def test_uploads_on_a_disk_print_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(uploads_module, "MEMORY_FOLDER", tmp_path / "none")
    folder = upload_folder.__wrapped__()
    assert "Uploads lie on a disk" in capsys.readouterr().out
    assert not uploads_module.in_memory()
    os.rmdir(folder)


def test_the_number_of_sessions_is_limited(serve) -> None:
    page, _ = serve(Settings())
    assert page.state_holder.capacity == SESSIONS <= 500
