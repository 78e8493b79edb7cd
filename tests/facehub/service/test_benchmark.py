"""`benchmarks/service.py`: the client it generates, and the faults it reports."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from benchmarks import service as benchmark
from facehub.service.app import create_app
from facehub.service.keys import Scope, make_key, write_keys
from facehub.service.settings import Settings
from tests.facehub.service.fakes import BLACK, GREEN, RED, picture, recognizer_of_colours


@pytest.fixture
def served(tmp_path: Path, free_port: int) -> Iterator[tuple[Any, str, str]]:
    """The application, its address and a token."""
    recognizer = recognizer_of_colours()
    key, token = make_key("all", list(Scope), 10**6)
    write_keys(tmp_path / "keys.json", [key])
    settings = Settings(keys=tmp_path / "keys.json", allow_embed=True)
    app = create_app(recognizer, settings, {"people": recognizer.empty_gallery()})
    server = uvicorn.Server(uvicorn.Config(app, port=free_port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield app, f"http://127.0.0.1:{free_port}", token
    server.should_exit = True
    thread.join()


def test_generated_client_calls_every_endpoint(
    served: tuple[Any, str, str], tmp_path: Path
) -> None:
    app, url, token = served
    api = benchmark.generate(json.dumps(app.openapi()), tmp_path)
    outcomes = benchmark.Outcomes()
    call = benchmark.Caller(api, url, token, outcomes)

    def enrol(name: str, *colours: tuple[int, int, int]) -> Any:
        body = call.model("EnrolBody", picture=call.file(picture(*colours)), name=name)
        return call("enrol", "people", body=body)

    done = enrol("Zoë", RED)
    assert (done.parsed.name, done.parsed.added, len(done.parsed.face.box)) == ("Zoë", True, 4)
    assert enrol("Bob", BLACK) is None
    found = call("identify", "people", body=call.file(picture(RED, GREEN)), top_k=1).parsed
    assert [face.name for face in found.faces] == ["Zoë", None]
    first, second = (call.file(picture(colour)) for colour in (RED, GREEN))
    body = call.model("VerifyBody", first=first, second=second)
    assert call("verify", body=body).parsed.decision == "different"
    embedded = call("embed", body=call.file(picture(RED))).parsed
    assert len(embedded.faces[0].embedding) == 4
    body = call.model("RenamePersonRename", name="Zoë", new_name="Ada")
    assert call("rename_person", "people", body=body).parsed.name == "Ada"
    assert benchmark.people(api, url, token) == {"Ada": 1}
    assert call("remove_person", "people", body=call.model("RemovePersonRemove", name="Ada"))
    assert benchmark.people(api, url, token) == {}
    assert call("health").parsed.status == "ok"
    assert outcomes.statuses.pop(("enrol", 422)) == 1
    assert all(status < 300 for _, status in outcomes.statuses)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"statuses": Counter({("enrol", 500): 1})}, "another error"),
        ({"statuses": Counter({("enrol", "ReadError()"): 1})}, "another error"),
        ({"silent": 1}, "did not say when"),
        ({"expected": {"Ada": 1, "Bob": 1}}, "not what was reported"),
        ({"expected": {}}, "not what was reported"),
        ({"seconds": []}, "nothing was done"),
    ],
)
def test_benchmark_reports_each_fault(change: dict[str, Any], message: str | None) -> None:
    sound = {
        "statuses": Counter({("enrol", 201): 3, ("enrol", 429): 1, ("search", 503): 1}),
        "seconds": [0.1],
        "expected": {"Ada": 1},
    }
    found = benchmark.faults(benchmark.Outcomes(**{**sound, **change}), {"Ada": 1})
    if message is None:
        assert found == []
    else:
        (text,) = found
        assert message in text
