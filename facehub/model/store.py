"""Find, read, check and write weight folders, local or on the Hub.

A folder holds `config.json` and either `model.safetensors` or the ONNX file that it names.
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
    """`FACEHUB_MODEL` (a folder, or `owner/name@revision`), else the weights carried here."""
    chosen = os.environ.get(MODEL_VARIABLE, "").strip()
    if chosen:
        return chosen
    package = Path(__file__).parents[1]
    carried = package / "assets" / "weights"  # in an installed wheel; else beside the package
    return str(carried if carried.is_dir() else package.parent / "weights")


def weights_folder(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> Path:
    """A local folder with the weights; from the Hub, downloaded or taken from the cache.

    Args:
        name: a folder, `owner/name` or `owner/name@revision`.
        revision: branch, tag or commit on the Hub.
        token, cache_dir, force_download, local_files_only: as in `hf_hub_download`.

    `runs/first` may be a folder or a repository. Where there is a folder `runs`, it is meant as a
    folder, unless a revision says otherwise (`runs/first@main`): a mistyped one is found out at
    once, and nobody is asked for it.

    Raises:
        WeightsError: there is no such folder or repository, or it cannot be reached.
    """
    if os.path.isdir(name):  # unlike `Path.is_dir`, never raises
        return Path(name)
    repo, _, pinned = str(name).partition("@")
    if not _HUB_ID.fullmatch(repo) or repo.startswith("."):
        raise WeightsError(
            f"There is no folder {name}, and it is not a Hub repository id (owner/name)."
        )
    if revision and pinned and revision != pinned:
        raise WeightsError(f"{name} and the revision {revision} name two revisions; choose one.")
    revision = revision or pinned or None
    if revision is None and os.path.isdir(repo.partition("/")[0]):
        raise WeightsError(
            f"There is no folder {name}. For a Hub repository of that name, write {name}@main."
        )
    where = f"{repo}@{revision}" if revision else repo
    from huggingface_hub import hf_hub_download  # slow to import, and seldom needed
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

    # What may be a mistyped folder must not wait for the client's retries.
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
    """Whether a connection to the Hub is to be had; its client would try for half a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    address = urlsplit(constants.ENDPOINT)
    if address.scheme in getproxies() and not proxy_bypass(address.hostname or ""):
        return True  # only the proxy knows
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), _CONNECT).close()
    except OSError:
        return False
    return True


def read_spec(folder: Path) -> ModelSpec:
    """Read `config.json`.

    Raises:
        WeightsError: it is missing or not usable.
    """
    path = folder / CONFIG_FILE
    try:
        return ModelSpec.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is missing or cannot be read.") from error


def read_tensors(folder: Path, *, sha256: str | None = None) -> dict[str, np.ndarray]:
    """Read and check `model.safetensors`; nothing else, and never a pickle, is tried.

    Args:
        folder: weight folder.
        sha256: that the file must have, in hex, or None.

    Returns:
        Tensors by name: float16 and integers as they are, all others as float32.

    Raises:
        WeightsError: the file is missing, damaged, not the expected one, or holds values that are
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
        raise WeightsError(f"{path} has the sha256 {found}, not {sha256 or 'an empty one'}.")
    return data


@dataclass(frozen=True, eq=False)
class Weights:
    """What a weight folder holds, checked.

    Attributes:
        spec: the content of `config.json`; its fingerprint is that of version 2.
        content: tensors by name, or the content of the ONNX file.
        folder: where they lie.
    """

    spec: ModelSpec
    content: Mapping[str, np.ndarray] | bytes = field(repr=False)
    folder: Path

    def was(self, fingerprint_v1: str) -> bool:
        """Whether these weights had this fingerprint of version 1 (an older gallery carries it)."""
        if isinstance(self.content, bytes):  # version 1 had no ONNX networks
            return False
        return is_fingerprint_v1(fingerprint_v1, self.content, self.spec)


def read_weights(folder: Path, *, sha256: str | None = None) -> Weights:
    """Read a weight folder and check that its files belong together.

    Args:
        folder: see `weights_folder`.
        sha256: that the weight file must have, in hex, or None.

    Raises:
        WeightsError: a file is missing or damaged, or they do not fit each other.
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
    if known is not None and known != found and not weights.was(known):
        raise WeightsError(
            f"{folder / (spec.file or WEIGHTS_FILE)} does not belong to the {CONFIG_FILE} beside "
            f"it, or one of them is damaged (fingerprint {found[:19]}, expected {known[:19]})."
        )
    return weights


def write_weights(folder: Path, tensors: Mapping[str, np.ndarray], spec: ModelSpec) -> ModelSpec:
    """Write `model.safetensors` and `config.json`, each atomically.

    Args:
        folder: made if missing.
        tensors: weights by name; stored as float16 where that loses nothing.
        spec: how they are used; its fingerprint is set.

    Returns:
        The spec as it was written.

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
    """Write `config.json`, atomically."""
    write_atomically(folder / CONFIG_FILE, spec.to_json().encode())


def made_by(fingerprint_v1: str, folder: Path) -> bool:
    """As `Weights.was`, of the weights in a folder; they are read only if it can be true.

    Raises:
        WeightsError: the folder's weights cannot be read any more.
    """
    return fingerprint_v1.startswith(PREFIX_V1) and read_weights(folder).was(fingerprint_v1)


def fingerprint_of(folder: Path) -> str:
    """The fingerprint of a folder's weights; they are read only if `config.json` has an older one.

    Raises:
        WeightsError: the folder holds no usable weights.
    """
    known = read_spec(folder).fingerprint
    if known is None or not known.startswith(PREFIX):
        known = read_weights(folder).spec.fingerprint
    assert known is not None  # `read_weights` sets it
    return known
