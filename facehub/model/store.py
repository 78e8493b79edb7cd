"""Find, read and check weights: `config.json` beside `model.safetensors`, local or on the Hub."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError
from safetensors.numpy import load

from facehub.errors import WeightsError
from facehub.model.spec import EncoderConfig

CONFIG_FILE = constants.CONFIG_NAME
WEIGHTS_FILE = constants.SAFETENSORS_SINGLE_FILE
MODEL_VARIABLE = "FACEHUB_MODEL"
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

    Raises:
        WeightsError: there is no such folder or repository, or it cannot be reached.
    """
    if os.path.isdir(name):  # unlike `Path.is_dir`, never raises
        return Path(name)
    repo, _, pinned = str(name).partition("@")
    if not _HUB_ID.fullmatch(repo) or repo.startswith("."):
        raise WeightsError(f"There is no folder {name}, and it is not a Hub name like owner/name.")
    if revision and pinned and revision != pinned:
        raise WeightsError(f"{name} and the revision {revision} name two revisions; choose one.")
    revision = revision or pinned or None
    where = f"{repo}@{revision}" if revision else repo
    try:
        paths = [
            hf_hub_download(
                repo,
                file,
                revision=revision,
                token=token,
                cache_dir=None if cache_dir is None else Path(cache_dir),
                force_download=force_download,
                local_files_only=local_files_only,
            )
            for file in (CONFIG_FILE, WEIGHTS_FILE)
        ]
    except GatedRepoError as error:
        raise WeightsError(f"{where} is gated: ask for access on the Hub and log in.") from error
    except RepositoryNotFoundError as error:
        raise WeightsError(f"There is no folder or Hub repository {where}.") from error
    except RevisionNotFoundError as error:
        raise WeightsError(f"{repo} has no revision {revision}.") from error
    except LocalEntryNotFoundError as error:
        raise WeightsError(f"{where} is not in the cache, and the Hub is out of reach.") from error
    except EntryNotFoundError as error:
        raise WeightsError(f"{where} lacks {CONFIG_FILE} or {WEIGHTS_FILE}.") from error
    except Exception as error:  # the client's network errors have no common base
        raise WeightsError(f"{where} cannot be downloaded: {error}") from error
    return Path(paths[0]).parent


def read_config(folder: Path) -> EncoderConfig:
    """Read `config.json`.

    Raises:
        WeightsError: it is missing or not usable.
    """
    path = folder / CONFIG_FILE
    try:
        return EncoderConfig.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is missing or cannot be read.") from error


def read_tensors(folder: Path, *, sha256: str | None = None) -> dict[str, np.ndarray]:
    """Read and check `model.safetensors`; nothing else, and never a pickle, is tried.

    Args:
        folder: weight folder.
        sha256: that the file must have, in hex, or None.

    Returns:
        Tensors by name: float16 and float32 as float32, integers as they are.

    Raises:
        WeightsError: the file is missing, damaged, not the expected one, or holds values that are
            not finite.
    """
    path = folder / WEIGHTS_FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is missing.") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read.") from error
    if sha256 is not None and sha256.lower() != (found := hashlib.sha256(data).hexdigest()):
        raise WeightsError(f"{path} has the sha256 {found}, not {sha256 or 'an empty one'}.")
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is damaged or not a safetensors file.") from error
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f":
            with np.errstate(over="ignore"):
                tensors[name] = tensor = tensor.astype(np.float32)
            if not np.isfinite(tensor).all():
                raise WeightsError(f"{path} is damaged: {name} has values that are not finite.")
    return tensors


def fingerprint(tensors: Mapping[str, np.ndarray], config: EncoderConfig) -> str:
    """Identify an embedding space: equal exactly for equal weights and ways to use them.

    Args:
        tensors: weights by name; float16 and float32 copies of the same values count as equal.
        config: its preprocessing, template, flip and dilation go in, its threshold and calibration
            do not.

    Returns:
        "sha256:" and 64 hexadecimal digits.
    """
    parts: tuple[object, ...] = (config.stem, config.preprocessing, config.template)
    parts += tuple(name for name in ("flip", "dilated") if getattr(config, name))
    digest = hashlib.sha256(repr(parts).encode())
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        if (
            tensor.dtype.kind == "f"
        ):  # a counter of training batches, say, does not change embeddings
            digest.update(f"{name}{tensor.shape}".encode())
            digest.update(tensor.astype("<f4", copy=False).data)
    return f"sha256:{digest.hexdigest()}"
