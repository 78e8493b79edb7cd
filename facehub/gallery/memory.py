"""A gallery in memory, for a session or a script; it can be saved as one safetensors file."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Self

import numpy as np

from facehub.errors import GalleryError
from facehub.gallery.base import (
    Entry,
    Example,
    check_entries,
    check_page,
    check_probes,
    clean_name,
    merge_with_self,
    name_taken,
    normalize_name,
    unknown_example,
    unknown_person,
)
from facehub.gallery.check import MOST_FAULTS, template_fault
from facehub.gallery.file import read_gallery, write_gallery
from facehub.gallery.matrix import TemplateMatrix
from facehub.results import Candidate


@dataclass(frozen=True)
class _Person:
    """A person by number, with (slot, example) by digest."""

    number: int
    examples: dict[str, tuple[int, Example]] = field(default_factory=dict)


class MemoryGallery:
    """A `Gallery` in this process's memory. It ends with the process unless it is saved.

    Args:
        fingerprint: of the weights that make the templates (`FaceRecognizer.fingerprint`).
        size: length of a template.
    """

    exact = True

    def __init__(self, fingerprint: str, size: int = 512) -> None:
        self.fingerprint = fingerprint
        self.size = size
        self._people: dict[str, _Person] = {}
        self._names: dict[int, str] = {}
        self._next = 0  # number of the next person
        self._slots = 0  # number of slots ever used
        self._matrix: TemplateMatrix | None = None  # built by the first search
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._people)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._people))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and normalize_name(name) in self._people

    @property
    def n_templates(self) -> int:
        with self._lock:
            return sum(len(person.examples) for person in self._people.values())

    def copy(self) -> MemoryGallery:
        """Copy the gallery; later changes to one do not affect the other."""
        other = MemoryGallery(self.fingerprint, self.size)
        with self._lock:
            other._restore(self._state())
        return other

    def people(self, offset: int = 0, limit: int | None = None) -> dict[str, int]:
        check_page(offset, limit)
        with self._lock:
            page = islice(self._people.items(), offset, None if limit is None else offset + limit)
            return {name: len(person.examples) for name, person in page}

    def examples(self, name: str) -> tuple[Example, ...]:
        with self._lock:
            return tuple(example for _, example in self._known(name).examples.values())

    def add(self, name: str, template: np.ndarray, source: str = "") -> bool:
        (added,) = self.add_many([Entry(name, template, source)])
        return added

    def add_many(self, entries: Iterable[Entry]) -> list[bool]:
        checked = check_entries(entries, self.size)
        with self._lock:
            return [self._add(name, example) for name, example in checked]

    def remove(self, name: str, digest: str | None = None) -> None:
        with self._lock:
            name, person = normalize_name(name), self._known(name)
            if digest is not None and digest not in person.examples:
                raise unknown_example(name)
            digests = list(person.examples) if digest is None else [digest]
            gone = [person.examples.pop(each)[0] for each in digests]
            if not person.examples:
                del self._people[name], self._names[person.number]
            self._forget(gone)

    def rename(self, name: str, new_name: str) -> None:
        with self._lock:
            name, person, new_name = normalize_name(name), self._known(name), clean_name(new_name)
            if new_name == name:
                return
            if new_name in self._people:
                raise name_taken(new_name)
            self._names[person.number] = new_name
            self._people = {new_name if n == name else n: p for n, p in self._people.items()}

    def merge(self, name: str, into: str) -> None:
        with self._lock:
            name, into = normalize_name(name), normalize_name(into)
            person, other = self._known(name), self._known(into)
            if name == into:
                raise merge_with_self(name)
            moved = {d: pair for d, pair in person.examples.items() if d not in other.examples}
            double = [pair[0] for d, pair in person.examples.items() if d in other.examples]
            del self._people[name], self._names[person.number]
            for digest, (_, example) in moved.items():
                other.examples[digest] = (self._slots, example)
                self._put(self._slots, example, other.number)
                self._slots += 1
            self._forget([*(slot for slot, _ in moved.values()), *double])

    def search(self, probes: np.ndarray, top_k: int = 5) -> list[list[Candidate]]:
        probes = check_probes(probes, self.size)
        with self._lock:
            if not self._people or top_k < 1:
                return [[] for _ in probes]
            if self._matrix is None:
                self._matrix = self._build_matrix()
            return [
                [self._candidate(hit.person, hit.similarity, hit.slot) for hit in hits]
                for hits in self._matrix.search(probes, top_k)
            ]

    def export(self) -> Iterator[Entry]:
        with self._lock:
            people = [(name, self.examples(name)) for name in self._people]
        for name, examples in people:
            for example in examples:
                yield Entry(name, example.template, example.source)

    def faults(self) -> list[str]:
        with self._lock:
            found = (
                template_fault(
                    name, example.template.astype("<f4").tobytes(), bytes.fromhex(digest), self.size
                )
                for name, person in self._people.items()
                for digest, (_, example) in person.examples.items()
            )
            return list(islice(filter(None, found), MOST_FAULTS))

    def purge(self) -> None:
        with self._lock:
            self._matrix = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            before = self._state()
            try:
                yield
            except BaseException:
                self._restore(before)
                raise

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file atomically, readable by its owner only.

        Args:
            path: the `.safetensors` file.

        Raises:
            GalleryUnavailableError: the file cannot be written.
        """
        write_gallery(path, self.fingerprint, self.size, self.export())

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        fingerprint: str,
        compatible: Callable[[str], bool] = lambda _: False,
    ) -> MemoryGallery:
        """Read a gallery file and check all of it; see `FaceRecognizer.load_gallery`.

        Args:
            path: the file.
            fingerprint: of the weights in use.
            compatible: called with another fingerprint; returns whether it is of the same weights
                (True for the version 1 fingerprint).

        Raises:
            GalleryError: the file is missing, damaged or not a gallery.
            GalleryMismatchError: other weights made it, so similarities would be meaningless.
        """
        size, entries = read_gallery(path, fingerprint=fingerprint, compatible=compatible)
        gallery = cls(fingerprint, size)
        try:
            gallery.add_many(entries)
        except GalleryError as error:
            raise GalleryError(f"{path} is damaged or not a facehub gallery.") from error
        return gallery

    def _add(self, name: str, example: Example) -> bool:
        person = self._people.get(name)
        if person is None:
            person = _Person(self._next)
            self._names[self._next] = name
            self._next += 1
            self._people[name] = person
        digest = example.digest
        if digest in person.examples:
            return False
        person.examples[digest] = (self._slots, example)
        self._put(self._slots, example, person.number)
        self._slots += 1
        return True

    def _put(self, slot: int, example: Example, person: int) -> None:
        """Update the matrix if it is built. Slots grow with time, so they serve as places too."""
        if self._matrix is not None:
            slots = np.array([slot])
            self._matrix.put(slots, example.template[None], np.array([person]), slots)

    def _forget(self, slots: list[int]) -> None:
        if self._matrix is not None and slots:
            self._matrix.forget(np.array(slots))

    def _state(self) -> tuple[Any, ...]:
        """Copy all mutable state but the matrix."""
        people = {n: _Person(p.number, dict(p.examples)) for n, p in self._people.items()}
        return people, dict(self._names), self._next, self._slots

    def _restore(self, state: tuple[Any, ...]) -> None:
        self._people, self._names, self._next, self._slots = state
        self._matrix = None

    def _build_matrix(self) -> TemplateMatrix:
        matrix = TemplateMatrix(self.size)
        pairs = [
            (slot, example, person.number)
            for person in self._people.values()
            for slot, example in person.examples.values()
        ]
        slots, examples, numbers = zip(*pairs, strict=True)
        rows = np.stack([example.template for example in examples])
        matrix.put(np.array(slots), rows, np.array(numbers), np.array(slots))
        return matrix

    def _candidate(self, number: int, similarity: float, slot: int) -> Candidate:
        name = self._names[number]
        pairs = list(self._people[name].examples.values())
        place = next(i for i, (own, _) in enumerate(pairs) if own == slot)
        return Candidate(name, similarity, place, pairs[place][1].source)

    def _known(self, name: str) -> _Person:
        person = self._people.get(normalize_name(name))
        if person is None:
            raise unknown_person(normalize_name(name))
        return person
