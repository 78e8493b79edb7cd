"""Settings of a host: environment variables, read once when the app starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from facehub.hosting import Environment, HostSettings, SettingsError

COMPUTED = "computed"  # concurrency id of the handlers that share the host's threads


@dataclass(frozen=True)
class Settings(HostSettings):
    """Settings of the demo; docs/hosting.md names the variables. `deadline` is for one picture or
    pair; many photos at once get `MANY` times as long.

    Attributes:
        session_minutes: minutes after which an unused session is forgotten.
        gallery: address of a gallery that all sessions share, also with other processes; or None.
        auth: (user, password) pairs; empty: no login.
        downloads: whether visitors may download an album, and who is in a picture.
        frame_ancestors: sites that may show the page in a frame, as in a Content-Security-Policy.
    """

    session_minutes: int = 60
    gallery: str | None = None
    auth: tuple[tuple[str, str], ...] = ()
    downloads: bool = True
    frame_ancestors: str = "'self'"

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables that are set.

        Raises:
            SettingsError: a value cannot be used.
        """
        environment = Environment(variables)
        gallery = environment.text("FACEHUB_GALLERY")
        return cls(
            **cls.shared(environment),
            session_minutes=environment.whole(
                "FACEHUB_SESSION_MINUTES", cls.session_minutes, 10_000
            ),
            gallery=gallery or None,
            auth=_auth(environment.text("FACEHUB_AUTH")),
            downloads=environment.switch("FACEHUB_DOWNLOADS", cls.downloads),
            frame_ancestors=_frame_ancestors(environment),
        )


def _frame_ancestors(environment: Environment) -> str:
    default = "'self' https://huggingface.co" if environment.text("SPACE_ID") else "'self'"
    text = environment.text("FACEHUB_FRAME_ANCESTORS") or default
    if not re.fullmatch(r"[\w:/.*' -]+", text):
        raise SettingsError("Set FACEHUB_FRAME_ANCESTORS to sources such as 'self' https://a.org.")
    return text


def _auth(text: str) -> tuple[tuple[str, str], ...]:
    """From "user:password,other:password"; never quoted in an error."""
    pairs = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        user, colon, password = entry.partition(":")
        if not (user and colon and password):
            raise SettingsError("FACEHUB_AUTH must be user:password, several separated by commas.")
        pairs.append((user, password))
    return tuple(pairs)
