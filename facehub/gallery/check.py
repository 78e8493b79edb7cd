"""Is a gallery sound? What it keeps is read again, and its answers are compared with NumPy's."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facehub.errors import NotInGalleryError
from facehub.gallery.base import UNIT, Entry, Gallery
from facehub.results import Candidate

SIMILARITY = 0.6  # of a probe to the template it is made of: about that of two photos of a person
MOST_FAULTS = 100  # that are told
TOP = 5
_TOLERANCE = 1e-6  # of a similarity
_BATCH = 1024  # templates


@dataclass(frozen=True)
class Soundness:
    """What a check of a gallery found.

    Attributes:
        people: how many there are.
        templates: how many there are.
        probes: searches that were compared with NumPy's product; none where there are faults.
        faults: what is wrong, a sentence each; the first `MOST_FAULTS`.
    """

    people: int
    templates: int
    probes: int
    faults: tuple[str, ...]


def check_soundness(gallery: Gallery, n_probes: int = 100) -> Soundness:
    """Read all that a gallery keeps, and compare answers with those of a product in float64.

    Args:
        gallery: an exact one.
        n_probes: searches to compare, see `sample_probes`.

    Raises:
        GalleryError: it cannot be read.
    """
    faults = gallery.faults()
    probes = np.empty((0, gallery.size), np.float32)
    if not faults:
        probes = sample_probes(gallery, n_probes)
        faults += _wrong_answers(gallery, probes)
    return Soundness(len(gallery), gallery.n_templates, len(probes), tuple(faults))


def sample_probes(gallery: Gallery, n: int, seed: int = 0) -> np.ndarray:
    """Probes like other photos of enrolled people: templates drawn at random, with noise.

    Args:
        gallery: whose people are drawn, each as often as another, then one of their templates.
        n: how many.
        seed: of the draw.

    Returns:
        float32 (M, size), unit rows, each at a cosine of `SIMILARITY` from its template. M is less
        than n where the gallery is empty, or people are removed meanwhile.
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
    """What is wrong with a template that a gallery keeps, or None.

    Args:
        name: whose it is.
        data: its float32 bytes, little-endian.
        digest: the SHA-256 that the gallery keeps of them.
        size: numbers that it should have.
    """
    if hashlib.sha256(data).digest() != digest:
        return f"A template of {name} is not the one that was enrolled: its digest differs."
    row = np.frombuffer(data, "<f4").astype(np.float64)
    if len(row) != size or not abs(np.linalg.norm(row) - 1) <= 2 * UNIT:
        return f"A template of {name} is not {size} finite numbers of length 1."
    return None


def _wrong_answers(gallery: Gallery, probes: np.ndarray) -> list[str]:
    if not len(probes):
        return []
    before = [gallery.search(probe[None], TOP)[0] for probe in probes]
    expected = _product(gallery.export(), probes, TOP + 1)
    wrong = 0
    for probe, found, best in zip(probes, before, expected, strict=True):
        if not _agree(found, best):  # others may have changed the gallery meanwhile
            wrong += gallery.search(probe[None], TOP)[0] == found
    return [f"{wrong} of {len(probes)} searches did not find what NumPy finds."] if wrong else []


def _agree(found: Sequence[Candidate], best: Sequence[tuple[float, str]]) -> bool:
    """Whether an answer is right; people who are equally similar may change places.

    Args:
        found: the answer.
        best: similarities and names, one more than an answer has where there are so many people.
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
    """The k best people of each probe, from all templates in turn, people side by side."""
    wide = probes.astype(np.float64)
    names: list[str] = []  # of the people who are among the best of some probe, or were
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
