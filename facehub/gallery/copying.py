"""Copy people from one gallery to another."""

from __future__ import annotations

import itertools

from facehub.errors import GalleryError
from facehub.gallery.base import Gallery

BATCH = 1024  # templates


def copy_gallery(source: Gallery, target: Gallery) -> None:
    """Enrol all templates of one gallery in another, all or none.

    Args:
        source: the gallery to read.
        target: the gallery to change; it keeps its own templates. People in both get the union.

    Raises:
        GalleryError: either gallery cannot be used.
    """
    entries = source.export()
    with target.transaction():
        while batch := list(itertools.islice(entries, BATCH)):
            target.add_many(batch)


def compare_galleries(source: Gallery, target: Gallery) -> int:
    """Check that all templates of one gallery are in another, under the same names.

    Returns:
        The number of templates of `source`.

    Raises:
        GalleryError: a template is missing.
    """
    count, name, there = 0, None, set[str]()
    for entry in source.export():
        if entry.name != name:
            name = entry.name
            there = {example.digest for example in target.examples(name)}
        if entry.digest not in there:
            raise GalleryError(f"The copy lacks a template of {name}.")
        count += 1
    return count
