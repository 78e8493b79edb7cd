"""Read the body of a request: bounded in size and time, and only into memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from facehub.io.formats import MEDIA_TYPES
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
RAW = ("application/octet-stream", *MEDIA_TYPES)
MAX_TEXT = 16 * 1024  # bytes of a JSON body, or of all texts of a form

Model = TypeVar("Model", bound=BaseModel)
Read = TypeVar("Read")


@dataclass(frozen=True)
class Form:
    """The files and texts of a form, by field name."""

    files: dict[str, bytes]
    texts: dict[str, str]


@dataclass(frozen=True)
class Body:
    """The body of one request.

    Args:
        request: its body is not yet read.
        visit: counts the bytes received.
        max_picture: largest picture, in bytes.
        deadline: seconds within which the whole body must arrive.
    """

    request: Request
    visit: Visit
    max_picture: int
    deadline: float

    async def json(self, model: type[Model]) -> Model:
        """A JSON body.

        Raises:
            ServiceError: it has another type, is too large or too late, or does not fit the model.
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
            ServiceError: it has another type, is too large or too late, or is missing.
        """
        if self._type == FORM:
            return (await self.form("picture")).files["picture"]
        self._check_type(*RAW)
        return await self._in_time(self._all(self.max_picture))

    async def form(self, *files: str, texts: tuple[str, ...] = ()) -> Form:
        """A form: each file once, each text at most once, nothing else.

        Raises:
            ServiceError: it has another type or other fields, or is too large or too late.
        """
        self._check_type(FORM)
        limit = len(files) * self.max_picture + MAX_TEXT
        form = Form({}, {})
        for name, value in await self._in_time(self._items(limit)):
            if isinstance(value, bytes) and name in files and name not in form.files:
                form.files[name] = value
            elif isinstance(value, str) and name in texts and name not in form.texts:
                form.texts[name] = value
            else:
                raise _other_fields(files, texts)
        if len(form.files) < len(files):
            raise _other_fields(files, texts)
        if max(map(len, form.files.values())) > self.max_picture:
            raise self._too_large(self.max_picture)
        return form

    @property
    def _type(self) -> str:
        return self.request.headers.get("content-type", "").partition(";")[0].strip().lower()

    def _check_type(self, *allowed: str) -> None:
        if self._type not in allowed:
            raise MediaTypeError(f"Send {' or '.join(allowed)}.")

    async def _items(self, limit: int) -> list[tuple[str, str | bytes]]:
        parser = MultiPartParser(self.request.headers, self._chunks(limit), max_part_size=MAX_TEXT)
        parser.spool_max_size = limit + 1  # never to a file on the disk
        try:
            form = await parser.parse()
        except (MultiPartException, ValueError):  # ValueError: an odd charset
            raise BadRequestError("The form cannot be read.") from None
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


def _other_fields(files: tuple[str, ...], texts: tuple[str, ...]) -> InvalidRequestError:
    parts = [f"a file “{name}”" for name in files] + [f"a text “{name}”" for name in texts]
    return InvalidRequestError(f"The form needs {' and '.join(parts)}, each once.")


def _words(error: ValidationError) -> str:
    """Say what is wrong, without the values that were sent."""
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}"
        for e in error.errors(include_url=False, include_context=False, include_input=False)
    )
