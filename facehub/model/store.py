"""Find, read, check and write weight folders, local or on the Hub.

A folder holds `config.json` and either `model.safetensors` or the ONNX file that the config names.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from facehub.errors import WeightsError
from facehub.io.files import write_atomically
from facehub.model import resnet18
from facehub.model.fingerprint import (
    PREFIX,
    PREFIX_V1,
    fingerprint,
    fits_half,
    is_fingerprint_v1,
)
from facehub.model.spec import ModelSpec

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
MODEL_VARIABLE = "FACEHUB_MODEL"
_CONNECT = 5.0  # seconds that the Hub may take to accept a connection
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def default_weights() -> str:
    """`FACEHUB_MODEL` (a folder, or `owner/name@revision`), else the bundled weights."""
    chosen = os.environ.get(MODEL_VARIABLE, "").strip()
    if chosen:
        return chosen
    package = Path(__file__).parents[1]
    bundled = package / "assets" / "weights"  # in an installed wheel; else beside the package
    return str(bundled if bundled.is_dir() else package.parent / "weights")


def weights_folder(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> Path:
    """Find the local folder of some weights; download them from the Hub if necessary.

    `runs/first` may be a folder or a repository. If there is a folder `runs`, it is taken for a
    folder unless it has a revision (`runs/first@main`), so a mistyped folder fails at once,
    without a request to the Hub.

    Args:
        name: a folder, `owner/name` or `owner/name@revision`.
        revision: branch, tag or commit on the Hub.
        token, cache_dir, force_download, local_files_only: as in `hf_hub_download`.

    Raises:
        WeightsError: there is no such folder or repository, or it cannot be reached.
    """
    if os.path.isdir(name):  # never raises, unlike `Path.is_dir`
        return Path(name)
    repo, _, pinned = str(name).partition("@")
    if not _HUB_ID.fullmatch(repo) or repo.startswith("."):
        raise WeightsError(
            f"There is no folder {name}, and it is not a Hub repository id (owner/name)."
        )
    if revision and pinned and revision != pinned:
        raise WeightsError(f"{name} and revision={revision} name two revisions; choose one.")
    revision = revision or pinned or None
    if revision is None and os.path.isdir(repo.partition("/")[0]):
        raise WeightsError(
            f"There is no folder {name}. For a Hub repository of that name, write {name}@main."
        )
    where = f"{repo}@{revision}" if revision else repo
    from huggingface_hub import hf_hub_download  # slow to import, rarely needed
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    def download(file: str) -> Path:
        path = hf_hub_download(
            repo,
            file,
            revision=revision,
            token=token,
            cache_dir=None if cache_dir is None else Path(cache_dir),
            force_download=force_download,
            local_files_only=offline,
        )
        return Path(path)

    # A name without a revision may be a mistyped folder: do not wait for the client's retries.
    offline = local_files_only or (revision is None and not _hub_answers())
    file = CONFIG_FILE
    try:
        folder = download(file).parent
        file = read_spec(folder).file or WEIGHTS_FILE
        download(file)
    except WeightsError:
        raise
    except GatedRepoError as error:
        raise WeightsError(f"{where} is gated: ask for access on the Hub and log in.") from error
    except RepositoryNotFoundError as error:
        raise WeightsError(f"There is no folder or Hub repository {where}.") from error
    except RevisionNotFoundError as error:
        raise WeightsError(f"{repo} has no revision {revision}.") from error
    except LocalEntryNotFoundError as error:
        no_folder = "" if revision else f"There is no folder {where}; as a Hub repository, "
        raise WeightsError(
            f"{no_folder}{where} is not in the cache, and the Hub is out of reach."
        ) from error
    except EntryNotFoundError as error:
        raise WeightsError(f"{where} lacks {file}.") from error
    except Exception as error:  # the client's network errors have no common base
        raise WeightsError(f"{where} cannot be downloaded: {error}") from error
    return folder


def _hub_answers() -> bool:
    """Whether the Hub accepts a connection; its client alone would retry for half a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    address = urlsplit(constants.ENDPOINT)
    if address.scheme in getproxies() and not proxy_bypass(address.hostname or ""):
        return True  # the proxy decides
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), _CONNECT).close()
    except OSError:
        return False
    return True


def read_spec(folder: Path) -> ModelSpec:
    """Read `config.json`.

    Raises:
        WeightsError: the file is missing or not usable.
    """
    path = folder / CONFIG_FILE
    try:
        return ModelSpec.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is missing or cannot be read.") from error


