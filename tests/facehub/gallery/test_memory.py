"""The gallery: people and templates in memory, exact search, and a file that is checked in full."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch_file

from facehub import Gallery, GalleryError, GalleryMismatchError
from facehub.gallery import memory
from facehub.gallery.base import MAX_NAME, clean_name
from facehub.gallery.memory import FORMAT

FINGERPRINT = "sha256:" + 64 * "a"
SIZE = 4
X, Y, Z, W = np.eye(SIZE, dtype=np.float32)


def made(**people: list[np.ndarray]) -> Gallery:
    result = Gallery(FINGERPRINT, SIZE)
    for name, templates in people.items():
        for number, template in enumerate(templates):
            result.add(name, template, source=f"{name}{number}.jpg")
    return result


def contents(gallery: Gallery) -> list[tuple[str, str, list[float]]]:
    return [(n, e.source, e.template.tolist()) for n in gallery for e in gallery.examples(n)]


# --- people ---------------------------------------------------------------------------------------


def test_add() -> None:
    people = made(Bob=[X, Y], Ann=[Z])
    assert list(people) == ["Bob", "Ann"]  # in the order of enrolment
    assert len(people) == 2
    assert people.n_templates == 3
    assert "Ann" in people
    assert "ann" not in people
    assert [e.source for e in people.examples("Bob")] == ["Bob0.jpg", "Bob1.jpg"]


def test_empty() -> None:
    people = made()
    assert (len(people), people.n_templates, list(people)) == (0, 0, [])


def test_copy() -> None:
    people = made(Ann=[X], Bob=[Y])
    other = people.copy()
    assert contents(other) == contents(people)
    assert other.fingerprint == FINGERPRINT
    people.add("Ann", Z)
    other.remove("Bob")
    assert [(len(g), g.n_templates) for g in (people, other)] == [(2, 3), (1, 1)]


def test_template_becomes_a_unit_vector_of_its_own() -> None:
    people = made()
    template = np.array([3.0, 0, 4.0, 0])
    people.add("Ann", template)
    template[:] = 0
    stored = people.examples("Ann")[0].template
    np.testing.assert_allclose(stored, [0.6, 0, 0.8, 0], atol=1e-7)
    assert stored.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        stored[0] = 1


@pytest.mark.parametrize(
    "template",
    [np.zeros(SIZE), np.full(SIZE, np.nan), np.full(SIZE, np.inf), X[:3], X[None], np.float32(1)],
    ids=["zero", "NaN", "infinite", "short", "2-d", "0-d"],
)
def test_bad_template(template: np.ndarray) -> None:
    people = made(Ann=[X])
    with pytest.raises(GalleryError, match="template"):
        people.add("Bob", template)
    assert list(people) == ["Ann"]


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("Ann", "Ann"),
        ("  Ann  Lee\n", "Ann Lee"),
        ("Ann\x00\x1b[31mLee", "Ann [31mLee"),
        ("Ann\u202eeeL", "Ann eeL"),  # right-to-left override
        ("Ann\u2028Lee\tII", "Ann Lee II"),
        ("Zoë Ångström 王小明", "Zoë Ångström 王小明"),
        ("x" * MAX_NAME, "x" * MAX_NAME),
        ("Zoe\u0308", "Zo\u00eb"),  # as macOS writes file names
        ("caf\udce9", "caf"),  # what Python makes of a file name that is not UTF-8
    ],
)
def test_clean_name(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned
    people = made()
    people.add(name, X)
    assert list(people) == [cleaned]


@pytest.mark.parametrize("name", ["Zo\u00eb Lee", "Zoe\u0308 Lee", " Zo\u00eb\tLee "])
def test_every_spelling_finds_the_person(name: str) -> None:
    people = made()
    people.add("Zo\u00eb Lee", X)
    assert name in people
    assert len(people.examples(name)) == 1
    people.rename(name, "Ann")
    people.rename("Ann", name)
    people.remove(name)
    assert len(people) == 0


@pytest.mark.parametrize("name", ["", "  \n", "\x00", "x" * (MAX_NAME + 1)])
def test_bad_name(name: str) -> None:
    people = made(Ann=[X])
    with pytest.raises(GalleryError, match="name"):
        people.add(name, Y)
    with pytest.raises(GalleryError, match="name"):
        people.rename("Ann", name)
    assert list(people) == ["Ann"]


def test_source_has_no_control_characters() -> None:
    people = made()
    people.add("Ann", X, source="caf\udce9 \x1b[2J.jpg")
    assert people.examples("Ann")[0].source == "caf\ufffd \ufffd[2J.jpg"


def test_remove() -> None:
    people = made(Ann=[X], Bob=[Y])
    people.remove("Ann")
    assert list(people) == ["Bob"]


def test_remove_one_example() -> None:
    people = made(Ann=[X, Y, Z])
    people.remove("Ann", 1)
    assert [e.source for e in people.examples("Ann")] == ["Ann0.jpg", "Ann2.jpg"]
    people.remove("Ann", 0)
    people.remove("Ann", 0)
    assert "Ann" not in people  # the last one takes the person along


@pytest.mark.parametrize("example", [-1, 2])
def test_remove_an_example_that_is_not_there(example: int) -> None:
    people = made(Ann=[X, Y])
    with pytest.raises(GalleryError, match=f"no example {example}"):
        people.remove("Ann", example)
    assert people.n_templates == 2


@pytest.mark.parametrize(
    "action",
    [
        lambda people: people.remove("Nobody"),
        lambda people: people.remove("Nobody", 0),
        lambda people: people.rename("Nobody", "Somebody"),
        lambda people: people.examples("Nobody"),
    ],
    ids=["remove", "remove example", "rename", "examples"],
)
def test_unknown_person(action: Callable[[Gallery], object]) -> None:
    with pytest.raises(GalleryError, match="no person named Nobody"):
        action(made(Ann=[X]))


def test_rename_keeps_the_place() -> None:
    people = made(Ann=[X], Bob=[Y], Cid=[Z])
    people.rename("Bob", " Dan ")
    assert list(people) == ["Ann", "Dan", "Cid"]
    assert people.examples("Dan")[0].source == "Bob0.jpg"
    people.rename("Dan", "Dan")
    assert list(people) == ["Ann", "Dan", "Cid"]


def test_rename_to_a_taken_name() -> None:
    people = made(Ann=[X], Bob=[Y])
    with pytest.raises(GalleryError, match="already a person named Ann"):
        people.rename("Bob", "Ann")
    assert list(people) == ["Ann", "Bob"]


def test_merge() -> None:
    people = made(Ann=[X], Bob=[Y], Cid=[Z])
    people.rename("Ann", "Cid", merge=True)
    assert list(people) == ["Bob", "Cid"]
    assert [e.source for e in people.examples("Cid")] == ["Cid0.jpg", "Ann0.jpg"]


# --- search ---------------------------------------------------------------------------------------


def test_search_by_hand() -> None:
    people = made(Ann=[X, Y], Bob=[Z])
    ((first, second),) = people.search(np.array([[0, 0.8, 0.6, 0]], np.float32))
    assert (first.name, first.example, first.source) == ("Ann", 1, "Ann1.jpg")
    assert first.similarity == pytest.approx(0.8)
    assert (second.name, second.example, second.source) == ("Bob", 0, "Bob0.jpg")
    assert second.similarity == pytest.approx(0.6)


def random_gallery(n_people: int, size: int, seed: int = 0) -> tuple[Gallery, np.ndarray]:
    """A gallery with one to four templates a person, and probes."""
    rng = np.random.default_rng(seed)
    people = Gallery(FINGERPRINT, size)
    for number in range(n_people):
        for template in rng.normal(size=(rng.integers(1, 5), size)):
            people.add(f"person {number}", template)
    probes = rng.normal(size=(7, size)).astype(np.float32)
    return people, probes / np.linalg.norm(probes, axis=1, keepdims=True)


def brute_force(people: Gallery, probe: np.ndarray, top_k: int) -> list[tuple[float, str, int]]:
    found = []
    for name in people:
        scores = [float(e.template.astype(np.float64) @ probe) for e in people.examples(name)]
        found.append((max(scores), name, int(np.argmax(scores))))
    return sorted(found, key=lambda candidate: -candidate[0])[:top_k]


@pytest.mark.parametrize("chunk", [None, 1, 300])
@pytest.mark.parametrize("top_k", [1, 3, 39, 40, 100])
def test_search_equals_brute_force(
    monkeypatch: pytest.MonkeyPatch, top_k: int, chunk: int | None
) -> None:
    if chunk:  # similarities held at once: one probe after the other, or three
        monkeypatch.setattr(memory, "_CHUNK", chunk)
    people, probes = random_gallery(40, 16)
    results = people.search(probes, top_k)
    assert len(results) == len(probes)
    for probe, candidates in zip(probes, results, strict=True):
        expected = brute_force(people, probe, top_k)
        assert [(c.name, c.example) for c in candidates] == [(n, e) for _, n, e in expected]
        similarities = [c.similarity for c in candidates]
        np.testing.assert_allclose(similarities, [s for s, _, _ in expected], atol=1e-6)


@pytest.mark.parametrize("top_k", [1, 2, 3, 4, 5])
def test_ties_keep_the_order_of_enrolment(top_k: int) -> None:
    people = made(Dan=[X], Ann=[Y], Cid=[X, X], Bob=[Z, X])
    (candidates,) = people.search(X[None], top_k)
    assert [c.name for c in candidates] == ["Dan", "Cid", "Bob", "Ann"][:top_k]
    assert [c.example for c in candidates] == [0, 0, 1, 0][:top_k]  # Cid's first, Bob's second


@pytest.mark.parametrize("top_k", [30, 100, 200])
def test_many_ties_keep_the_order_of_enrolment(top_k: int) -> None:
    people = made(**{f"p{number}": [[X, Y][number % 2]] for number in range(100)})
    (candidates,) = people.search(X[None], top_k)
    expected = [f"p{number}" for number in (*range(0, 100, 2), *range(1, 100, 2))]
    assert [c.name for c in candidates] == expected[:top_k]


def test_search_after_every_change() -> None:
    """The index is made anew."""
    people = made(Ann=[X], Bob=[Y])

    def best() -> str:
        return people.search(X[None], 1)[0][0].name

    assert best() == "Ann"
    people.rename("Ann", "Eve")
    assert best() == "Eve"
    people.remove("Eve")
    assert best() == "Bob"
    people.add("Cid", X)
    assert best() == "Cid"
    people.add("Bob", X)
    assert best() == "Bob"
    people.remove("Bob", 1)
    assert best() == "Cid"
    people.rename("Cid", "Bob", merge=True)
    assert best() == "Bob"


def test_similarity_stays_within_bounds() -> None:
    people, probes = random_gallery(20, 512)
    own = np.stack([people.examples(name)[0].template for name in people])
    for candidates in people.search(np.concatenate([own, -own, probes]), 20):
        assert all(-1 <= c.similarity <= 1 for c in candidates)


def test_search_of_nothing() -> None:
    assert made().search(np.stack([X, Y])) == [[], []]
    assert made(Ann=[X]).search(np.empty((0, SIZE), np.float32)) == []
    assert made(Ann=[X]).search(X[None], 0) == [[]]


@pytest.mark.parametrize("shape", [(SIZE,), (1, SIZE + 1), (1, 1, SIZE)])
def test_bad_probes(shape: tuple[int, ...]) -> None:
    with pytest.raises(GalleryError, match="Probes must have shape"):
        made(Ann=[X]).search(np.zeros(shape, np.float32))


# --- the file -------------------------------------------------------------------------------------


def test_round_trip(tmp_path: Path) -> None:
    people = made(Zoë=[X, (Y + Z) / np.sqrt(2)], Ann=[W])
    people.save(tmp_path / "people.safetensors")
    again = Gallery.load(tmp_path / "people.safetensors", fingerprint=FINGERPRINT)
    assert again.size == SIZE
    for (name, source, template), (name2, source2, template2) in zip(
        contents(people), contents(again), strict=True
    ):
        assert (name, source) == (name2, source2)
        np.testing.assert_allclose(template, template2, atol=1e-7)


def test_empty_round_trip(tmp_path: Path) -> None:
    made().save(tmp_path / "people")
    again = Gallery.load(tmp_path / "people", fingerprint=FINGERPRINT)
    assert (len(again), again.size) == (0, SIZE)
    again.add("Ann", X)


def test_source_that_is_not_utf8_can_be_saved(tmp_path: Path) -> None:
    people = made()
    people.add("Ann", X, source="caf\udce9.jpg")
    people.save(tmp_path / "people")
    again = Gallery.load(tmp_path / "people", fingerprint=FINGERPRINT)
    assert contents(again) == contents(people)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "people"
    path.touch(0o644)
    made(Ann=[X]).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "people"
    made(Ann=[X]).save(path)

    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(GalleryError, match="cannot be written: No space left"):
        made(Bob=[Y]).save(path)
    assert list(Gallery.load(path, fingerprint=FINGERPRINT)) == ["Ann"]
    assert list(tmp_path.iterdir()) == [path]


def test_save_into_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="cannot be written: No such file"):
        made(Ann=[X]).save(tmp_path / "nothing" / "people")


@pytest.mark.parametrize("kind", ["nothing", "folder"])
def test_no_gallery_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path if kind == "folder" else tmp_path / "people"
    with pytest.raises(GalleryError, match="no gallery file"):
        Gallery.load(path, fingerprint=FINGERPRINT)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_file_that_must_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(Ann=[X]).save(tmp_path / "people")

    def refuse(*args: object) -> None:  # root may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(GalleryError, match="cannot be read: Permission denied"):
        Gallery.load(tmp_path / "people", fingerprint=FINGERPRINT)


def test_many_templates_of_one_person_load_quickly(tmp_path: Path) -> None:
    """Copying the person's templates for each new one would take minutes."""
    n = 50_000
    metadata = {
        "format": FORMAT,
        "fingerprint": FINGERPRINT,
        "people": json.dumps([{"name": "Ann", "sources": n * [""]}]),
    }
    save_file({"templates": np.ones((n, 1), np.float32)}, tmp_path / "people", metadata)
    started = time.monotonic()
    assert Gallery.load(tmp_path / "people", fingerprint=FINGERPRINT).n_templates == n
    assert time.monotonic() - started < 10


