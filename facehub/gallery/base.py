"""What every gallery can do, and what it keeps: templates and names.

Three kinds are built in: `MemoryGallery` for a session, `SqliteGallery`, one file that several
processes share, and `PostgresGallery`, a server that several machines share. `open_gallery` opens
one by its address.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np

from facehub.errors import (
    GalleryError,
    GalleryMismatchError,
    GalleryNameError,
    NameTakenError,
    NotInGalleryError,
)
from facehub.results import Candidate

MAX_NAME = 100
PROBE_UNIT = 1e-3  # how far a probe's length may lie from 1
UNIT = 1e-5  # how far a length may lie from 1 for a template to be kept bit for bit


@dataclass(frozen=True, eq=False)
class Example:
    """One enrolled template.

    Attributes:
        template: float32 (512,), length 1. Biometric data: guard it like the photo.
        source: where it came from, for people to read (a file name, say).
    """

    template: np.ndarray = field(repr=False)
    source: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the template's float32 bytes, in hex: what names it in every gallery."""
        return hashlib.sha256(self.template.tobytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class Entry:
    """A template to enrol, or one that was exported.

    Attributes:
        name: the person, 1 to 100 characters; white space around it is dropped.
        template: float (512,), an embedding from the gallery's weights. Biometric data.
        source: where it came from, for people to read; control characters are replaced.
    """

    name: str
    template: np.ndarray = field(repr=False)
    source: str = ""

    @property
    def digest(self) -> str:
        """As `Example.digest`, of a template that was exported."""
        return Example(self.template).digest


class Gallery(Protocol):
    """People and their templates, all from the same weights. People keep the order of enrolment.

    All changes are made wholly or not at all, and are kept when the call returns, or at the end of
    the outermost `transaction`. Every one of them checks that the gallery still belongs to
    `fingerprint`. Threads may share a gallery.

    Any method may raise GalleryUnavailableError where the gallery cannot be read or written now.
    """

    @property
    def fingerprint(self) -> str:
        """Of the weights that make the templates (`FaceRecognizer.fingerprint`)."""

    @property
    def size(self) -> int:
        """Length of a template."""

    @property
    def exact(self) -> bool:
        """Whether `search` finds everybody; else it may miss somebody, see `Indexed`."""

    @property
    def n_templates(self) -> int:
        """Number of templates of all people."""

    def __len__(self) -> int:
        """Number of people."""

    def __iter__(self) -> Iterator[str]:
        """Names, in the order of enrolment."""

    def __contains__(self, name: object) -> bool:
        """Whether there is a person of this name."""

    def people(self, offset: int = 0, limit: int | None = None) -> dict[str, int]:
        """How many templates each person has, in the order of enrolment.

        Args:
            offset: people left out at the beginning.
            limit: most people; None for all.

        Raises:
            GalleryError: either is negative.
        """

    def examples(self, name: str) -> tuple[Example, ...]:
        """A person's templates, in the order of enrolment.

        Raises:
            GalleryError: there is no such person.
        """

    def add(self, name: str, template: np.ndarray, source: str = "") -> bool:
        """Enrol one template, see `add_many`; whether it is new."""

    def add_many(self, entries: Iterable[Entry]) -> list[bool]:
        """Enrol templates, all or none; people are added where they are new.

        A template that the person has already, bit for bit, is not added again.

        Returns:
            Whether each one was added.

        Raises:
            GalleryError: a name or a template is not usable. Nothing is added.
            GalleryMismatchError: the gallery belongs to other weights by now.
        """

    def remove(self, name: str, digest: str | None = None) -> None:
        """Remove a person, or one example; a person without examples is removed too.

        Raises:
            GalleryError: there is no such person or example.
        """

    def rename(self, name: str, new_name: str) -> None:
        """Rename a person, who keeps their place.

        Raises:
            GalleryError: unknown or unusable name, or one that is taken.
        """

    def merge(self, name: str, into: str) -> None:
        """Give a person's examples to another, after that one's own; those they share once.

        Raises:
            GalleryError: one of them is not there, or they are the same.
        """

    def search(self, probes: np.ndarray, top_k: int = 5) -> list[list[Candidate]]:
        """Rank the people by the exact similarity of their best example.

        Args:
            probes: float32 (M, 512), unit rows.
            top_k: most candidates per probe.

        Returns:
            M lists, best candidate first; ties keep the order of enrolment. Where the gallery is
            not `exact`, somebody may be missing.

        Raises:
            GalleryError: probes of another shape, or that are not unit vectors.
        """

    def export(self) -> Iterator[Entry]:
        """All templates: people in the order of enrolment, and so each one's examples."""

    def faults(self) -> list[str]:
        """What is wrong with what is kept, a sentence each, 100 at most; reads all of it."""

    def purge(self) -> None:
        """Leave no trace of what was removed where the gallery is kept; may take a while."""

    def transaction(self) -> AbstractContextManager[None]:
        """Make several changes wholly or not at all: an exception undoes them. May be nested."""

    def close(self) -> None:
        """Let go of files and connections; closing again has no effect."""

    def __enter__(self) -> Self:
        """Closed at the end of a `with` block."""

    def __exit__(self, *_: object) -> None: ...


def check_page(offset: int, limit: int | None) -> None:
    """Find out whether a page of people makes sense.

    Raises:
        GalleryError: it does not.
    """
    if offset < 0 or (limit is not None and limit < 0):
        raise GalleryError("A page of people needs an offset and a limit of 0 or more.")


def check_probes(probes: np.ndarray, size: int) -> np.ndarray:
    """Probes as float32 (M, size).

    Raises:
        GalleryError: another shape, or not unit vectors: nan, say.
    """
    probes = np.asarray(probes, np.float32)
    if probes.ndim != 2 or probes.shape[1] != size:
        raise GalleryError(f"Probes must have shape (M, {size}), not {probes.shape}.")
    lengths = np.sqrt(np.einsum("ij,ij->i", probes, probes, dtype=np.float64))
    if not np.allclose(lengths, 1, atol=PROBE_UNIT):  # nor where not finite
        raise GalleryError("Probes must be finite and of length 1.")
    return probes


def check_entries(entries: Iterable[Entry], size: int) -> list[tuple[str, Example]]:
    """Entries as a gallery keeps them: (name, example).

    Raises:
        GalleryError: a name or a template is not usable.
    """
    names: dict[str, str] = {}
    checked = []
    for entry in entries:
        name = names.get(entry.name)
        if name is None:
            name = names[entry.name] = clean_name(entry.name)
        checked.append((name, make_example(entry.template, entry.source, size)))
    return checked


def make_example(template: np.ndarray, source: str, size: int) -> Example:
    """A template as a gallery keeps it: float32, of length 1, read-only.

    Raises:
        GalleryError: another shape, not finite, or zero.
    """
    row = np.array(template, np.float32)
    if row.shape != (size,):
        raise GalleryError(f"A template must have shape ({size},), not {row.shape}.")
    length = math.sqrt(float(np.einsum("i,i->", row, row, dtype=np.float64)))
    if not np.isfinite(length) or length < 1e-6:
        raise GalleryError("A template must be finite and not zero.")
    if abs(length - 1) > UNIT:
        row /= np.float32(length)
    row.setflags(write=False)
    if not source.isprintable():
        source = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in source)
    return Example(row, source)


