"""Errors of the service itself, raised before it calls the library."""

from __future__ import annotations

from typing import ClassVar

from facehub.errors import FaceHubError


class ServiceError(FaceHubError):
    """Base class.

    Attributes:
        status: HTTP status code.
        retry_after: seconds to wait before another attempt, or None.
    """

    status: ClassVar[int] = 500
    retry_after: int | None = None


class BadRequestError(ServiceError):
    """The body does not match its headers."""

    status = 400


class UnauthorizedError(ServiceError):
    """No key, or an unknown one."""

    status = 401


class ForbiddenError(ServiceError):
    """The key lacks the scope, or the host does not allow it."""

    status = 403


class GalleryNotFoundError(ServiceError):
    """There is no such gallery, or the key may not see it."""

    status = 404


class BodyTimeoutError(ServiceError):
    """The body did not arrive in time."""

    status = 408


class BodyTooLargeError(ServiceError):
    """The body, or a picture in it, has too many bytes."""

    status = 413


class MediaTypeError(ServiceError):
    """The endpoint does not take this content type."""

    status = 415


class InvalidRequestError(ServiceError):
    """A field is missing or has an invalid value."""

    status = 422


class RateLimitError(ServiceError):
    """The key has reached its request limit."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__("This key has made too many requests.")
        self.retry_after = retry_after


class BusyError(ServiceError):
    """Too many requests are waiting, or this one waited too long."""

    status = 503
    retry_after = 2
