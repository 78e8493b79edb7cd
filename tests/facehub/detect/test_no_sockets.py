"""A thread that may not open sockets; `tests/test_no_reports.py` shows its purpose."""

from __future__ import annotations

import os
import platform
import socket
import sys
import threading
from collections.abc import Callable

import pytest

from facehub.detect.mediapipe_import import import_mediapipe
from facehub.detect.models import base_options
from facehub.detect.no_sockets import refuse_sockets


def outcome(work: Callable[[], object]) -> object:
    """What `work` returns in a thread of its own, or the error that it raises."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def opened() -> str:
    with socket.socket():
        return "opened"


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="needs Linux on x86-64 or Arm",
)
def test_refuse_sockets_applies_to_a_thread_and_the_threads_it_starts() -> None:
    assert outcome(lambda: (refuse_sockets(), outcome(opened))[0]) is True
    assert isinstance(outcome(lambda: (refuse_sockets(), opened())), PermissionError)
    assert isinstance(outcome(lambda: (refuse_sockets(), outcome(opened))[1]), PermissionError)
    names = outcome(lambda: (refuse_sockets(), socket.getaddrinfo("example.org", 443)))
    assert isinstance(names, socket.gaierror)
    assert outcome(lambda: (refuse_sockets(), os.listdir("/"))[1])  # other calls still work
    assert opened() == outcome(opened) == "opened"  # so do sockets of other threads


def test_refuse_sockets_does_nothing_on_an_unsupported_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "sparc64")
    assert outcome(lambda: (refuse_sockets(), opened())) == (False, "opened")


def test_mediapipe_trusts_no_server() -> None:
    """Where its threads may open sockets, MediaPipe stops before it sends anything."""
    options = base_options(import_mediapipe(), b"model").to_ctypes()
    assert options.ca_bundle_path == os.devnull.encode()
    assert (options.model_asset_buffer, options.model_asset_buffer_count) == (b"model", 5)
