"""The parts of the service, and what the key of a request allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from facehub.gallery.base import Gallery
from facehub.hosted.recognizer import HostedRecognizer
from facehub.service.body import Body
from facehub.service.errors import ForbiddenError, GalleryNotFoundError, UnauthorizedError
from facehub.service.keys import Key, KeyRing
from facehub.service.limits import Gate, RateLimits, Visit
from facehub.service.metrics import Metrics
from facehub.service.settings import Settings


@dataclass(frozen=True)
class Service:
    """The parts of a running service.

    Attributes:
        recognizer: weights in use, with the host's threshold.
        settings: of the host.
        galleries: by the name that requests use; shared by threads.
        keys: API keys.
        rates: request limits of the keys.
        gate: bounds concurrent requests.
        metrics: counters and timers.
    """

    recognizer: HostedRecognizer
    settings: Settings
    galleries: Mapping[str, Gallery]
    keys: KeyRing
    rates: RateLimits
    gate: Gate
    metrics: Metrics

    def gallery(self, name: str, key: Key) -> Gallery:
        """A gallery that a key may use.

        Raises:
            GalleryNotFoundError: there is none, or the key may not use it.
        """
        gallery = self.galleries.get(name)
        if gallery is None or (key.galleries is not None and name not in key.galleries):
            raise GalleryNotFoundError("There is no such gallery.")
        return gallery

    def body(self, request: Request, visit: Visit) -> Body:
        """The body of a request, not yet read."""
        largest = self.settings.max_upload_mb * 2**20
        return Body(request, visit, largest, self.settings.deadline)


async def service_of(request: Request) -> Service:
    """The service that answers a request."""
    service: Service = request.app.state.service
    return service


_bearer = HTTPBearer(auto_error=False, scheme_name="key", description="An API key's token.")


async def authorize(
    required: SecurityScopes,
    service: Annotated[Service, Depends(service_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Key:
    """Find the key of a request and count the request against its limit.

    Raises:
        UnauthorizedError: no key, or an unknown one.
        ForbiddenError: the key lacks a scope.
        RateLimitError: the key has made too many requests.
    """
    key = service.keys.find(credentials.credentials) if credentials else None
    if key is None:
        raise UnauthorizedError("Send a valid key: “Authorization: Bearer TOKEN”.")
    service.rates.take(key)
    missing = set(required.scopes) - key.scopes
    if missing:
        raise ForbiddenError(f"This key lacks the scope “{', '.join(sorted(missing))}”.")
    return key
