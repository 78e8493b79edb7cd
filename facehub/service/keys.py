"""API keys: a file of hashed tokens, each with scopes and a limit."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from facehub.hosting import SettingsError
from facehub.io.files import write_atomically
from facehub.io.locks import hold_folder

FORMAT = "facehub-keys-1"
PREFIX = "fh_"  # lets secret scanners recognise tokens
TOKEN_BYTES = 32
MAX_FILE = 16 * 2**20  # bytes
DEFAULT_RATE = 600  # requests a minute


class Scope(StrEnum):
    """What a key may do. The value is a stable identifier."""

    READ = "read"  # compare pictures, list people, search
    ENROL = "enrol"
    EMBED = "embed"  # get embeddings, where the host allows it
    ADMIN = "admin"  # rename and remove people
    METRICS = "metrics"


@dataclass(frozen=True)
class Key:
    """An API key without its token.

    Attributes:
        name: for the host to tell keys apart.
        digest: SHA-256 of the token, in hex. A token has 256 random bits, so that no slow hash is
            needed: there is nothing to guess.
        scopes: what it may do.
        rate: requests a minute.
        galleries: names of those it may use; None for all.
    """

    name: str
    digest: str
    scopes: frozenset[Scope]
    rate: int = DEFAULT_RATE
    galleries: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.name.isprintable():
            raise SettingsError("A key needs a name.")
        if not self.scopes:
            raise SettingsError("A key needs a scope.")
        if self.rate < 1:
            raise SettingsError("A key's rate must be 1 or more.")


def make_key(
    name: str,
    scopes: Collection[Scope],
    rate: int = DEFAULT_RATE,
    galleries: Collection[str] | None = None,
) -> tuple[Key, str]:
    """Make a key and its token, which is not stored.

    Raises:
        SettingsError: a value cannot be used.
    """
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    limited = None if galleries is None else frozenset(galleries)
    return Key(name, digest_of(token), frozenset(scopes), rate, limited), token


def digest_of(token: str) -> str:
    """SHA-256 of a token, in hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def read_keys(path: str | os.PathLike[str]) -> list[Key]:
    """Read a file of keys.

    Raises:
        SettingsError: it is missing, damaged, or no such file.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}.") from error
    try:
        values = json.loads(content)
        if values["format"] != FORMAT:
            raise ValueError("another format")
        keys = [_from_json(value) for value in values["keys"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SettingsError):
        raise SettingsError(f"{path} is damaged or not a file of keys.") from None
    return keys


def write_keys(path: str | os.PathLike[str], keys: Iterable[Key]) -> None:
    """Write a file of keys, atomically, readable by its owner only.

    Raises:
        SettingsError: it cannot be written.
    """
    values = {"format": FORMAT, "keys": [_to_json(key) for key in keys]}
    try:
        write_atomically(path, (json.dumps(values, indent=2) + "\n").encode(), private=True)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}.") from error


@contextmanager
def changing_keys(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold a lock while keys are read and changed; other writers wait.

    Raises:
        SettingsError: there is no such folder.
    """
    try:
        held = hold_folder(Path(os.path.realpath(path)).parent, wait=True)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}.") from error
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


class KeyRing:
    """The keys of a file, read again when it changes: a removed key is refused at its next request.

    Args:
        path: the file.

    Raises:
        SettingsError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._keys: dict[str, Key] = {}
        self.find("")

    def find(self, token: str) -> Key | None:
        """The key of a token, or None.

        Raises:
            SettingsError: the file has changed and cannot be used any longer: nobody gets in.
        """
        try:
            stat = os.stat(self._path)
        except OSError as error:
            raise SettingsError(f"{self._path} cannot be read: {error.strerror}.") from error
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if seen != self._seen:
            self._keys = {key.digest: key for key in read_keys(self._path)}
            self._seen = seen
        return self._keys.get(digest_of(token))


def _to_json(key: Key) -> dict[str, Any]:
    return {
        "name": key.name,
        "sha256": key.digest,
        "scopes": sorted(key.scopes),
        "rate": key.rate,
        "galleries": None if key.galleries is None else sorted(key.galleries),
    }


def _from_json(value: Any) -> Key:
    galleries = value["galleries"]
    if len(value["sha256"]) != 64 or int(value["sha256"], 16) < 0:
        raise ValueError("no SHA-256")
    return Key(
        value["name"],
        value["sha256"],
        frozenset(Scope(scope) for scope in value["scopes"]),
        value["rate"],
        None if galleries is None else frozenset(galleries),
    )
