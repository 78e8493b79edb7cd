"""Ray on this machine, in a network with only loopback, as Ray listens on all interfaces."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from facehub.bulk.on_ray import run_shards_on_ray
from facehub.errors import FaceHubError
from tests.facehub.bulk.stages import FakeConfig

ROOT = Path(__file__).parents[3]
PATIENT = {"RAY_raylet_start_wait_time_s": "120"}  # on a busy machine
SCRIPT = Path(__file__).with_name("ray_script.py")
UNSHARE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]


@pytest.fixture
def own_network() -> list[str]:
    """The command that runs the command after it in a new network."""
    if find_spec("ray") is None or find_spec("pyarrow") is None:
        pytest.skip("Ray is not installed: pip install 'facehub[ray]'")
    try:
        subprocess.run([*UNSHARE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system gives no network namespace (unshare --net)")
    return UNSHARE


def test_killed_actor_loses_no_row(own_network: list[str], tmp_path: Path, log: Path) -> None:
    words = ["a", "b", f"die-once {tmp_path / 'died'}", "bad", "faces xx"]
    command = [*own_network, sys.executable, str(SCRIPT), str(tmp_path / "parts"), *words]
    with tempfile.TemporaryDirectory(
        prefix="r", dir="/tmp"
    ) as short:  # paths of sockets must be short
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT), "RAY_TMPDIR": short, **PATIENT},
            capture_output=True,
            text=True,
            timeout=180,
        )
    assert done.stdout.splitlines() == [
        "photos/000.jpg 1 NoneType",
        "photos/001.jpg 1 NoneType",
        "photos/002.jpg 1 NoneType",
        "photos/003.jpg 0 ImageDecodeError",
        "photos/004.jpg 2 NoneType",
    ], done.stderr
    assert (tmp_path / "died").exists()
    begun = [line.partition(" ")[2] for line in log.read_text().splitlines()]
    assert (begun.count("a"), begun.count("b")) == (1, 1)  # their finished shard is not repeated
    assert not (tmp_path / "parts").exists()


def test_run_without_ray_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(FaceHubError, match=r"pip install 'facehub\[ray\]'"):
        run_shards_on_ray([], FakeConfig().load, tmp_path, address="local")
