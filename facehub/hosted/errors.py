"""What a host refuses for lack of time."""

from __future__ import annotations

from facehub.errors import FaceHubError, ImageError


class ImageTooSlowError(ImageError):
    """Decoding the picture takes too long: it may be made to."""


class TimedOutError(FaceHubError):
    """The request's time was up before its work began."""
