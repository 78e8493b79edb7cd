"""Weights from the Hub: pinned, cached, offline, and a clear error for every fault."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from facehub import FaceEncoder, ModelSpec, WeightsError
from facehub.model.store import weights_folder
from tests.local_hub import WRITER, LocalHub, Repo

NAME = "owner/name"


@pytest.fixture
def repo(hub: LocalHub, other_weights: Path) -> Repo:
    """A public repository with weights."""
    repo = hub.repos["models", NAME] = Repo(private=False, settings={})
    names = ("config.json", "model.safetensors")
    repo.commit("main", {name: (other_weights / name).read_bytes() for name in names})
    return repo


def _load(cache: Path, name: str = NAME, **options: object) -> FaceEncoder:
    return FaceEncoder.from_pretrained(name, cache_dir=cache, **options)  # type: ignore[arg-type]


def test_pinned_commit_is_kept_when_the_branch_changes(
    repo: Repo, tmp_path: Path, other_weights: Path
) -> None:
    first = repo.branches["main"]
    expected = FaceEncoder.from_pretrained(other_weights).spec.fingerprint
    assert _load(tmp_path).spec.fingerprint == expected
    repo.commit("main", {"config.json": b"{}"})
    assert _load(tmp_path, f"{NAME}@{first}").spec.fingerprint == expected
    assert _load(tmp_path, revision=first).spec.fingerprint == expected
    with pytest.raises(WeightsError, match=r"config\.json"):
        _load(tmp_path)


def test_weights_with_wrong_sha256_are_refused(
    repo: Repo, tmp_path: Path, other_weights: Path
) -> None:
    right = hashlib.sha256((other_weights / "model.safetensors").read_bytes()).hexdigest()
    _load(tmp_path, sha256=right.upper())
    for wrong in ("00", ""):  # an empty hash, as from an unset variable, must not disable the check
        with pytest.raises(WeightsError, match=f"has the SHA-256 {right}, not {wrong}"):
            _load(tmp_path, sha256=wrong)


def test_cached_weights_load_offline_and_without_the_hub(
    repo: Repo, hub: LocalHub, tmp_path: Path
) -> None:
    _load(tmp_path)
    hub.requests.clear()
    _load(tmp_path, local_files_only=True)
    assert hub.requests == []
    hub.faults["resolve"] = 503  # the Hub is down: the cache is used
    _load(tmp_path)


def test_a_pinned_commit_in_the_cache_needs_no_hub(
    repo: Repo, hub: LocalHub, tmp_path: Path
) -> None:
    name = f"{NAME}@{repo.branches['main']}"
    _load(tmp_path, name)
    hub.requests.clear()
    _load(tmp_path, name)
    assert hub.requests == []


def test_endpoint_and_offline_variables_are_obeyed(
    repo: Repo, hub: LocalHub, tmp_path: Path
) -> None:
    """HF_ENDPOINT is the Hub's address; with HF_HUB_OFFLINE no request is sent."""
    code = "from facehub.model.store import read_weights, weights_folder\n"
    code += f"print(read_weights(weights_folder({NAME!r})).spec)"

    def run(**settings: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HF_HOME": str(tmp_path), **settings}
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )

    assert run(HF_HUB_OFFLINE="1").stderr.splitlines()[-1] == (
        "facehub.errors.WeightsError: There is no folder owner/name; as a Hub repository, "
        "owner/name is not in the cache, and the Hub is out of reach."
    )
    assert hub.requests == []
    assert run().returncode == 0
    assert hub.requests
    hub.requests.clear()
    assert "embedding_size=8" in run(HF_HUB_OFFLINE="1").stdout
    assert hub.requests == []
    assert run(HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="0").returncode == 0


def test_repository_without_config_is_refused(repo: Repo, tmp_path: Path) -> None:
    del repo.commits[repo.branches["main"]]["config.json"]
    with pytest.raises(WeightsError, match=r"owner/name lacks config\.json"):
        _load(tmp_path)


