"""Cases of gallery files."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Callable, Iterable

import numpy as np
from safetensors.numpy import save

from facehub.gallery.file import FORMAT
from tests.hostile.cases import GalleryCase
from tests.hostile.sound import jpeg
from tests.hostile.zips import good, zip_of


def _templates(count: int, size: int = 512) -> np.ndarray:
    rows = np.random.default_rng(1).normal(size=(count, size)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _gallery(
    fingerprint: str,
    names: Iterable[str] = ("Ada",),
    templates: np.ndarray | None = None,
    people: str | None = None,
    **changes: str | None,
) -> bytes:
    """A gallery file; the arguments replace its valid parts."""
    if people is None:
        people = json.dumps([{"name": name, "sources": ["photo.jpg"]} for name in names])
    if templates is None:
        templates = _templates(len(json.loads(people)))
    metadata = {"format": FORMAT, "fingerprint": fingerprint, "people": people} | changes
    kept = {key: value for key, value in metadata.items() if value is not None}
    return save({"templates": templates}, kept)


def _raw(header: bytes, rest: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + rest


def _with_row(fingerprint: str, row: object) -> bytes:
    templates = _templates(2)
    templates[1] = row
    return _gallery(fingerprint, ("Ada", "Bob"), templates)


class _Evil:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, ("pickle_was_run",)


GALLERIES = [
    GalleryCase("sound", lambda f: _gallery(f, ("Ada", "Bob")), None, ("Ada", "Bob")),
    GalleryCase("nobody", lambda f: _gallery(f, ()), None, ()),
    GalleryCase("no bytes", lambda f: b""),
    GalleryCase("text", lambda f: b"This is no gallery.\n"),
    GalleryCase("null bytes", lambda f: bytes(10_000)),
    GalleryCase("a picture", lambda f: jpeg()),
    GalleryCase("a zip", lambda f: zip_of(good())),
    GalleryCase("a pickle", lambda f: pickle.dumps(_Evil())),
    GalleryCase("cut in the header", lambda f: _gallery(f)[:100]),
    GalleryCase("cut in the templates", lambda f: _gallery(f)[:-100]),
    GalleryCase("more at the end", lambda f: _gallery(f) + b"x" * 100),
    GalleryCase("header of 2 to the 63", lambda f: struct.pack("<Q", 2**63) + b"{}"),
    GalleryCase("header is no json", lambda f: _raw(b"{" * 100)),
    GalleryCase("header is nested", lambda f: _raw(b'{"a":' + b"[" * 50_000)),
    GalleryCase(
        "header claims 1 TB",
        lambda f: _raw(
            json.dumps(
                {"templates": {"dtype": "F32", "shape": [2**29, 512], "data_offsets": [0, 2**40]}}
            ).encode()
        ),
    ),
    GalleryCase("other tensors", lambda f: save({"weight": _templates(2)}, {"format": "pt"})),
    GalleryCase("no metadata", lambda f: save({"templates": _templates(1)})),
    GalleryCase("other format", lambda f: _gallery(f, format="facehub-gallery-9")),
    GalleryCase("other weights", lambda f: _gallery("sha256:0123"), "made with other weights"),
    GalleryCase(
        "no fingerprint",
        lambda f: save({"templates": _templates(0)}, {"format": FORMAT, "people": "[]"}),
        "other weights",
    ),
    GalleryCase(
        "fingerprint with html",
        lambda f: _gallery("<img src=x onerror=window.hacked=1>"),
        "made with other weights",
    ),
    GalleryCase("not a number", lambda f: _with_row(f, np.nan)),
    GalleryCase("infinite", lambda f: _with_row(f, np.inf)),
    GalleryCase("not of length 1", lambda f: _with_row(f, 1.0)),
    GalleryCase("zero", lambda f: _with_row(f, 0.0)),
    GalleryCase("float64", lambda f: _gallery(f, templates=_templates(1).astype(np.float64))),
    GalleryCase("float16", lambda f: _gallery(f, templates=_templates(1).astype(np.float16))),
    GalleryCase(
        "templates of 8 values",
        lambda f: _gallery(f, templates=_templates(1, 8)),
        None,
        ("Ada",),
        False,
    ),
    GalleryCase("one axis", lambda f: _gallery(f, templates=_templates(1)[0])),
    GalleryCase("three axes", lambda f: _gallery(f, templates=_templates(1)[None])),
    GalleryCase("too few templates", lambda f: _gallery(f, ("A", "B"), _templates(1))),
    GalleryCase("too many templates", lambda f: _gallery(f, ("A",), _templates(2))),
    GalleryCase("one name twice", lambda f: _gallery(f, ("Ada", "Ada"))),
    GalleryCase("one name twice, spaced", lambda f: _gallery(f, ("Ada L", " Ada\tL "))),
    GalleryCase("empty name", lambda f: _gallery(f, ("  ",))),
    GalleryCase("name of 101 characters", lambda f: _gallery(f, ("n" * 101,))),
    GalleryCase(
        "names with control characters",
        lambda f: _gallery(f, ("A\x1b[31m\nB", "C\u202e", "\ud800D")),
        None,
        ("A [31m B", "C", "D"),
    ),
    GalleryCase(
        "names with html",
        lambda f: _gallery(f, ("<img src=x onerror=window.hacked=1>",)),
        None,
        ("<img src=x onerror=window.hacked=1>",),
    ),
    GalleryCase(
        "sources with html",
        lambda f: _gallery(
            f,
            people=json.dumps(
                [{"name": "Ada", "sources": ["\x1b<img src=x onerror=window.hacked=1>"]}]
            ),
        ),
        None,
        ("Ada",),
    ),
    GalleryCase(
        "person without a template",
        lambda f: _gallery(f, people='[{"name":"A","sources":[]}]', templates=_templates(0)),
    ),
    GalleryCase("people is no json", lambda f: _gallery(f, people="no", templates=_templates(0))),
    GalleryCase("people is a number", lambda f: _gallery(f, people="1", templates=_templates(0))),
    GalleryCase("people without names", lambda f: _gallery(f, people='[{"a":1}]')),
    GalleryCase(
        "people is nested",
        lambda f: _gallery(f, people="[" * 100_000 + "]" * 100_000, templates=_templates(0)),
    ),
    GalleryCase(
        "10 MB of metadata", lambda f: _gallery(f, comment="x" * 10_000_000), None, ("Ada",)
    ),
]
