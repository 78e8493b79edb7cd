"""`deploy/` as far as it goes without a container engine; `deploy/rehearse.sh` checks the rest."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from facehub.gallery.postgres_connection import parse_address

DEPLOY = Path(__file__).parents[1] / "deploy"


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_only_the_proxy_can_be_reached(stack: dict[str, Any]) -> None:
    services = stack["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert services["postgres"]["networks"] == ["back"]
    assert stack["networks"]["back"]["internal"]


def test_both_replicas_use_one_gallery_and_hold_no_password(stack: dict[str, Any]) -> None:
    apps = [stack["services"][name] for name in ("app1", "app2")]
    assert apps[0] == apps[1]
    environment = apps[0]["environment"]
    address = parse_address(environment["FACEHUB_GALLERY"])
    assert address.parameters["host"] in stack["services"]
    assert address.gallery == "people"
    assert environment["PGPASSFILE"].startswith("/run/secrets/")
    assert set(stack["secrets"]) == {"password", "pgpass"}


def test_the_proxy_knows_the_replicas(stack: dict[str, Any]) -> None:
    proxied = re.search(r"reverse_proxy (.*) {", (DEPLOY / "Caddyfile").read_text())
    assert proxied is not None
    hosts = [upstream.partition(":")[0] for upstream in proxied[1].split()]
    assert hosts == [name for name in stack["services"] if name.startswith("app")]


def test_the_image_has_all_that_it_copies() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    copied = [name for line in re.findall("^COPY (.*)", dockerfile, re.M) for name in line.split()]
    for name in (name for name in copied if not name.startswith("/")):
        assert (DEPLOY.parent / name).exists()
        assert f"!{name}" in allowed


def test_the_rehearsal_is_bash() -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    subprocess.run([bash, "-n", DEPLOY / "rehearse.sh"], check=True)
