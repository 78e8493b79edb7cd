"""How the service is built, started and described by OpenAPI."""

from __future__ import annotations

import ast
import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from facehub import (
    FaceHubError,
    FaceRecognizer,
    GalleryError,
    GalleryMismatchError,
    MemoryGallery,
)
from facehub.hosting import SettingsError
from facehub.service import launch, schemas
from facehub.service.app import create_app
from facehub.service.keys import Scope, make_key, write_keys
from facehub.service.settings import Settings
from tests.facehub.service.conftest import Running, Start
from tests.facehub.service.fakes import RED, Colours, Strips, picture, recognizer_of_colours

PEOPLE = "/v1/galleries/people/people"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys.json"
    write_keys(file, [make_key("all", list(Scope))[0]])
    return file


def test_app_with_bad_gallery_or_settings_is_refused_at_start(keys: Path) -> None:
    recognizer = recognizer_of_colours()
    with pytest.raises(GalleryMismatchError):
        create_app(recognizer, Settings(keys=keys), {"people": MemoryGallery("sha256:other", 4)})
    with pytest.raises(SettingsError, match="FACEHUB_FMR"):
        create_app(recognizer, Settings(keys=keys, fmr=0.01), {})
    with pytest.raises(SettingsError, match="cannot be read"):
        create_app(recognizer, Settings(keys=keys / "none"), {})


