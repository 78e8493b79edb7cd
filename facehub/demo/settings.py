"""What a host can set: environment variables, read once when the app starts."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass

from facehub.errors import FaceHubError
from facehub.model.spec import ModelSpec

COMPUTED = "computed"  # the handlers that share `workers`


class SettingsError(FaceHubError):
    """An environment variable has a value that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """Settings of the demo; the README's table names the variables.

    Attributes:
        threshold: instead of the weights' own, or None.
        fmr: the threshold is set for this false match rate instead, or None.
        max_upload_mb: largest uploaded file.
        session_minutes: after which an unused session is forgotten.
        gallery: address of a gallery that all sessions share, other processes too, or None.
        auth: (user, password) pairs; empty: no login.
        queue_size: requests that may wait; further ones are told that the server is busy.
        workers: requests computed at once, besides two frames of webcams.
    """

    threshold: float | None = None
    fmr: float | None = None
    max_upload_mb: int = 32
    session_minutes: int = 60
    gallery: str | None = None
    auth: tuple[tuple[str, str], ...] = ()
    queue_size: int = 64
    workers: int = max(2, os.cpu_count() or 2)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables that are set.

        Raises:
            SettingsError: one of them cannot be used.
        """
        get = environment.get
        threshold = _number(get("FACEHUB_THRESHOLD"), "FACEHUB_THRESHOLD", -1, 1)
        fmr = _number(get("FACEHUB_FMR"), "FACEHUB_FMR", 1e-9, 1)
        if threshold is not None and fmr is not None:
            raise SettingsError("Set FACEHUB_THRESHOLD or FACEHUB_FMR, not both.")

        def whole(name: str, default: int, high: int) -> int:
            value = _number(get(name), name, 1, high)
            if value is not None and value != int(value):
                raise SettingsError(f"{name} must be a whole number, not {value:g}.")
            return default if value is None else int(value)

        gallery = get("FACEHUB_GALLERY", "").strip()
        return cls(
            threshold=threshold,
            fmr=fmr,
            max_upload_mb=whole("FACEHUB_MAX_UPLOAD_MB", cls.max_upload_mb, 1000),
            session_minutes=whole("FACEHUB_SESSION_MINUTES", cls.session_minutes, 10_000),
            gallery=gallery or None,
            auth=_auth(get("FACEHUB_AUTH", "")),
            queue_size=whole("FACEHUB_QUEUE_SIZE", cls.queue_size, 10_000),
            workers=whole("FACEHUB_WORKERS", cls.workers, 64),
        )

    def apply(self, spec: ModelSpec) -> ModelSpec:
        """The weights' spec with the host's threshold; the same object where none is set.

        Raises:
            SettingsError: an FMR is asked for, but the weights carry no calibration for it.
        """
        threshold = self.threshold
        if self.fmr is not None:
            calibration = spec.calibration
            if calibration is None or not calibration.curve or self.fmr < calibration.reach:
                raise SettingsError(
                    f"The calibration of these weights does not reach FACEHUB_FMR={self.fmr:g}."
                )
            threshold = calibration.similarity_at(self.fmr)
        return spec if threshold is None else dataclasses.replace(spec, threshold=threshold)


def _number(text: str | None, name: str, low: float, high: float) -> float | None:
    if text is None or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise SettingsError(f"{name} must be a number from {low:g} to {high:g}, not {text!r}.")
    return value


def _auth(text: str) -> tuple[tuple[str, str], ...]:
    """From "user:password,other:password"; never quoted in an error."""
    pairs = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        user, colon, password = entry.partition(":")
        if not (user and colon and password):
            raise SettingsError("FACEHUB_AUTH must be user:password, several separated by commas.")
        pairs.append((user, password))
    return tuple(pairs)
