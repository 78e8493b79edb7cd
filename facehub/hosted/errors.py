"""Errors of a host that runs out of time."""

from __future__ import annotations

from facehub.errors import FaceHubError, ImageError


class ImageTooSlowError(ImageError):
    """Decoding takes too long; the picture may be malicious."""


class TimedOutError(FaceHubError):
    """The request's deadline passed before its work began."""
