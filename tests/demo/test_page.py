"""The served page: endpoints, privacy settings, and bad input."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import facehub
from facehub.demo import api
from facehub.demo.page import launch_options
from facehub.demo.settings import Settings
from facehub.detect.base import MAX_FACES
from tests.demo.routes import ask, picture, upload

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def client(page_url: str) -> Client:
    return Client(page_url, verbose=False)


def verify(client: Client, first: Path, second: Path, policy: str = "exactly_one") -> dict:
    return client.predict(handle_file(first), handle_file(second), policy, api_name="/verify")


def test_verify_endpoint_tells_same_and_different_people_apart(
    client: Client, examples: Path
) -> None:
    collins = examples / "eileen_collins.jpg"
    same = verify(client, collins, examples / "eileen_collins_tilted.jpg")
    assert same["decision"] == "same"
    assert same["similarity"] > 0.8
    assert verify(client, collins, examples / "grace_hopper.jpg")["decision"] == "different"


def test_the_endpoints_answer_as_the_library_does(client: Client, examples: Path) -> None:
    collins, grace, both = (
        examples / f"{name}.jpg" for name in ("eileen_collins", "grace_hopper", "both")
    )
    assert verify(client, collins, grace) == facehub.verify(collins, grace).to_dict()
    assert verify(client, collins, both) == facehub.verify(collins, both).to_dict()
    gallery = facehub.default_recognizer().empty_gallery()
    facehub.enrol(gallery, "Grace", grace, source="grace_hopper.jpg")
    expected = [face.to_dict() for face in facehub.identify(both, gallery, top_k=3)]
    found = client.predict(handle_file(both), [handle_file(grace)], ["Grace"], api_name="/identify")
    assert found == {"faces": expected}


def test_verify_endpoint_refuses_several_faces_without_best_pair(
    client: Client, examples: Path
) -> None:
    collins, both = examples / "eileen_collins.jpg", examples / "both.jpg"
    refused = verify(client, collins, both)
    assert refused["decision"] == "cannot_tell"
    assert "second picture: 2 faces" in refused["reason"]
    assert verify(client, collins, both, "best_pair")["decision"] == "same"


def test_identify_endpoint_is_stateless(client: Client, examples: Path) -> None:
    found = client.predict(
        handle_file(examples / "both.jpg"),
        [handle_file(examples / "grace_hopper.jpg")],
        ["Grace"],
        api_name="/identify",
    )
    assert [face["name"] for face in found["faces"]] == [None, "Grace"]
    found = client.predict(
        handle_file(examples / "both.jpg"),
        [handle_file(examples / "eileen_collins.jpg")],
        ["Eileen"],
        api_name="/identify",
    )
    assert [face["name"] for face in found["faces"]] == ["Eileen", None]


def test_identify_endpoint_takes_no_more_people_than_a_gallery(
    client: Client, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MAX_PHOTOS", 1)
    photo = handle_file(examples / "grace_hopper.jpg")
    with pytest.raises(AppError, match="at most 1 photos"):
        client.predict(photo, [photo, photo], ["Ada", "Bob"], api_name="/identify")


def test_api_description_states_limits_and_offers_no_address(page_url: str) -> None:
    """The description offers nothing that the server refuses, such as the address of a picture."""
    for path in ("gradio_api/info", "gradio_api/openapi.json"):
        text = httpx.get(page_url + path).text
        for promise in ("ublicly available", "githubusercontent", "bus.png", '"url\\"', "or url"):
            assert promise not in text, (path, promise)
        assert "never fetched from an address" in text
    info = httpx.get(f"{page_url}gradio_api/info").json()["named_endpoints"]
    for name, words in (
        ("/verify", ("-1 to 1", "pixels", "degrees", "32 MB", "40 megapixels", "index")),
        (
            "/identify",
            (f"1 to {api.MAX_PHOTOS}", f"at most {MAX_FACES}", "up to 3"),
        ),
    ):
        assert all(word in info[name]["description"] for word in words)
    (photo, people, names) = info["/identify"]["parameters"]
    assert photo["python_type"]["type"] == "filepath"
    assert people["python_type"]["type"] == "list[filepath]"
    assert names["python_type"]["type"] == "list[str]"


def test_python_snippets_of_the_api_run(
    page_url: str, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(examples / "grace_hopper.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    info = httpx.get(f"{page_url}gradio_api/info").json()["named_endpoints"]
    scope: dict[str, Any] = {}
    exec(info["/verify"]["code_snippets"]["python"], scope)
    assert scope["result"]["decision"] == "same"
    exec(info["/identify"]["code_snippets"]["python"], scope)
    assert scope["result"]["faces"][0]["name"] == "Ada"


def test_every_path_of_the_openapi_document_answers(page_url: str, examples: Path) -> None:
    document = httpx.get(f"{page_url}gradio_api/openapi.json").json()
    assert len(document["paths"]) == 5  # upload, and for each endpoint a call and its answer
    url = page_url.rstrip("/")
    for path in [path for path in document["paths"] if "/call/v2/" in path]:
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        data: dict[str, Any] = {}
        for name, schema in body["schema"]["properties"].items():
            photo = picture(upload(page_url, examples / "grace_hopper.jpg"))
            values = {"people": [photo], "names": ["Grace"], "policy": "largest"}
            data[name] = values.get(name, photo)
            assert schema.get("type") != "filepath"
        call = httpx.post(url + path, json=data, timeout=60)
        assert call.status_code == 200
        answer = path.replace("/v2", "") + "/{event_id}"
        assert answer in document["paths"]
        text = httpx.get(url + answer.format(**call.json()), timeout=60).text
        assert "event: complete" in text


def test_mcp_is_off_and_not_advertised(
    serve: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRADIO_MCP_SERVER", "True")
    _, url = serve(Settings())
    assert httpx.get(f"{url}config").json()["mcp_server"] is False
    for path in ("mcp", "mcp/", "mcp/sse", "mcp/schema"):
        for method in ("GET", "POST"):
            assert httpx.request(method, f"{url}gradio_api/{path}").status_code == 404
    assert "MCP" not in capsys.readouterr().out


def test_only_the_two_endpoints_are_public(client: Client) -> None:
    api = client.view_api(return_format="dict", print_info=False)
    assert set(api["named_endpoints"]) == {"/verify", "/identify"}
    assert api["unnamed_endpoints"] == {}


def bad_files() -> dict[str, bytes]:
    sound = io.BytesIO()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (200, 200, 3), np.uint8)).save(sound, "JPEG")
    huge = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(huge, "PNG")
    return {
        "text.jpg": b"this is no picture",
        "truncated.jpg": sound.getvalue()[: len(sound.getvalue()) // 2],
        "huge.png": huge.getvalue(),
        "empty.jpg": b"",
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text.jpg", "not a picture"),
        ("truncated.jpg", "damaged or incomplete"),
        ("huge.png", "10000 x 10000 pixels"),
        ("empty.jpg", "empty"),
    ],
)
def test_bad_pictures_get_a_clear_message(
    client: Client, examples: Path, tmp_path: Path, name: str, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(bad_files()[name])
    with pytest.raises(AppError, match=message):
        verify(client, path, examples / "grace_hopper.jpg")
    collins = examples / "eileen_collins.jpg"  # the page still works
    assert verify(client, collins, collins)["decision"] == "same"


def test_a_picture_without_a_face_gives_cannot_tell(
    client: Client, examples: Path, tmp_path: Path
) -> None:
    path = tmp_path / "grey.png"
    Image.new("RGB", (300, 300), "grey").save(path)
    found = verify(client, path, examples / "grace_hopper.jpg")
    assert found["decision"] == "cannot_tell"
    assert "first picture: No face was found" in found["reason"]


@pytest.mark.parametrize("path", ["/etc/passwd", str(ROOT / "weights" / "config.json")])
def test_endpoints_do_not_read_files_of_the_server(page_url: str, path: str) -> None:
    secret = picture(path)
    for endpoint, rest in (("verify", "exactly_one"), ("identify", ["Ada"])):
        second = [secret] if endpoint == "identify" else secret
        status, text = ask(page_url, endpoint, secret, second, rest)
        assert status == 200
        assert "event: error" in text
        assert "not a picture" not in text  # the server did not open the file
        assert "root:" not in text
        assert "fingerprint" not in text


def test_history_monitoring_and_sharing_of_gradio_are_off(page_url: str) -> None:
    options = launch_options()
    assert options["run_history"] is False
    assert options["enable_monitoring"] is False
    assert 0 < options["max_file_size"] <= 32 * 2**20
    config = httpx.get(f"{page_url}config").json()
    assert not config.get("run_history")
    buttons = [block["props"].get("buttons") for block in config["components"]]
    pictures = [block for block in config["components"] if block["type"] == "image"]
    assert len(pictures) >= 7
    assert all(block["props"]["buttons"] == ["fullscreen"] for block in pictures)
    assert not any({"share", "download"} & set(names or ()) for names in buttons)


def test_damaged_weights_end_the_app_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((ROOT / "weights" / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"x" * 100)
    run = subprocess.run(
        [sys.executable, ROOT / "app.py"],
        env={**os.environ, "FACEHUB_MODEL": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 1
    assert "damaged or not a safetensors file" in run.stderr
    assert "Traceback" not in run.stderr