def test_onnx_file_named_in_the_config_is_downloaded(hub: LocalHub, tmp_path: Path) -> None:
    """The file named in `config.json` is fetched in place of safetensors."""
    repo = hub.repos["models", NAME] = Repo(private=False, settings={})
    spec = ModelSpec(architecture="onnx", file="net.onnx")
    repo.commit("main", {"config.json": spec.to_json().encode(), "net.onnx": b"network"})
    folder = weights_folder(NAME, cache_dir=tmp_path)
    assert (folder / "net.onnx").read_bytes() == b"network"
    repo.commit("main", {"config.json": spec.to_json().replace("net.onnx", "x.onnx").encode()})
    with pytest.raises(WeightsError, match=r"owner/name lacks x\.onnx"):
        weights_folder(NAME, cache_dir=tmp_path)


def test_private_repository_needs_a_token(repo: Repo, tmp_path: Path) -> None:
    repo.private = True
    with pytest.raises(WeightsError, match="There is no folder or Hub repository owner/name"):
        _load(tmp_path)
    _load(tmp_path, token=WRITER)


def test_gated_repository_needs_a_token(repo: Repo, tmp_path: Path) -> None:
    repo.gated = True
    with pytest.raises(WeightsError, match="is gated: ask for access"):
        _load(tmp_path)
    _load(tmp_path, token=WRITER)


def test_missing_repository_revision_or_file_is_named(repo: Repo, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="There is no folder or Hub repository owner/other"):
        _load(tmp_path, "owner/other")
    with pytest.raises(WeightsError, match="owner/name has no revision v9"):
        _load(tmp_path, f"{NAME}@v9")
    del repo.commits[repo.branches["main"]]["model.safetensors"]
    with pytest.raises(WeightsError, match=r"owner/name lacks model\.safetensors"):
        _load(tmp_path)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("hang up", "cannot be downloaded"),
        (429, "cannot be downloaded|out of reach"),
        (500, "cannot be downloaded|out of reach"),
        ("corrupt", "is damaged or not a safetensors file"),
    ],
)
def test_failed_download_raises_and_can_be_repeated(
    repo: Repo,
    hub: LocalHub,
    tmp_path: Path,
    fault: int | str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the client's retries
    hub.faults["model.safetensors"] = fault
    with pytest.raises(WeightsError, match=message):
        _load(tmp_path)
    hub.faults.clear()
    _load(tmp_path, force_download=fault == "corrupt")  # the failed download left nothing behind


def test_dropped_download_is_resumed(repo: Repo, hub: LocalHub, tmp_path: Path) -> None:
    hub.faults["GET /owner/name/resolve/main/model.safetensors"] = "drop"
    _load(tmp_path)
    assert hub.faults == {}  # the connection was dropped, and the client resumed


def test_misspelt_local_folder_is_refused_without_asking_the_hub(
    tmp_path: Path, hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If there is a folder `runs`, the Hub is not asked for `runs/frist`."""
    (tmp_path / "runs" / "first").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert weights_folder("runs/first") == Path("runs/first")
    with pytest.raises(WeightsError, match=r"^There is no folder runs/frist\. "):
        weights_folder("runs/frist")
    assert hub.requests == []
    hub.repos["models", "runs/frist"] = Repo(private=False, settings={})
    # With a revision, the name is that of a Hub repository.
    with pytest.raises(WeightsError, match="has no revision main"):
        weights_folder("runs/frist@main", cache_dir=tmp_path)
    assert hub.requests != []


def test_hub_without_a_server_fails_without_retries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this check, the client would retry for half a minute."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nothing listens there
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it tries again"))
        with pytest.raises(WeightsError, match=r"no folder rnus/frist; .* the Hub is out of reach"):
            weights_folder("rnus/frist", cache_dir=tmp_path)


def test_unreachable_hub_is_reported(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(
        constants.ENDPOINT, "http://127.0.0.1:9"
    )
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    with pytest.raises(WeightsError, match="the Hub is out of reach"):
        _load(tmp_path)