def test_other_fingerprint(tmp_path: Path) -> None:
    made(Ann=[X]).save(tmp_path / "people")
    with pytest.raises(GalleryMismatchError, match="other weights"):
        Gallery.load(tmp_path / "people", fingerprint="sha256:" + 64 * "b")


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_truncated_file(tmp_path: Path, share: float) -> None:
    path = tmp_path / "people"
    made(Ann=[X, Y], Bob=[Z]).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(GalleryError, match="damaged or not a facehub gallery"):
        Gallery.load(path, fingerprint=FINGERPRINT)


def test_weights_are_no_gallery(other_weights: Path) -> None:
    with pytest.raises(GalleryError, match="damaged or not a facehub gallery"):
        Gallery.load(other_weights / "model.safetensors", fingerprint=FINGERPRINT)


TWO = [{"name": "Ann", "sources": ["a", "b"]}, {"name": "Bob", "sources": ["c"]}]
SOUND = np.stack([X, Y, Z])


def write(path: Path, people: object, templates: np.ndarray, **metadata: str) -> None:
    text = people if isinstance(people, str) else json.dumps(people)
    head = {"format": FORMAT, "fingerprint": FINGERPRINT, "people": text, **metadata}
    save_file({"templates": templates}, path, head)


def test_file_written_by_hand(tmp_path: Path) -> None:
    """So the damaged files below fail for the damage alone."""
    write(tmp_path / "people", TWO, SOUND)
    people = Gallery.load(tmp_path / "people", fingerprint=FINGERPRINT)
    assert contents(people) == [
        ("Ann", "a", X.tolist()),
        ("Ann", "b", Y.tolist()),
        ("Bob", "c", Z.tolist()),
    ]


