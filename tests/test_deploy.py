"""Checks of `deploy/` that need no container engine; `deploy/rehearse.sh` checks the rest."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

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


def test_the_proxy_forwards_to_every_replica(stack: dict[str, Any]) -> None:
    proxied = re.search(r"reverse_proxy (.*) {", (DEPLOY / "Caddyfile").read_text())
    assert proxied is not None
    hosts = [upstream.partition(":")[0] for upstream in proxied[1].split()]
    assert hosts == [name for name in stack["services"] if name.startswith("app")]


DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
IMAGE = DOCKERFILE.replace("\\\n", " ")


def copied() -> list[str]:
    """Return the paths of the checkout that the image copies."""
    lines = re.findall(r"^COPY (?!--from)(.*)", IMAGE, re.M)
    return [name for line in lines for name in line.split()[:-1]]


def test_every_path_that_the_image_copies_exists_and_is_not_ignored() -> None:
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    for name in copied():
        assert (DEPLOY.parent / name).exists()
        assert f"!{name}" in allowed
    assert {line[1:] for line in allowed if line.startswith("!")} == set(copied())


def test_the_image_is_built_from_the_lists_of_packages() -> None:
    assert "packages.txt" in copied()
    assert re.search(r"xargs apt-get install .* < /tmp/packages.txt", IMAGE)
    installs = re.findall(r"pip install (.*?)(?:&&|$)", IMAGE, re.M)
    assert [shlex.split(line)[-1] for line in installs] == ["/src/deploy/requirements.txt", "/src"]
    assert "--require-hashes" in installs[0]
    assert "--no-deps --no-build-isolation" in installs[1]  # contacts no package index


def test_the_image_runs_as_an_unprivileged_user() -> None:
    """Its home is /tmp, which a service keeps in memory."""
    assert re.findall(r"^USER (.*)", IMAGE, re.M) == ["1000"]
    assert re.search(r"^FROM (?!.* AS )[\s\S]*^USER 1000[\s\S]*^CMD", IMAGE, re.M)
    assert "HOME=/tmp" in IMAGE


def test_replicas_run_without_privileges_on_a_read_only_file_system(stack: dict[str, Any]) -> None:
    for name in ("app1", "app2"):
        service = stack["services"][name]
        assert service["build"]["dockerfile"] == "deploy/Dockerfile"
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "healthcheck" not in service  # the health check of the image applies


def test_the_health_check_fails_unless_the_server_answers(tmp_path: Path) -> None:
    found = re.search(r"^HEALTHCHECK .*CMD (\[.*\])", IMAGE, re.M)
    assert found is not None
    command = [sys.executable, *json.loads(found[1])[1:]]
    code = "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)"
    server = subprocess.Popen(
        [sys.executable, "-c", f"{code}; print(s.server_port, flush=True); s.serve_forever()"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:9"}

    def ask(path: str) -> int:
        env = environment | {"HEALTH_URL": url + path}
        return subprocess.run(command, env=env, stderr=subprocess.DEVNULL).returncode

    try:
        assert (ask("/"), ask("/missing")) == (0, 1)
    finally:
        server.kill()
        server.wait()
    assert ask("/") == 1


def pins(file: Path) -> dict[str, set[str]]:
    """Return the pinned versions by package; a package may have one for each system."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.+!-]+)", file.read_text(), re.M):
        found.setdefault(name, set()).add(version)
    return found


def test_locked_versions_equal_the_tested_versions() -> None:
    lock = DEPLOY / "requirements.txt"
    locked = pins(lock)
    for other in ("requirements.txt", "tests/constraints.txt"):
        for name, versions in pins(DEPLOY.parent / other).items():
            assert locked.get(name, versions) == versions, (
                f"{other}: regenerate deploy/requirements.txt: {name}"
            )
    assert set(pins(DEPLOY.parent / "requirements.txt")) <= set(locked)
    entries = re.split(r"\n(?=\S)", re.sub("^#.*\n", "", lock.read_text(), flags=re.M).strip())
    assert len(entries) >= 80
    for entry in entries:
        assert re.fullmatch(r"\S+==\S+( ; .*?)?( \\\n    --hash=sha256:[0-9a-f]{64})+", entry), (
            entry
        )


def test_the_lock_covers_every_dependency_of_the_image() -> None:
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())
    extras = re.findall(r"--extra (\w+)", (DEPLOY / "requirements.txt").read_text().split("\n")[1])
    assert extras == ["demo", "postgres", "serve"]
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    wanted += [line for e in extras for line in project["project"]["optional-dependencies"][e]]
    locked = pins(DEPLOY / "requirements.txt")
    for requirement in map(Requirement, wanted):
        assert all(map(requirement.specifier.contains, locked[requirement.name])), requirement
        assert locked[requirement.name]


def test_the_rehearsal_script_is_valid_bash() -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    subprocess.run([bash, "-n", DEPLOY / "rehearse.sh"], check=True)
