"""A gallery in memory, searched exactly, kept as one safetensors file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from facehub.errors import GalleryError, GalleryMismatchError
from facehub.gallery.base import Example, clean_name, tidy
from facehub.io.files import write_atomically
from facehub.results import Candidate

FORMAT = "facehub-gallery-1"
_CHUNK = 2**24  # similarities held at once in a search


class Gallery:
    """People and their templates, all from the same weights. People keep the order of enrolment.

    Args:
        fingerprint: of the weights that make the templates (`FaceRecognizer.fingerprint`).
        size: length of a template.
    """

    def __init__(self, fingerprint: str, size: int = 512) -> None:
        self.fingerprint = fingerprint
        self.size = size
        self._people: dict[str, tuple[Example, ...]] = {}
        self._index: tuple[np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self._people)

    def __iter__(self) -> Iterator[str]:
        return iter(self._people)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and tidy(name) in self._people

    @property
    def n_templates(self) -> int:
        """Number of templates of all people."""
        return sum(len(examples) for examples in self._people.values())

    def copy(self) -> Gallery:
        """A gallery of the same people; changes to one are not seen in the other."""
        other = Gallery(self.fingerprint, self.size)
        other._people = dict(self._people)
        return other

    def examples(self, name: str) -> tuple[Example, ...]:
        """A person's templates, in the order of enrolment."""
        return self._people[self._known(name)]

    def add(self, name: str, template: np.ndarray, source: str = "") -> None:
        """Enrol one template; the person is added if new.

        Args:
            name: 1 to 100 characters; white space around it is dropped.
            template: float (512,), an embedding from the gallery's weights.
            source: where it came from, for people to read; control characters are replaced.

        Raises:
            GalleryError: the name or the template is not usable.
        """
        name = clean_name(name)
        example = self._example(template, source)
        self._people[name] = (*self._people.get(name, ()), example)
        self._index = None

    def remove(self, name: str, example: int | None = None) -> None:
        """Remove a person, or one example; a person without examples is removed too."""
        name = self._known(name)
        rest: tuple[Example, ...] = ()
        if example is not None:
            all_ = self._people[name]
            if not 0 <= example < len(all_):
                raise GalleryError(f"{name} has no example {example}.")
            rest = all_[:example] + all_[example + 1 :]
        if rest:
            self._people[name] = rest
        else:
            del self._people[name]
        self._index = None

    def rename(self, name: str, new_name: str, *, merge: bool = False) -> None:
        """Rename a person, who keeps their place.

        Args:
            name: present name.
            new_name: new name.
            merge: join a person of that name who is there already.

        Raises:
            GalleryError: unknown or unusable name, or one that is taken and `merge` is false.
        """
        name = self._known(name)
        new_name = clean_name(new_name)
        if new_name == name:
            return
        if new_name in self._people:
            if not merge:
                raise GalleryError(f"There is already a person named {new_name}.")
            self._people[new_name] += self._people.pop(name)
        else:
            self._people = {new_name if n == name else n: e for n, e in self._people.items()}
        self._index = None

    def search(self, probes: np.ndarray, top_k: int = 5) -> list[list[Candidate]]:
        """Rank the people by the similarity of their best example; exact.

        Args:
            probes: float32 (M, 512), unit rows.
            top_k: most candidates per probe.

        Returns:
            M lists, best candidate first; ties keep the order of enrolment.
        """
        probes = np.asarray(probes, np.float32)
        if probes.ndim != 2 or probes.shape[1] != self.size:
            raise GalleryError(f"Probes must have shape (M, {self.size}), not {probes.shape}.")
        if not self._people or top_k < 1:
            return [[] for _ in probes]
        if self._index is None:
            counts = [len(examples) for examples in self._people.values()]
            rows = [e.template for examples in self._people.values() for e in examples]
            self._index = np.stack(rows), np.concatenate(([0], np.cumsum(counts)[:-1]))
        matrix, starts = self._index
        names = list(self._people)
        results = []
        step = max(1, _CHUNK // len(matrix))
        for begin in range(0, len(probes), step):
            scores = probes[begin : begin + step] @ matrix.T
            best = np.maximum.reduceat(scores, starts, axis=1)
            for row, person_scores in zip(scores, best, strict=True):
                results.append(self._ranked(row, person_scores, starts, names, top_k))
        return results

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file, atomically, readable by its owner only."""
        if not self._people:
            templates = np.empty((0, self.size), np.float32)
        else:
            templates = np.stack([e.template for p in self._people.values() for e in p])
        people = [
            {"name": name, "sources": [e.source for e in examples]}
            for name, examples in self._people.items()
        ]
        metadata = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "people": json.dumps(people, ensure_ascii=False),
        }
        try:
            write_atomically(path, save({"templates": templates}, metadata), private=True)
        except OSError as error:
            raise GalleryError(f"{path} cannot be written: {error.strerror or error}.") from error

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        fingerprint: str,
        also: Callable[[str], bool] = lambda _: False,
    ) -> Gallery:
        """Read a gallery file and check all of it; see `FaceRecognizer.load_gallery`.

        Args:
            path: the file.
            fingerprint: of the weights in use.
            also: asked whether another fingerprint is of the same weights: those of version 1 are.

        Raises:
            GalleryError: missing or damaged, or not a gallery.
            GalleryMismatchError: made with other weights: similarities would mean nothing.
        """
        if not os.path.isfile(path):  # unlike `Path.is_file`, never raises
            raise GalleryError(f"There is no gallery file {path}.")
        try:
            open(path, "rb").close()
        except OSError as error:
            raise GalleryError(f"{path} cannot be read: {error.strerror or error}.") from error
        try:
            with safe_open(path, framework="np") as file:
                metadata = file.metadata() or {}
                templates = file.get_tensor("templates")
            if metadata.get("format") != FORMAT:
                raise ValueError("another format")
            people = [
                (str(person["name"]), [str(source) for source in person["sources"]])
                for person in json.loads(metadata["people"])
            ]
            total = sum(len(sources) for _, sources in people)
            if templates.dtype != np.float32 or templates.ndim != 2 or len(templates) != total:
                raise ValueError("templates and people disagree")
            if not np.allclose(np.linalg.norm(templates, axis=1), 1, atol=1e-3):
                raise ValueError("templates are not unit vectors")
            if len({clean_name(name) for name, _ in people}) != len(people):
                raise ValueError("a name occurs twice")
            if not all(sources for _, sources in people):
                raise ValueError("a person without a template")
        except Exception as error:  # damaged data makes the readers raise almost anything
            raise GalleryError(f"{path} is damaged or not a facehub gallery.") from error
        made_by = metadata.get("fingerprint", "")
        if made_by != fingerprint and not also(made_by):
            raise GalleryMismatchError(
                f"{path} was made with other weights ({made_by[:19]}) than "
                f"the ones in use ({fingerprint[:19]}). Enrol the photos again with these weights."
            )
        gallery = cls(fingerprint, templates.shape[1])
        rows = iter(templates)
        for name, sources in people:
            gallery._people[clean_name(name)] = tuple(
                gallery._example(next(rows), source) for source in sources
            )
        return gallery

    def _example(self, template: np.ndarray, source: str) -> Example:
        row = np.array(template, np.float32)
        if row.shape != (self.size,):
            raise GalleryError(f"A template must have shape ({self.size},), not {row.shape}.")
        length = float(np.linalg.norm(row))
        if not np.isfinite(length) or length < 1e-6:
            raise GalleryError("A template must be finite and not zero.")
        row /= length
        row.setflags(write=False)
        source = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in source)
        return Example(row, source)

    def _known(self, name: str) -> str:
        name = tidy(name)
        if name not in self._people:
            raise GalleryError(f"There is no person named {name} in the gallery.")
        return name

    def _ranked(
        self,
        row: np.ndarray,
        person_scores: np.ndarray,
        starts: np.ndarray,
        names: list[str],
        top_k: int,
    ) -> list[Candidate]:
        if top_k < len(person_scores):  # no need to sort a million people
            limit = np.partition(person_scores, -top_k)[-top_k]
            people = np.flatnonzero(person_scores >= limit)
        else:
            people = np.arange(len(person_scores))
        order = people[np.argsort(-person_scores[people], kind="stable")][:top_k]
        candidates = []
        for person in order:
            name = names[person]
            examples = self._people[name]
            best = int(row[starts[person] : starts[person] + len(examples)].argmax())
            similarity = float(np.clip(person_scores[person], -1, 1))
            candidates.append(Candidate(name, similarity, best, examples[best].source))
        return candidates
