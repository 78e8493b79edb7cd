"""Read the body of a request: bounded, in time, and into memory only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from facehub.service.errors import (
    BadRequestError,
    BodyTimeoutError,
    BodyTooLargeError,
    InvalidRequestError,
    MediaTypeError,
)
from facehub.service.limits import Visit

JSON = "application/json"
FORM = "multipart/form-data"
RAW = ("application/octet-stream", "image/jpeg", "image/png", "image/webp")
MAX_TEXT = 16 * 1024  # bytes of a JSON body, and of all that is not a picture in a form

Model = TypeVar("Model", bound=BaseModel)
Read = TypeVar("Read")


@dataclass(frozen=True)
class Body:
    """The body of one request.

    Args:
        request: of which nothing has been read yet.
        visit: counts what is received.
        max_picture: bytes of a picture.
        deadline: seconds within which all of it must have arrived.
    """

    request: Request
    visit: Visit
    max_picture: int
    deadline: float

    async def json(self, model: type[Model]) -> Model:
        """A JSON body.

        Raises:
            ServiceError: another type, too large, too late, or not what the model wants.
        """
        self._check_type(JSON)
        content = await self._in_time(self._all(MAX_TEXT))
        try:
            return model.model_validate_json(content)
        except ValidationError as error:
            raise InvalidRequestError(_words(error)) from None

    async def picture(self) -> bytes:
        """A picture: the body itself, or the file `picture` of a form.

        Raises:
            ServiceError: another type, too large, too late, or there is none.
        """
        if self._type == FORM:
            return (await self.form("picture"))["picture"]
        self._check_type(*RAW)
        return await self._in_time(self._all(self.max_picture))

    async def form(self, *files: str, texts: tuple[str, ...] = ()) -> dict[str, bytes]:
        """A form: each file and each text once, texts as UTF-8; a text may be missing.

        Raises:
            ServiceError: another type, too large, too late, a file is missing, or there is more.
        """
        self._check_type(FORM)
        limit = len(files) * self.max_picture + MAX_TEXT
        found: dict[str, bytes] = {}
        for name, value in await self._in_time(self._items(limit, len(files), len(texts))):
            known = files if isinstance(value, bytes) else texts
            if name not in known or name in found:
                raise InvalidRequestError(f"The form needs {_fields(files, texts)}, each once.")
            found[name] = value if isinstance(value, bytes) else value.encode()
            if len(found[name]) > self.max_picture:
                raise self._too_large(self.max_picture)
        if not set(files) <= set(found):
            raise InvalidRequestError(f"The form needs {_fields(files, texts)}, each once.")
        return found

    @property
    def _type(self) -> str:
        return self.request.headers.get("content-type", "").partition(";")[0].strip().lower()

    def _check_type(self, *allowed: str) -> None:
        if self._type not in allowed:
            raise MediaTypeError(f"Send {' or '.join(allowed)}.")

    async def _items(self, limit: int, files: int, texts: int) -> list[tuple[str, str | bytes]]:
        parser = MultiPartParser(
            self.request.headers,
            self._chunks(limit),
            max_files=files,
            max_fields=texts,
            max_part_size=MAX_TEXT,
        )
        parser.spool_max_size = limit + 1  # never to a file on the disk
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise BadRequestError(error.message) from None
        try:
            return [
                (name, await value.read() if isinstance(value, UploadFile) else value)
                for name, value in form.multi_items()
            ]
        finally:
            await form.close()

    async def _all(self, limit: int) -> bytes:
        return b"".join([chunk async for chunk in self._chunks(limit)])

    async def _chunks(self, limit: int) -> AsyncGenerator[bytes, None]:
        declared = self.request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > limit:
            raise self._too_large(limit)
        size = 0
        async for chunk in self.request.stream():
            size += len(chunk)
            if size > limit:
                raise self._too_large(limit)
            self.visit.hold(len(chunk))
            yield chunk

    async def _in_time(self, reading: Awaitable[Read]) -> Read:
        try:
            async with asyncio.timeout(self.deadline):
                return await reading
        except TimeoutError:
            raise BodyTimeoutError("The body did not arrive in time.") from None

    @staticmethod
    def _too_large(limit: int) -> BodyTooLargeError:
        size = f"{limit / 2**20:.0f} MB" if limit >= 2**20 else f"{limit // 1024} KB"
        return BodyTooLargeError(f"At most {size} can be sent.")


def _fields(files: tuple[str, ...], texts: tuple[str, ...]) -> str:
    parts = [f"a file “{name}”" for name in files] + [f"a text “{name}”" for name in texts]
    return " and ".join(parts)


def _words(error: ValidationError) -> str:
    """What is wrong, without the values that were sent."""
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}"
        for e in error.errors(include_url=False, include_context=False, include_input=False)
    )
