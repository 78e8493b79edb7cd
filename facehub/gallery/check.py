"""Check a gallery's integrity: read all stored data, and compare searches with NumPy's."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facehub.errors import NotInGalleryError
from facehub.gallery.base import UNIT, Entry, Gallery
from facehub.results import Candidate

SIMILARITY = 0.6  # of a probe to its template: typical of two photos of one person
MOST_FAULTS = 100  # most faults reported
TOP = 5
_TOLERANCE = 1e-6  # of a similarity
_BATCH = 1024  # templates


@dataclass(frozen=True)
class IntegrityReport:
    """The result of `check_integrity`.

    Attributes:
        people: number of people.
        templates: number of templates.
        probes: number of searches compared with NumPy's product; 0 if reading found faults.
        faults: a sentence for each fault, at most `MOST_FAULTS`.
    """

    people: int
    templates: int
    probes: int
    faults: tuple[str, ...]


def check_integrity(gallery: Gallery, n_probes: int = 100) -> IntegrityReport:
    """Read all stored data, and compare searches with a matrix product in float64.

    Args:
        gallery: the gallery; its search must be exact.
        n_probes: number of searches to compare, see `sample_probes`.

    Raises:
        GalleryError: the gallery cannot be read.
    """
    faults = gallery.faults()
    probes = np.empty((0, gallery.size), np.float32)
    if not faults:
        probes = sample_probes(gallery, n_probes)
        faults += _wrong_answers(gallery, probes)
    return IntegrityReport(len(gallery), gallery.n_templates, len(probes), tuple(faults))


def sample_probes(gallery: Gallery, n: int, seed: int = 0) -> np.ndarray:
    """Simulate other photos of enrolled people: templates drawn at random, with noise.

    Args:
        gallery: the gallery. A person is drawn uniformly, then one of their templates.
        n: number of probes.
        seed: of the random generator.

    Returns:
        float32 (M, size), L2-normalised rows, each at a cosine of `SIMILARITY` from its template. M
        is less than n if the gallery is empty or people are removed meanwhile.
    """
    rng = np.random.default_rng(seed)
    total = len(gallery)
    rows = []
    for offset in rng.integers(total, size=n).tolist() if total else []:
        for name in gallery.people(offset, 1):
            try:
                examples = gallery.examples(name)
            except NotInGalleryError:
                continue
            rows.append(examples[rng.integers(len(examples))].template)
    templates = np.array(rows, np.float64).reshape(-1, gallery.size)
    noise = rng.normal(size=templates.shape)
    noise -= (noise * templates).sum(axis=1, keepdims=True) * templates
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    probes: np.ndarray = SIMILARITY * templates + np.sqrt(1 - SIMILARITY**2) * noise
    return probes.astype(np.float32)


def template_fault(name: str, data: bytes, digest: bytes | None, size: int) -> str | None:
    """Describe what is wrong with a stored template; None if it is intact.

    Args:
        name: its person.
        data: its float32 bytes, little-endian.
        digest: its stored SHA-256.
        size: its expected length.
    """
    if hashlib.sha256(data).digest() != digest:
        return f"A template of {name} is not the one that was enrolled: its digest differs."
    row = np.frombuffer(data, "<f4").astype(np.float64)
    if len(row) != size or not abs(np.linalg.norm(row) - 1) <= 2 * UNIT:
        return f"A template of {name} is not {size} finite, L2-normalised numbers."
    return None


def _wrong_answers(gallery: Gallery, probes: np.ndarray) -> list[str]:
    if not len(probes):
        return []
    before = [gallery.search(probe[None], TOP)[0] for probe in probes]
    expected = _product(gallery.export(), probes, TOP + 1)
    wrong = 0
    for probe, found, best in zip(probes, before, expected, strict=True):
        if not _is_correct(found, best):  # another process may have changed the gallery meanwhile
            wrong += gallery.search(probe[None], TOP)[0] == found
    return [f"{wrong} of {len(probes)} searches differ from NumPy's results."] if wrong else []


def _is_correct(found: Sequence[Candidate], best: Sequence[tuple[float, str]]) -> bool:
    """Whether a search result is correct; equally similar people may come in any order.

    Args:
        found: the search result.
        best: (similarity, name), one more than `found` if the gallery has that many people.
    """
    scores = np.array([score for score, _ in best])
    if len(found) != min(TOP, len(best)):
        return False
    for candidate, (score, name) in zip(found, best, strict=False):
        if abs(candidate.similarity - score) > _TOLERANCE:
            return False
        if candidate.name != name and np.sum(np.abs(scores - score) <= _TOLERANCE) == 1:
            return False
    return True


def _product(entries: Iterator[Entry], probes: np.ndarray, k: int) -> list[list[tuple[float, str]]]:
    """Find each probe's k best people by a product with all templates, grouped by person."""
    wide = probes.astype(np.float64)
    names: list[str] = []  # of all people so far
    scores = np.full((k, len(probes)), -np.inf)
    people = np.full((k, len(probes)), -1)
    while batch := list(itertools.islice(entries, _BATCH)):
        continued = bool(names) and batch[0].name == names[-1]
        starts = [i for i, entry in enumerate(batch) if i == 0 or entry.name != batch[i - 1].name]
        numbers = np.arange(len(starts)) + len(names) - continued
        names += [batch[i].name for i in starts[continued:]]
        rows = np.stack([entry.template for entry in batch]).astype(np.float64)
        best = np.maximum.reduceat(rows @ wide.T, starts, axis=0)
        if continued:  # this person's best so far counts once
            own = people == numbers[0]
            best[0] = np.maximum(best[0], np.where(own, scores, -np.inf).max(axis=0))
            scores[own] = -np.inf
        scores = np.concatenate([scores, best])
        people = np.concatenate([people, np.repeat(numbers[:, None], len(probes), axis=1)])
        order = np.argsort(-scores, axis=0, kind="stable")[:k]
        scores = np.take_along_axis(scores, order, axis=0)
        people = np.take_along_axis(people, order, axis=0)
    return [
        [(float(s), names[p]) for s, p in zip(scores[:, i], people[:, i], strict=True) if s > -2]
        for i in range(len(probes))
    ]
