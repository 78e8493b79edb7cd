"""No dependency contacts a host or writes to the home folder while facehub runs.

Each test runs a program in a network of its own, whose name server records every lookup, also those
of native code. The first tests prove that it records the telemetry of dependencies.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RECORDER = Path(__file__).with_name("network_recorder.py")
UNSHARE = ["unshare", "--map-root-user", "--net", "--mount"]
KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "VIRTUAL_ENV")  # not CI=1: it silences ONNX Runtime


@dataclass(frozen=True)
class Record:
    """The hosts that a program contacted, the files that it wrote to its home, and its output."""

    hosts: list[str]
    files: list[str]
    output: str


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Record]:
    """Run a command in a recorded network, with an empty home."""
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"recording a network needs {program}, on Linux")

    def run(*command: str, timeout: float = 120) -> Record:
        home, seen = tmp_path / "home", tmp_path / "seen.json"
        home.mkdir()
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT), "FACEHUB_THREADS": "1"}
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", "GRADIO_SERVER_PORT": "7860"}
        done = subprocess.run(
            [*UNSHARE, sys.executable, str(RECORDER), str(seen), *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if not seen.exists():
            words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            pytest.skip(f"this system does not allow a network of its own: {words[-1]}")
        assert done.returncode == 0, done.stdout + done.stderr
        files = [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]
        return Record(sorted(set(json.loads(seen.read_text()))), files, done.stdout)

    return run


# --- The telemetry of dependencies is recorded ----------------------------------------------------


def test_names_and_addresses_are_recorded(record: Callable[..., Record]) -> None:
    code = """
import socket
for address in ("www.example.org", 443), ("93.184.216.34", 80):
    socket.create_connection(address, 5).close()
socket.create_connection(("127.0.0.1", 80), 5).close()
"""
    assert record(sys.executable, "-c", code).hosts == ["93.184.216.34:80", "www.example.org"]


def test_onnx_runtime_alone_writes_a_device_id(record: Callable[..., Record]) -> None:
    """ONNX Runtime writes it on import, and sends events some seconds later."""
    found = record(sys.executable, "-c", "import onnxruntime")
    if not found.files:
        pytest.skip("this ONNX Runtime has no telemetry")
    assert any(file.endswith("deviceid") for file in found.files)


FACES = """
from facehub import FaceRecognizer, MediaPipeDetector, load_image
from facehub.detect import mediapipe
picture = load_image("examples/grace_hopper.jpg")
def find(): # MediaPipe reports when its models are freed
    with MediaPipeDetector() as detector:
        print(len(detector.find(picture)))
"""


def test_mediapipe_alone_contacts_google(record: Callable[..., Record]) -> None:
    found = record(sys.executable, "-c", f"{FACES}mediapipe.refuse_sockets = lambda: None\nfind()")
    assert found.hosts == ["play.googleapis.com"]


# --- facehub sends no telemetry -------------------------------------------------------------------

LIBRARY = f"""{FACES}
import facehub
from facehub import make_album
find()
one, other = "examples/eileen_collins.jpg", "examples/grace_hopper.jpg"
print(facehub.verify(one, other).decision)
recognizer = FaceRecognizer.from_pretrained()
with recognizer.open_gallery("GALLERY") as gallery:
    facehub.enrol(gallery, "Eileen", one)
    print([face.name for face in facehub.identify("examples/both.jpg", gallery)])
"""


def test_the_library_contacts_no_host_and_writes_no_file(
    record: Callable[..., Record], tmp_path: Path
) -> None:
    code = LIBRARY.replace("GALLERY", str(tmp_path / "people.db"))
    found = record(sys.executable, "-c", code)
    assert found.output.splitlines()[:2] == ["1", "different"]
    assert (found.hosts, found.files) == ([], [])


def test_the_command_contacts_no_host_and_writes_no_file(
    record: Callable[..., Record], tmp_path: Path
) -> None:
    gallery, out = tmp_path / "people.db", tmp_path / "out"
    script = f"""set -e
facehub() {{ {sys.executable} -m facehub "$@"; }}
facehub verify examples/eileen_collins.jpg examples/eileen_collins_tilted.jpg
facehub enrol {gallery} --name Grace examples/grace_hopper.jpg
facehub identify {gallery} examples/both.jpg
facehub embed examples/both.jpg -o {out}.npz
facehub cluster examples/both.jpg examples/grace_hopper.jpg -o {out}.json
facehub info"""
    found = record("bash", "-c", script)
    assert "Grace" in found.output
    assert (found.hosts, found.files) == ([], [])


CLIENT = """
import subprocess, sys, time
import httpx
server = subprocess.Popen(sys.argv[1].split())
try:
    for _ in range(600):
        try:
            httpx.get(sys.argv[2], timeout=60).raise_for_status()
            break
        except httpx.TransportError:
            time.sleep(0.1)
    ask()
finally:
    server.terminate()
    server.wait()
"""
ASK_SERVICE = """
def ask():
    answer = httpx.post(
        "http://127.0.0.1:8000/v1/verify",
        headers={"Authorization": f"Bearer {sys.argv[3]}"},
        files=[(name, open(f"examples/{file}.jpg", "rb")) for name, file in
               (("first", "eileen_collins"), ("second", "grace_hopper"))],
        timeout=60,
    )
    print(answer.raise_for_status().json()["decision"])
"""
ASK_PAGE = """
def ask():
    from tests.demo.routes import ask, picture, upload
    from pathlib import Path
    url = "http://127.0.0.1:7860/"
    files = [picture(upload(url, Path("examples", f"{name}.jpg")))
             for name in ("eileen_collins", "grace_hopper")]
    print("different" if "'decision': 'different'" in ask(url, "verify", *files, "exactly_one")[1]
          .replace('"', "'") else "no answer")
"""


def test_the_service_contacts_no_host_and_writes_no_file(
    record: Callable[..., Record], tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    make = [sys.executable, "-m", "facehub", "keys", str(keys), "--add", "test"]
    token = subprocess.run(make, capture_output=True, text=True, check=True).stdout.strip()
    serve = f"{sys.executable} -m facehub serve --keys {keys}"
    code = ASK_SERVICE + CLIENT
    found = record(sys.executable, "-c", code, serve, "http://127.0.0.1:8000/healthz", token)
    assert found.output.split()[-1] == "different"
    assert (found.hosts, found.files) == ([], [])


def test_the_page_contacts_no_host_and_writes_no_file(record: Callable[..., Record]) -> None:
    serve = f"{sys.executable} app.py"
    found = record(sys.executable, "-c", ASK_PAGE + CLIENT, serve, "http://127.0.0.1:7860/config")
    assert "different" in found.output.split()
    assert (found.hosts, found.files) == ([], [])
