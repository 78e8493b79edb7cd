"""The interface of every gallery, and the checks that all of them share.

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
PROBE_UNIT = 1e-3  # largest deviation of a probe's L2 norm from 1
UNIT = 1e-5  # largest deviation of a template's L2 norm from 1 that is stored bit for bit


@dataclass(frozen=True, eq=False)
class Example:
    """One enrolled template.

    Attributes:
        template: float32 (512,), L2-normalised. Biometric data: guard it like the photo.
        source: where it came from (a file name, say), for display.
    """

    template: np.ndarray = field(repr=False)
    source: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the template's float32 bytes, in hex: its key in every gallery."""
        return hashlib.sha256(self.template.tobytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class Entry:
    """A template to enrol, or an exported one.

    Attributes:
        name: the person, 1 to 100 characters; surrounding white space is dropped.
        template: float (512,), an embedding from the gallery's weights. Biometric data.
        source: where it came from, for display; control characters are replaced.
    """

    name: str
    template: np.ndarray = field(repr=False)
    source: str = ""

    @property
    def digest(self) -> str:
        """Like `Example.digest`; equal for an exported template."""
        return Example(self.template).digest


class Gallery(Protocol):
    """People and their templates, all from the same weights. People keep the order of enrolment.

    Every change is atomic, and durable when the call returns, or at the end of the outermost
    `transaction`. Every change checks that the gallery still belongs to `fingerprint`. Threads may
    share a gallery.

    Any method may raise GalleryUnavailableError if the gallery cannot be read or written now.
    """

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the weights that make the templates (`FaceRecognizer.fingerprint`)."""

    @property
    def size(self) -> int:
        """Length of a template."""

    @property
    def exact(self) -> bool:
        """Whether `search` is exact; approximate search may miss people, see `Indexed`."""

    @property
    def n_templates(self) -> int:
        """Number of templates of all people."""

    def __len__(self) -> int:
        """Number of people."""

    def __iter__(self) -> Iterator[str]:
        """Names, in the order of enrolment."""

    def __contains__(self, name: object) -> bool:
        """Whether a person of this name is enrolled."""

    def people(self, offset: int = 0, limit: int | None = None) -> dict[str, int]:
        """Count each person's templates, in the order of enrolment.

        Args:
            offset: number of people to skip.
            limit: largest number of people; None for all.

        Raises:
            GalleryError: either is negative.
        """

    def examples(self, name: str) -> tuple[Example, ...]:
        """Return a person's templates, in the order of enrolment.

        Args:
            name: the person.

        Raises:
            GalleryError: there is no such person.
        """

    def add(self, name: str, template: np.ndarray, source: str = "") -> bool:
        """Enrol one template, see `add_many`; return whether it is new."""

    def add_many(self, entries: Iterable[Entry]) -> list[bool]:
        """Enrol templates, all or none; new people are added.

        A template that the person already has, bit for bit, is not added again.

        Args:
            entries: templates of any people.

        Returns:
            For each entry, whether it was added.

        Raises:
            GalleryError: a name or a template is invalid. Nothing is added.
            GalleryMismatchError: the gallery now belongs to other weights.
        """

    def remove(self, name: str, digest: str | None = None) -> None:
        """Remove a person, or one example; a person without examples is removed too.

        Args:
            name: the person.
            digest: `Example.digest` of the example to remove; None removes the person.

        Raises:
            GalleryError: there is no such person or example.
        """

    def rename(self, name: str, new_name: str) -> None:
        """Rename a person, who keeps their position in the order of enrolment.

        Args:
            name: the person.
            new_name: 1 to 100 characters.

        Raises:
            GalleryError: there is no such person, or the new name is invalid or taken.
        """

    def merge(self, name: str, into: str) -> None:
        """Move a person's examples to another person, after that one's own, and drop duplicates.

        Args:
            name: the person to remove.
            into: the person who receives the examples.

        Raises:
            GalleryError: one of the people does not exist, or both are the same.
        """

    def search(self, probes: np.ndarray, top_k: int = 5) -> list[list[Candidate]]:
        """Rank the people by the exact similarity of their best example.

        Args:
            probes: float32 (M, 512), L2-normalised rows.
            top_k: largest number of candidates per probe.

        Returns:
            M lists, best candidate first; ties keep the order of enrolment. If the gallery is not
            `exact`, people may be missing.

        Raises:
            GalleryError: the probes have another shape or are not L2-normalised.
        """

    def export(self) -> Iterator[Entry]:
        """Iterate over all templates, grouped by person, in the order of enrolment."""

    def faults(self) -> list[str]:
        """Read all stored data and describe every fault in a sentence, at most 100 of them."""

    def purge(self) -> None:
        """Erase all traces of removed data from the storage; may take a while.

        Raises:
            GalleryError: a transaction is open.
        """

    def transaction(self) -> AbstractContextManager[None]:
        """Make several changes atomically: an exception undoes them all. May be nested."""

    def close(self) -> None:
        """Release files and connections; closing again has no effect."""

    def __enter__(self) -> Self:
        """Return the gallery; the `with` block closes it."""

    def __exit__(self, *_: object) -> None: ...


def check_page(offset: int, limit: int | None) -> None:
    """Check the arguments of `Gallery.people`.

    Raises:
        GalleryError: either is negative.
    """
    if offset < 0 or (limit is not None and limit < 0):
        raise GalleryError("A page of people needs an offset and a limit of 0 or more.")


def check_probes(probes: np.ndarray, size: int) -> np.ndarray:
    """Convert probes to float32 (M, size) and check them.

    Raises:
        GalleryError: the shape is different, or a row is not finite or not L2-normalised.
    """
    probes = np.asarray(probes, np.float32)
    if probes.ndim != 2 or probes.shape[1] != size:
        raise GalleryError(f"Probes must have shape (M, {size}), not {probes.shape}.")
    lengths = np.sqrt(np.einsum("ij,ij->i", probes, probes, dtype=np.float64))
    if not np.allclose(lengths, 1, atol=PROBE_UNIT):  # also False for NaN and infinity
        raise GalleryError("Probes must be finite and L2-normalised.")
    return probes


def check_entries(entries: Iterable[Entry], size: int) -> list[tuple[str, Example]]:
    """Validate entries and convert them to (name, example).

    Raises:
        GalleryError: a name or a template is invalid.
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
    """Convert a template to an `Example`: float32, L2-normalised, read-only.

    Raises:
        GalleryError: the template has another shape, is not finite, or is zero.
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


def unknown_person(name: str) -> NotInGalleryError:
    """Make the error for a person who is not enrolled."""
    return NotInGalleryError(f"There is no person named {name} in the gallery.")


def name_taken(name: str) -> NameTakenError:
    """Make the error for a name that another person has."""
    return NameTakenError(f"There is already a person named {name}.")


def unknown_example(name: str) -> NotInGalleryError:
    """Make the error for an example that the person does not have."""
    return NotInGalleryError(f"{name} has no such example.")


def merge_with_self(name: str) -> GalleryError:
    """Make the error for merging a person with themselves."""
    return GalleryError(f"{name} cannot be merged with themselves.")


def wrong_weights(where: object, made_by: str, fingerprint: str) -> GalleryMismatchError:
    """Make the error for a gallery that belongs to other weights."""
    return GalleryMismatchError(
        f"{where} was made with other weights ({made_by[:19]}) than "
        f"the ones in use ({fingerprint[:19]}). Enrol the photos again with these weights."
    )


def clean_name(name: str) -> str:
    """Normalise and check a name to store: NFC, single spaces, no control characters.

    Raises:
        GalleryNameError: the name is empty or longer than 100 characters.
    """
    cleaned = normalize_name(name)
    if not cleaned:
        raise GalleryNameError("A person needs a name.")
    if len(cleaned) > MAX_NAME:
        raise GalleryNameError(f"A name has at most {MAX_NAME} characters.")
    return cleaned


def normalize_name(name: str) -> str:
    """Normalise a name for look-up: NFC, single spaces, no control characters; may be empty."""
    printable = "".join(c if c.isprintable() else " " for c in name)
    return " ".join(unicodedata.normalize("NFC", printable).split())
