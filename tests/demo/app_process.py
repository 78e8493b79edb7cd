"""`python app.py` in a process of its own, as a host runs it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds that the app may take to start


class AppProcess:
    """The app, started at once and killed at the end of a `with` block.

    Args:
        log: file for its output.
        variables: environment variables of the app.

    Attributes:
        process: the process.
        url: where the app answers after `wait`.
        log: the file.
    """

    def __init__(self, log: Path, **variables: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        self.log = log
        self.url = f"http://127.0.0.1:{port}/"
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "app.py"],
                cwd=ROOT,
                env={**os.environ, "GRADIO_SERVER_PORT": port, **variables},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> Self:
        """Wait until the app answers, and return this object."""
        deadline = time.monotonic() + PATIENCE
        while "Running on local URL" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
