"""An uploaded file: where it lies and what it was called, or why it cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Self

SLASH = "\u2215"  # folders.js puts it between folders and a file, where no "/" is allowed


class Upload(str):
    """The path of an uploaded file.

    Its last part is no name to rely on: Gradio leaves characters out and cuts it.

    Args:
        path: where it lies.
        name: what it was called, with the folders that it was dropped in; None for the path's.

    Attributes:
        name: the same; folders and file are separated by "/".
    """

    __slots__ = ("name",)

    name: str

    def __new__(cls, path: str, name: str | None = None) -> Self:
        upload = super().__new__(cls, path)
        upload.name = (name or Path(path).name).replace(SLASH, "/")
        return upload

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (str(self), self.name)

    @classmethod
    def of(cls, file: str) -> Upload:
        """The same, or what can be known from the path alone."""
        return file if isinstance(file, cls) else cls(file)


class BrokenUpload(str):
    """What a handler gets in place of an upload that expired or arrived damaged: the reason."""

    __slots__ = ()
