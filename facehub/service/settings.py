"""Settings of the service."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facehub.hosting import Environment, HostSettings, SettingsError

GALLERY_NAME = r"[a-z0-9][a-z0-9_-]{0,62}"


@dataclass(frozen=True)
class Settings(HostSettings):
    """Settings of the service; `docs/service.md` names the variables.

    Attributes:
        keys: file of API keys, see `facehub.service.keys`.
        galleries: address of each gallery, by the name that requests use.
        allow_embed: whether keys with the scope `embed` get embeddings.
        deadline: also seconds that a body may take to arrive, and that a request may wait for its
            turn.
    """

    keys: Path = Path("keys.json")
    galleries: Mapping[str, str] = field(default_factory=dict)
    allow_embed: bool = False

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables that are set.

        Raises:
            SettingsError: one of them cannot be used.
        """
        environment = Environment(variables)
        try:
            addresses = shlex.split(environment.text("FACEHUB_GALLERIES"))
        except ValueError:
            raise SettingsError("FACEHUB_GALLERIES has a quote that does not end.") from None
        allow = environment.text("FACEHUB_ALLOW_EMBED")
        if allow not in ("", "0", "1"):
            raise SettingsError("FACEHUB_ALLOW_EMBED must be 0 or 1.")
        return cls(
            **cls.shared(environment),
            keys=Path(environment.text("FACEHUB_KEYS") or cls.keys),
            galleries=read_addresses(addresses),
            allow_embed=allow == "1",
        )


def read_addresses(texts: list[str]) -> dict[str, str]:
    """Read galleries from NAME=ADDRESS. Errors quote no address: it may hold a password.

    Raises:
        SettingsError: one is not of that form, or a name occurs twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, address = text.partition("=")
        if not (equals and address and re.fullmatch(GALLERY_NAME, name)):
            raise SettingsError(
                "A gallery is given as NAME=ADDRESS; a name has lower-case letters, digits, "
                "“-” and “_”."
            )
        if name in found:
            raise SettingsError(f"There are two galleries {name}.")
        found[name] = address
    return found