def read_tensors(folder: Path, *, sha256: str | None = None) -> dict[str, np.ndarray]:
    """Read and check `model.safetensors`; no other format, and never a pickle, is tried.

    Args:
        folder: weight folder.
        sha256: expected SHA-256 of the file, in hex; None: not checked.

    Returns:
        Tensors by name: float16 and integers unchanged, all others as float32.

    Raises:
        WeightsError: the file is missing, damaged or not the expected one, or holds values that are
            not finite.
    """
    path = folder / WEIGHTS_FILE
    data = _read_file(path, sha256)
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is damaged or not a safetensors file.") from error
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f":
            if tensor.dtype != np.float16:
                with np.errstate(over="ignore"):
                    tensors[name] = tensor = tensor.astype(np.float32)
            if not np.isfinite(tensor).all():
                raise WeightsError(f"{path} is damaged: {name} has values that are not finite.")
    return tensors


def _read_file(path: Path, sha256: str | None = None) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is missing.") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read.") from error
    if sha256 is not None and sha256.lower() != (found := hashlib.sha256(data).hexdigest()):
        raise WeightsError(f"{path} has the SHA-256 {found}, not {sha256 or 'an empty one'}.")
    return data


@dataclass(frozen=True, eq=False)
class Weights:
    """The checked content of a weight folder.

    Attributes:
        spec: the content of `config.json`, with the version 2 fingerprint.
        content: tensors by name, or the content of the ONNX file.
        folder: the weight folder.
    """

    spec: ModelSpec
    content: Mapping[str, np.ndarray] | bytes = field(repr=False)
    folder: Path

    def has_fingerprint_v1(self, fingerprint_v1: str) -> bool:
        """Whether this version 1 fingerprint, from an older gallery, is of these weights."""
        if isinstance(self.content, bytes):  # version 1 had no ONNX networks
            return False
        return is_fingerprint_v1(fingerprint_v1, self.content, self.spec)


def read_weights(folder: Path, *, sha256: str | None = None) -> Weights:
    """Read a weight folder and check that its files belong together.

    Args:
        folder: see `weights_folder`.
        sha256: expected SHA-256 of the weight file, in hex; None: not checked.

    Raises:
        WeightsError: a file is missing or damaged, or the files do not belong together.
    """
    spec = read_spec(folder)
    content: Mapping[str, np.ndarray] | bytes
    if spec.file is not None:
        content = _read_file(folder / spec.file, sha256)
    else:
        content = read_tensors(folder, sha256=sha256)
        resnet18.check_tensors(content, spec, folder / WEIGHTS_FILE)
    found = fingerprint(content, spec)
    known = spec.fingerprint
    weights = Weights(replace(spec, fingerprint=found), content, folder)
    if known is not None and known != found and not weights.has_fingerprint_v1(known):
        raise WeightsError(
            f"{folder / (spec.file or WEIGHTS_FILE)} does not belong to the {CONFIG_FILE} beside "
            f"it, or one of them is damaged (fingerprint {found[:19]}, expected {known[:19]})."
        )
    return weights


def write_weights(folder: Path, tensors: Mapping[str, np.ndarray], spec: ModelSpec) -> ModelSpec:
    """Write `model.safetensors` and `config.json`, each atomically.

    Args:
        folder: created if missing.
        tensors: weights by name; stored as float16 if that is lossless.
        spec: how the weights are used; its fingerprint is set.

    Returns:
        The written spec.

    Raises:
        WeightsError: the weights have values that are not finite.
    """
    if not all(np.isfinite(a).all() for a in tensors.values() if a.dtype.kind == "f"):
        raise WeightsError("The weights have values that are not finite; nothing was saved.")
    spec = replace(spec, fingerprint=fingerprint(tensors, spec))
    if all(fits_half(array) for array in tensors.values()):
        tensors = {
            n: a.astype(np.float16) if a.dtype.kind == "f" else a for n, a in tensors.items()
        }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / WEIGHTS_FILE, save(dict(tensors), {"format": "pt"}))
    write_spec(folder, spec)
    return spec


def write_spec(folder: Path, spec: ModelSpec) -> None:
    """Write `config.json` atomically."""
    write_atomically(folder / CONFIG_FILE, spec.to_json().encode())


def has_fingerprint_v1(fingerprint_v1: str, folder: Path) -> bool:
    """`Weights.has_fingerprint_v1` for a folder; the weights are read only if it can be True.

    Raises:
        WeightsError: the folder's weights can no longer be read.
    """
    return fingerprint_v1.startswith(PREFIX_V1) and read_weights(folder).has_fingerprint_v1(
        fingerprint_v1
    )


def fingerprint_of(folder: Path) -> str:
    """The version 2 fingerprint of a folder's weights; computed only if `config.json` lacks it.

    Raises:
        WeightsError: the folder holds no usable weights.
    """
    known = read_spec(folder).fingerprint
    if known is None or not known.startswith(PREFIX):
        known = read_weights(folder).spec.fingerprint
    assert known is not None  # `read_weights` sets it
    return known