def unknown(name: str) -> NotInGalleryError:
    """There is no person of this name."""
    return NotInGalleryError(f"There is no person named {name} in the gallery.")


def taken(name: str) -> NameTakenError:
    """There is one already."""
    return NameTakenError(f"There is already a person named {name}.")


def no_example(name: str) -> NotInGalleryError:
    """The person has no such example, or no longer."""
    return NotInGalleryError(f"{name} has no such example.")


def themselves(name: str) -> GalleryError:
    """Nobody can be merged with themselves."""
    return GalleryError(f"{name} cannot be joined with themselves.")


def mismatch(where: object, made_by: str, fingerprint: str) -> GalleryMismatchError:
    """A gallery is of other weights."""
    return GalleryMismatchError(
        f"{where} was made with other weights ({made_by[:19]}) than "
        f"the ones in use ({fingerprint[:19]}). Enrol the photos again with these weights."
    )


def clean_name(name: str) -> str:
    """A person's name as the gallery keeps it: NFC, single spaces, no control characters.

    Raises:
        GalleryNameError: empty or longer than 100 characters.
    """
    cleaned = tidy(name)
    if not cleaned:
        raise GalleryNameError("A person needs a name.")
    if len(cleaned) > MAX_NAME:
        raise GalleryNameError(f"A name has at most {MAX_NAME} characters.")
    return cleaned


def tidy(name: str) -> str:
    """A name as it is looked up: NFC, single spaces, no control characters; it may be empty."""
    printable = "".join(c if c.isprintable() else " " for c in name)
    return " ".join(unicodedata.normalize("NFC", printable).split())
