"""What the service refuses by itself, before facehub's own functions are asked."""

from __future__ import annotations

from typing import ClassVar

from facehub.errors import FaceHubError


class ServiceError(FaceHubError):
    """Base class.

    Attributes:
        status: HTTP status code.
        retry_after: seconds after which it is worth asking again, or None.
    """

    status: ClassVar[int] = 500
    retry_after: int | None = None


class BadRequestError(ServiceError):
    """The body cannot be read as what its headers say it is."""

    status = 400


class UnauthorizedError(ServiceError):
    """No key, or an unknown one."""

    status = 401


class ForbiddenError(ServiceError):
    """The key has not got the scope, or the host does not allow it."""

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
    """The body is of another type than the endpoint takes."""

    status = 415


class InvalidRequestError(ServiceError):
    """A field is missing, or has a value that cannot be used."""

    status = 422


class RateLimitError(ServiceError):
    """The key has used up its requests for now."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__("This key has made too many requests.")
        self.retry_after = retry_after


class BusyError(ServiceError):
    """There is no room for one more request, or its turn did not come in time."""

    status = 503
    retry_after = 2
