"""The service around a recogniser of colours, and keys to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from facehub import FaceRecognizer, Gallery
from facehub.service.app import create_app
from facehub.service.keys import Scope, make_key, write_keys
from facehub.service.settings import Settings
from tests.facehub.service.fakes import recognizer_of_colours


@dataclass
class Running:
    """A service: a client without a key, the galleries, and a header for each key."""

    client: TestClient
    galleries: dict[str, Gallery]
    headers: dict[str, dict[str, str]]
    keys: Path

    def ask(self, method: str, path: str, key: str = "all", **options: Any) -> Any:
        return self.client.request(method, path, headers=self.headers[key], **options)


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts a service with given settings; all are closed at the end."""
    with ExitStack() as stack:

        def start(
            recognizer: FaceRecognizer | None = None, *, rate: int = 6000, **settings: Any
        ) -> Running:
            recognizer = recognizer or recognizer_of_colours()
            made = {
                "all": make_key("all", list(Scope), rate),
                **{scope.value: make_key(scope.value, [scope], rate) for scope in Scope},
                "staff": make_key("staff", list(Scope), rate, ["staff"]),
            }
            file = tmp_path / "keys.json"
            write_keys(file, [key for key, _ in made.values()])
            galleries: dict[str, Gallery] = {
                name: recognizer.empty_gallery() for name in ("people", "staff")
            }
            app = create_app(recognizer, Settings(keys=file, **settings), galleries)
            client = stack.enter_context(TestClient(app))
            headers = {
                name: {"Authorization": f"Bearer {token}"} for name, (_, token) in made.items()
            }
            return Running(client, galleries, headers, file)

        yield start


@pytest.fixture
def running(start: Start) -> Running:
    """A service with the default settings."""
    return start()
