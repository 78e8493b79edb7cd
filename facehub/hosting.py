"""Settings and limits of a host, shared by the page and the service."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from facehub.errors import FaceHubError
from facehub.model.spec import ModelSpec
from facehub.results import QualityIssue

MAX_UPLOADS = 2**30  # bytes of all pictures in memory for requests

SECURITY_HEADERS = {  # of every response
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class SettingsError(FaceHubError):
    """A setting of the host has an invalid value."""


@dataclass(frozen=True)
class Environment:
    """Typed access to environment variables; the methods raise SettingsError for invalid values.

    Args:
        variables: values by name.
    """

    variables: Mapping[str, str]

    def text(self, name: str) -> str:
        """A variable without surrounding white space; "" if it is not set."""
        return self.variables.get(name, "").strip()

    def number(self, name: str, low: float, high: float) -> float | None:
        """A number from `low` to `high`; None if it is not set."""
        text = self.text(name)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise SettingsError(f"{name} must be a number from {low:g} to {high:g}, not {text!r}.")
        return value

    def whole(self, name: str, default: int, high: int) -> int:
        """A whole number from 1 to `high`."""
        value = self.number(name, 1, high)
        if value is not None and value != int(value):
            raise SettingsError(f"{name} must be a whole number, not {value:g}.")
        return default if value is None else int(value)

    def issues(self, name: str) -> frozenset[QualityIssue]:
        """Quality issues, separated by commas."""
        words = filter(None, (word.strip() for word in self.text(name).split(",")))
        try:
            return frozenset(map(QualityIssue, words))
        except ValueError as error:
            raise SettingsError(f"{name}: {error}; use {', '.join(QualityIssue)}.") from None

    def switch(self, name: str, default: bool) -> bool:
        """Whether the variable is "on" rather than "off"."""
        text = self.text(name)
        if text.lower() not in ("", "on", "off"):
            raise SettingsError(f"{name} must be on or off, not {text!r}.")
        return text.lower() == "on" if text else default


@dataclass(frozen=True)
class HostSettings:
    """Settings that the page and the service share.

    Attributes:
        threshold: cosine similarity (-1 to 1) that replaces the weights' threshold and is applied
            unchanged; None: the weights' own.
        fmr: false match rate to choose the threshold for; it still rises with the number of
            comparisons. None: the weights' own.
        max_upload_mb: largest uploaded file, MB.
        queue_size: number of requests that may wait; further ones are refused as busy.
        workers: number of pictures searched at once.
        deadline: time limit of a request from the start of its work, seconds.
        reject: quality issues for which verification and enrolment refuse a face.
    """

    threshold: float | None = None
    fmr: float | None = None
    max_upload_mb: int = 32
    queue_size: int = 64
    workers: int = max(2, os.cpu_count() or 2)
    deadline: int = 30
    reject: frozenset[QualityIssue] = field(default=frozenset(), kw_only=True)

    @classmethod
    def shared(cls, environment: Environment) -> dict[str, Any]:
        """Read the values of these settings from an environment.

        Raises:
            SettingsError: a value is invalid.
        """
        threshold = environment.number("FACEHUB_THRESHOLD", -1, 1)
        fmr = environment.number("FACEHUB_FMR", 1e-9, 1)
        if threshold is not None and fmr is not None:
            raise SettingsError("Set FACEHUB_THRESHOLD or FACEHUB_FMR, not both.")
        return {
            "threshold": threshold,
            "fmr": fmr,
            "max_upload_mb": environment.whole("FACEHUB_MAX_UPLOAD_MB", cls.max_upload_mb, 1000),
            "queue_size": environment.whole("FACEHUB_QUEUE_SIZE", cls.queue_size, 10_000),
            "workers": environment.whole("FACEHUB_WORKERS", cls.workers, 64),
            "deadline": environment.whole("FACEHUB_DEADLINE_SECONDS", cls.deadline, 3600),
            "reject": environment.issues("FACEHUB_REJECT"),
        }

    def apply(self, spec: ModelSpec) -> ModelSpec:
        """The weights' spec with the host's threshold; the same object if none is set.

        Raises:
            SettingsError: `fmr` is set, but the weights' calibration does not cover it.
        """
        if self.threshold is not None:
            return spec.with_threshold(self.threshold)
        if self.fmr is None:
            return spec
        calibration = spec.calibration
        if calibration is None or not calibration.curve or not calibration.reach <= self.fmr <= 1:
            raise SettingsError(
                f"The calibration of these weights does not reach FACEHUB_FMR={self.fmr:g}."
            )
        return dataclasses.replace(spec, threshold=calibration.similarity_at(self.fmr))


def bypass_proxy() -> None:
    """Exclude this machine from the environment's proxies.

    Gradio sends a request to its own server at the start, which a remote proxy cannot reach. If
    httpx does not support one of the proxies (SOCKS without socksio), all are disabled, because
    Gradio could not even be imported.
    """
    known = {"http", "https"}
    if importlib.util.find_spec("socksio") is not None:
        known |= {"socks5", "socks5h"}
    proxies = [os.environ.get(name, "") for name in _PROXIES]
    everywhere = any("://" in p and p.partition("://")[0].lower() not in known for p in proxies)
    names = ("no_proxy", "NO_PROXY")  # if both are set, the first counts
    text = next(filter(None, (os.environ.get(name) for name in names)), "")
    there = [host.strip() for host in text.split(",") if host.strip()]
    hosts = "*" if everywhere or "*" in there else ",".join(dict.fromkeys([*there, *LOOPBACK]))
    os.environ.update(dict.fromkeys(names, hosts))


def print_frames(error: BaseException | None = None) -> None:
    """Print an exception's traceback and type, but not its text, which may name people.

    Args:
        error: the exception; None: the current one.
    """
    error = error or sys.exception()
    while error is not None:
        print("Traceback (most recent call last):", file=sys.stderr)
        traceback.print_tb(error.__traceback__)
        print(type(error).__name__, file=sys.stderr)
        error = error.__cause__ or error.__context__