def test_galleries_are_opened_and_closed(tmp_path: Path) -> None:
    recognizer = recognizer_of_colours()
    addresses = {"people": str(tmp_path / "people.db"), "staff": str(tmp_path / "staff.db")}
    with launch.opened(addresses, recognizer) as galleries:
        face = recognizer.face(picture(RED))
        galleries["people"].add("Ada", face.embedding)
    with pytest.raises(GalleryError):
        galleries["people"].people()
    with launch.opened(addresses, recognizer) as galleries:
        assert galleries["people"].people() == {"Ada": 1}
        assert galleries["staff"].people() == {}
    other = FaceRecognizer(Colours("sha256:" + "d" * 64), Strips())
    with pytest.raises(GalleryMismatchError), launch.opened(addresses, other):
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_serve_reports_its_address_once_it_listens(
    host: str, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[str] = []

    def run(_: uvicorn.Server, sockets: list[socket.socket]) -> None:
        (listener,) = sockets
        port = listener.getsockname()[1]
        assert announced == [f"http://{host}:{port}"]
        socket.create_connection((host, port), timeout=5).close()
        with pytest.raises(FaceHubError, match=f"cannot listen on {host}, port {port}: Address al"):
            launch.serve(recognizer_of_colours(), Settings(keys=keys), host=host, port=port)

    monkeypatch.setattr(launch, "_log", lambda: None)
    monkeypatch.setattr(uvicorn.Server, "run", run)
    launch.serve(
        recognizer_of_colours(), Settings(keys=keys), host=host, port=0, on_start=announced.append
    )
    assert len(announced) == 1


def test_gallery_in_a_safetensors_file_is_not_served(tmp_path: Path) -> None:
    recognizer = recognizer_of_colours()
    file = tmp_path / "people.safetensors"
    recognizer.empty_gallery().save(file)
    with (
        pytest.raises(GalleryError, match="facehub gallery copy"),
        launch.opened({"people": str(file)}, recognizer),
    ):
        pass


def test_full_service_answers_503_and_recovers(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(workers=1, queue_size=1)
    release, begun = threading.Event(), threading.Semaphore(0)
    people = running.galleries["people"].people

    def slow(offset: int = 0, limit: int | None = None) -> dict[str, int]:
        begun.release()
        release.wait(10)
        return people(offset, limit)

    monkeypatch.setattr(running.galleries["people"], "people", slow)
    gate = running.client.app.state.service.gate  # type: ignore[attr-defined]
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(running.ask, "GET", PEOPLE) for _ in range(2)]
        assert begun.acquire(timeout=5)
        end = time.monotonic() + 5
        while gate.inside < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        refused = running.ask("GET", PEOPLE)
        assert (refused.status_code, refused.json()["error"]) == (503, "BusyError")
        assert int(refused.headers["retry-after"]) > 0
        assert running.client.get("/healthz").status_code == 200
        release.set()
        assert [each.result(10).status_code for each in waiting] == [200, 200]
    assert running.ask("GET", PEOPLE).status_code == 200


def test_request_that_waits_too_long_is_refused_and_not_carried_out(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(workers=1, deadline=1)
    service = running.client.app.state.service  # type: ignore[attr-defined]
    gate, threads = service.gate, service.recognizer.host.threads
    monkeypatch.setattr(gate, "deadline", 0.05)
    release, begun = threading.Event(), threading.Barrier(threads + 1, timeout=5)

    async def all_threads() -> None:
        await asyncio.gather(
            *(gate.run(lambda: (begun.wait(), release.wait(10))) for _ in range(threads))
        )

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(asyncio.run, all_threads())
        begun.wait()
        form = {"files": {"picture": picture(RED)}, "data": {"name": "Ada"}}
        refused = running.ask("POST", PEOPLE, **form)
        release.set()
        work.result(10)
    assert (refused.status_code, refused.json()["error"]) == (503, "BusyError")
    assert len(running.galleries["people"]) == 0  # the refused request is not carried out later


def test_openapi_document_lists_errors_security_and_fields(running: Running) -> None:
    found = running.client.get("/openapi.json").json()
    assert found["openapi"].startswith("3.1")
    for path, operations in found["paths"].items():
        for operation in operations.values():
            assert operation["operationId"].isidentifier()
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"]
                    (media,) = answer["content"].values()
                    assert media["schema"]["$ref"].endswith("/Problem")
            secured = operation.get("security", [])
            assert bool(secured) == (path != "/healthz")
            assert all(
                "Retry-After" in operation["responses"][each]["headers"]
                for each in ("429", "503")
                if each in operation["responses"]
            )
    enrol = found["paths"]["/v1/galleries/{gallery}/people"]["post"]
    (form,) = enrol["requestBody"]["content"].values()
    assert form["schema"]["required"] == ["picture", "name"]
    assert {"200", "201", "429", "503"} <= set(enrol["responses"])
    search = found["paths"]["/v1/galleries/{gallery}/search"]["post"]["requestBody"]["content"]
    assert {"multipart/form-data", "image/jpeg", "application/octet-stream"} <= set(search)
    assert set(schemas.Problem.model_fields) == set(
        found["components"]["schemas"]["Problem"]["properties"]
    )


def test_openapi_document_states_limits_and_units(start: Start) -> None:
    document = start(max_upload_mb=5).client.get("/openapi.json").json()
    assert "at most 5 MB and 40 megapixels" in document["info"]["description"]
    assert "not its address" in document["info"]["description"]
    operations = {
        each["operationId"] for path in document["paths"].values() for each in path.values()
    }
    assert {"verify", "identify"} <= operations
    schemas_by_name = document["components"]["schemas"]
    for name in ("Verification", "ComparedFace", "Candidate"):
        for field, schema in schemas_by_name[name]["properties"].items():
            numeric = {"number", "integer"} & {schema.get("type"), *_types(schema)}
            assert not numeric or schema.get("description"), (name, field)  # units and range


def _types(schema: dict[str, Any]) -> set[str]:
    return {each.get("type", "") for each in schema.get("anyOf", [])}


@pytest.mark.parametrize("allow_embed", [False, True])
def test_every_path_of_the_openapi_document_answers(start: Start, allow_embed: bool) -> None:
    """An empty request to each path is answered, or refused with 415 as it lacks a body."""
    running = start(allow_embed=allow_embed)
    paths = running.client.get("/openapi.json").json()["paths"]
    assert ("/v1/embed" in paths) == allow_embed
    for path, operations in paths.items():
        for method in operations:
            answer = running.ask(method.upper(), path.replace("{gallery}", "people"))
            assert answer.status_code in (200, 415), (method, path, answer.text)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_no_documentation_page_loads_scripts_from_other_sites(running: Running, path: str) -> None:
    assert running.client.get(path).status_code == 404


def test_service_imports_neither_gradio_nor_the_page() -> None:
    folder = Path(create_app.__code__.co_filename).parent
    for path in [*folder.glob("*.py"), folder.parent / "hosting.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [m for m in modules if m.startswith(("gradio", "facehub.demo"))], path