@pytest.mark.parametrize(
    ("people", "templates", "metadata"),
    [
        (TWO, SOUND, {"format": "facehub-gallery-9"}),
        (TWO, SOUND[:2], {}),
        (TWO[:1], SOUND, {}),
        (TWO, SOUND.astype(np.float64), {}),
        (TWO, SOUND[0], {}),
        (TWO, SOUND * 2, {}),
        (TWO, SOUND * 0, {}),
        (TWO, np.where(SOUND > 0, np.nan, SOUND), {}),
        ([TWO[0], {"name": "Ann", "sources": ["c"]}], SOUND, {}),
        ([TWO[0], {"name": " Ann ", "sources": ["c"]}], SOUND, {}),
        ([*TWO, {"name": "Cid", "sources": []}], SOUND, {}),
        ([TWO[0], {"name": "", "sources": ["c"]}], SOUND, {}),
        ([TWO[0], {"name": "x" * 101, "sources": ["c"]}], SOUND, {}),
        ([TWO[0], {"name": "Bob"}], SOUND, {}),
        ([TWO[0], {"name": "Bob", "sources": 1}], SOUND, {}),
        ([TWO[0], "Bob"], SOUND, {}),
        ({"Ann": 3}, SOUND, {}),
        (3, SOUND, {}),
        ("[{", SOUND, {}),
        ("[" * 100_000, SOUND, {}),
    ],
    ids=[
        "format",
        "a template too few",
        "a template too many",
        "float64",
        "one row",
        "not unit",
        "zero",
        "NaN",
        "name twice",
        "name twice but for spaces",
        "nobody's sources",
        "no name",
        "long name",
        "no sources",
        "sources a number",
        "person a text",
        "people an object",
        "people a number",
        "people cut",
        "people deep",
    ],
)
def test_damaged_file(
    tmp_path: Path, people: object, templates: np.ndarray, metadata: dict[str, str]
) -> None:
    write(tmp_path / "people", people, np.ascontiguousarray(templates), **metadata)
    with pytest.raises(GalleryError, match="damaged or not a facehub gallery"):
        Gallery.load(tmp_path / "people", fingerprint=FINGERPRINT)


@pytest.mark.parametrize("missing", ["format", "people", "fingerprint"])
def test_missing_metadata(tmp_path: Path, missing: str) -> None:
    head = {"format": FORMAT, "fingerprint": FINGERPRINT, "people": json.dumps(TWO)}
    del head[missing]
    save_file({"templates": SOUND}, tmp_path / "people", head)
    with pytest.raises(GalleryError):
        Gallery.load(tmp_path / "people", fingerprint=FINGERPRINT)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.float16])
def test_templates_of_another_number_format(tmp_path: Path, dtype: torch.dtype) -> None:
    head = {"format": FORMAT, "fingerprint": FINGERPRINT, "people": json.dumps(TWO)}
    save_torch_file({"templates": torch.eye(3, SIZE).to(dtype)}, tmp_path / "people", head)
    with pytest.raises(GalleryError, match="damaged or not a facehub gallery"):
        Gallery.load(tmp_path / "people", fingerprint=FINGERPRINT)


def test_file_holds_what_it_says(tmp_path: Path) -> None:
    """Any reader of safetensors can open it."""
    made(Ann=[X, Y]).save(tmp_path / "people")
    np.testing.assert_array_equal(load_file(tmp_path / "people")["templates"], [X, Y])
