"""Rules of all galleries: the same calls give the same results, errors and order in each."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import numpy as np
import pytest

from facehub import Entry, Gallery, GalleryError
from facehub.gallery import check, matrix
from facehub.gallery.base import MAX_NAME, clean_name
from facehub.gallery.check import IntegrityReport, check_integrity
from tests.facehub.gallery.conftest import NewGallery

SIZE = 4
X, Y, Z, W = np.eye(SIZE, dtype=np.float32)


def filled(new_gallery: NewGallery, **people: list[np.ndarray]) -> Gallery:
    result = new_gallery()
    result.add_many(
        Entry(name, template, f"{name}{number}.jpg")
        for name, templates in people.items()
        for number, template in enumerate(templates)
    )
    return result


def contents(gallery: Gallery) -> list[tuple[str, str, list[float]]]:
    found = [(e.name, e.source, e.template.tolist()) for e in gallery.export()]
    by_name = [(n, e.source, e.template.tolist()) for n in gallery for e in gallery.examples(n)]
    assert found == by_name
    assert gallery.people() == {n: len(gallery.examples(n)) for n in gallery}
    assert gallery.n_templates == len(found)
    return found


def test_people_have_the_order_of_enrolment(new_gallery: NewGallery) -> None:
    people = filled(new_gallery, Bob=[X, Y], Ann=[Z])
    assert list(people) == ["Bob", "Ann"]  # in the order of enrolment
    assert len(people) == 2
    assert people.n_templates == 3
    assert "Ann" in people
    assert "ann" not in people
    assert [e.source for e in people.examples("Bob")] == ["Bob0.jpg", "Bob1.jpg"]


def test_people_are_returned_in_pages(new_gallery: NewGallery) -> None:
    people = filled(new_gallery, Cid=[X, Y], Ann=[Z], Bob=[X, Y, Z], Dan=[W])
    everybody = [("Cid", 2), ("Ann", 1), ("Bob", 3), ("Dan", 1)]
    for offset in (0, 1, 3, 4, 9):
        assert list(people.people(offset).items()) == everybody[offset:]
        for limit in (0, 1, 2, 9):
            page = list(people.people(offset, limit).items())
            assert page == everybody[offset : offset + limit]
    for wrong in ((-1, 1), (0, -1)):
        with pytest.raises(GalleryError, match="0 or more"):
            people.people(*wrong)


def test_new_gallery_is_empty(new_gallery: NewGallery) -> None:
    people = new_gallery()
    assert (len(people), people.n_templates, list(people)) == (0, 0, [])


def test_template_is_stored_as_a_read_only_unit_copy(new_gallery: NewGallery) -> None:
    people = new_gallery()
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
def test_bad_template_is_refused(new_gallery: NewGallery, template: np.ndarray) -> None:
    people = filled(new_gallery, Ann=[X])
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
def test_name_is_stored_clean(new_gallery: NewGallery, name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned
    people = new_gallery()
    people.add(name, X)
    assert list(people) == [cleaned]


@pytest.mark.parametrize("name", ["Zo\u00eb Lee", "Zoe\u0308 Lee", " Zo\u00eb\tLee "])
def test_every_spelling_finds_the_person(new_gallery: NewGallery, name: str) -> None:
    people = new_gallery()
    people.add("Zo\u00eb Lee", X)
    assert name in people
    assert len(people.examples(name)) == 1
    people.rename(name, "Ann")
    people.rename("Ann", name)
    people.remove(name)
    assert len(people) == 0


@pytest.mark.parametrize("name", ["", "  \n", "\x00", "x" * (MAX_NAME + 1)])
def test_bad_name_is_refused(new_gallery: NewGallery, name: str) -> None:
    people = filled(new_gallery, Ann=[X])
    with pytest.raises(GalleryError, match="name"):
        people.add(name, Y)
    with pytest.raises(GalleryError, match="name"):
        people.rename("Ann", name)
    assert list(people) == ["Ann"]


def test_source_has_no_control_characters(new_gallery: NewGallery) -> None:
    people = new_gallery()
    people.add("Ann", X, source="caf\udce9 \x1b[2J.jpg")
    assert people.examples("Ann")[0].source == "caf\ufffd \ufffd[2J.jpg"


def test_remove_deletes_a_person(new_gallery: NewGallery) -> None:
    people = filled(new_gallery, Ann=[X], Bob=[Y])
    people.remove("Ann")
    assert list(people) == ["Bob"]


def test_remove_deletes_single_examples_and_then_the_person(new_gallery: NewGallery) -> None:
    people = filled(new_gallery, Ann=[X, Y, Z])
    people.remove("Ann", people.examples("Ann")[1].digest)
    assert [e.source for e in people.examples("Ann")] == ["Ann0.jpg", "Ann2.jpg"]
    for example in people.examples("Ann"):
        people.remove("Ann", example.digest)
    assert "Ann" not in people  # the last one removes the person, too


@pytest.mark.parametrize("digest", ["", "a", 64 * "0", 64 * "\u0665"])
def test_remove_of_an_unknown_example_is_refused(new_gallery: NewGallery, digest: str) -> None:
    people = filled(new_gallery, Ann=[X, Y])
    with pytest.raises(GalleryError, match="Ann has no such example"):
        people.remove("Ann", digest)
    assert people.n_templates == 2


@pytest.mark.parametrize(
    "action",
    [
        lambda people: people.remove("Nobody"),
        lambda people: people.remove("Nobody", 64 * "0"),
        lambda people: people.rename("Nobody", "Somebody"),
        lambda people: people.examples("Nobody"),
        lambda people: people.merge("Nobody", "Ann"),
        lambda people: people.merge("Ann", "Nobody"),
    ],
    ids=["remove", "remove example", "rename", "examples", "merge", "merge into"],
)
def test_unknown_person_is_refused(
    new_gallery: NewGallery, action: Callable[[Gallery], object]
) -> None:
    with pytest.raises(GalleryError, match="no person named Nobody"):
        action(filled(new_gallery, Ann=[X]))


def test_rename_keeps_the_place(new_gallery: NewGallery) -> None:
    people = filled(new_gallery, Ann=[X], Bob=[Y], Cid=[Z])
    people.rename("Bob", " Dan ")
    assert list(people) == ["Ann", "Dan", "Cid"]
    assert people.examples("Dan")[0].source == "Bob0.jpg"
    people.rename("Dan", "Dan")
    assert list(people) == ["Ann", "Dan", "Cid"]


def test_rename_to_a_taken_name_is_refused(new_gallery: NewGallery) -> None:
    people = filled(new_gallery, Ann=[X], Bob=[Y])
    with pytest.raises(GalleryError, match="already a person named Ann"):
        people.rename("Bob", "Ann")
    assert list(people) == ["Ann", "Bob"]


def test_merge_appends_the_templates_to_the_other_person(new_gallery: NewGallery) -> None:
    people = filled(new_gallery, Ann=[X], Bob=[Y], Cid=[Z])
    people.merge("Ann", " Cid ")
    assert list(people) == ["Bob", "Cid"]
    assert [e.source for e in people.examples("Cid")] == ["Cid0.jpg", "Ann0.jpg"]


# --- search ---------------------------------------------------------------------------------------


def test_search_matches_a_hand_worked_case(new_gallery: NewGallery) -> None:
    people = filled(new_gallery, Ann=[X, Y], Bob=[Z])
    ((first, second),) = people.search(np.array([[0, 0.8, 0.6, 0]], np.float32))
    assert (first.name, first.example, first.source) == ("Ann", 1, "Ann1.jpg")
    assert first.similarity == pytest.approx(0.8)
    assert (second.name, second.example, second.source) == ("Bob", 0, "Bob0.jpg")
    assert second.similarity == pytest.approx(0.6)


def random_gallery(
    new_gallery: NewGallery, n_people: int, size: int, seed: int = 0
) -> tuple[Gallery, np.ndarray]:
    """A gallery with one to four templates a person, and probes."""
    rng = np.random.default_rng(seed)
    people = new_gallery(size)
    people.add_many(
        Entry(f"person {number}", template)
        for number in range(n_people)
        for template in rng.normal(size=(rng.integers(1, 5), size))
    )
    probes = rng.normal(size=(7, size)).astype(np.float32)
    return people, probes / np.linalg.norm(probes, axis=1, keepdims=True)


def brute_force(people: Gallery, probe: np.ndarray, top_k: int) -> list[tuple[float, str, int]]:
    scores: dict[str, list[float]] = {}
    for entry in people.export():
        score = float(entry.template.astype(np.float64) @ probe)
        scores.setdefault(entry.name, []).append(score)
    found = [(max(own), name, int(np.argmax(own))) for name, own in scores.items()]
    return sorted(found, key=lambda candidate: -candidate[0])[:top_k]


@pytest.mark.parametrize("chunk", [None, 1, 300])
@pytest.mark.parametrize("top_k", [1, 3, 39, 40, 100])
def test_search_equals_brute_force(
    new_gallery: NewGallery, monkeypatch: pytest.MonkeyPatch, top_k: int, chunk: int | None
) -> None:
    if chunk:  # similarities held at once, so that probes are searched in several parts
        monkeypatch.setattr(matrix, "_CHUNK", chunk)
    people, probes = random_gallery(new_gallery, 40, 16)
    results = people.search(probes, top_k)
    assert len(results) == len(probes)
    for probe, candidates in zip(probes, results, strict=True):
        expected = brute_force(people, probe, top_k)
        assert [(c.name, c.example) for c in candidates] == [(n, e) for _, n, e in expected]
        similarities = [c.similarity for c in candidates]
        np.testing.assert_allclose(similarities, [s for s, _, _ in expected], atol=1e-6)


@pytest.mark.parametrize("top_k", [1, 2, 3, 4, 5])
def test_ties_keep_the_order_of_enrolment(new_gallery: NewGallery, top_k: int) -> None:
    people = filled(new_gallery, Dan=[X], Ann=[Y], Cid=[X, -X], Bob=[Z, X])
    (candidates,) = people.search(X[None], top_k)
    assert [c.name for c in candidates] == ["Dan", "Cid", "Bob", "Ann"][:top_k]
    assert [c.example for c in candidates] == [0, 0, 1, 0][:top_k]  # Cid's first, Bob's second


@pytest.mark.parametrize("top_k", [30, 100, 200])
def test_many_ties_keep_the_order_of_enrolment(new_gallery: NewGallery, top_k: int) -> None:
    people = filled(new_gallery, **{f"p{number}": [[X, Y][number % 2]] for number in range(100)})
    (candidates,) = people.search(X[None], top_k)
    expected = [f"p{number}" for number in (*range(0, 100, 2), *range(1, 100, 2))]
    assert [c.name for c in candidates] == expected[:top_k]


def test_search_sees_every_change(new_gallery: NewGallery) -> None:
    people = filled(new_gallery, Ann=[X], Bob=[Y])

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
    people.remove("Bob", people.examples("Bob")[1].digest)
    assert best() == "Cid"
    people.merge("Cid", "Bob")
    assert best() == "Bob"


def test_similarity_stays_within_bounds(new_gallery: NewGallery) -> None:
    people, probes = random_gallery(new_gallery, 20, 512)
    own = np.stack([people.examples(name)[0].template for name in people])
    for candidates in people.search(np.concatenate([own, -own, probes]), 20):
        assert all(-1 <= c.similarity <= 1 for c in candidates)


def test_search_without_templates_probes_or_top_k_is_empty(new_gallery: NewGallery) -> None:
    assert new_gallery().search(np.stack([X, Y])) == [[], []]
    assert filled(new_gallery, Ann=[X]).search(np.empty((0, SIZE), np.float32)) == []
    assert filled(new_gallery, Ann=[X]).search(X[None], 0) == [[]]


@pytest.mark.parametrize("shape", [(SIZE,), (1, SIZE + 1), (1, 1, SIZE)])
def test_probes_of_a_wrong_shape_are_refused(
    new_gallery: NewGallery, shape: tuple[int, ...]
) -> None:
    with pytest.raises(GalleryError, match="Probes must have shape"):
        filled(new_gallery, Ann=[X]).search(np.zeros(shape, np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0, 1.01, 1e30])
def test_probes_that_are_not_unit_vectors_are_refused(new_gallery: NewGallery, bad: float) -> None:
    """NaN is above no threshold; the similarity of a long probe is above any."""
    with pytest.raises(GalleryError, match="Probes must be finite and L2-normalised"):
        filled(new_gallery, Ann=[X]).search(np.stack([X, np.where(X > 0, np.float32(bad), X)]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0])
def test_templates_that_are_zero_or_not_finite_are_refused(
    new_gallery: NewGallery, bad: float
) -> None:
    people = filled(new_gallery, Ann=[X])
    with pytest.raises(GalleryError, match="finite and not zero"):
        people.add_many([Entry("Bob", Y), Entry("Bob", np.array([0, bad, 0, 0]))])
    assert list(people) == ["Ann"]


# --- all or nothing -------------------------------------------------------------------------------


def test_same_template_is_enrolled_once(new_gallery: NewGallery) -> None:
    people = new_gallery()
    entries = [Entry("Ann", X, "a"), Entry("Ann", X, "b"), Entry("Bob", X), Entry("Ann", 2 * X)]
    assert people.add_many(entries) == [True, False, True, False]
    assert people.add_many(entries) == 4 * [False]
    assert people.add("Ann", Y)
    assert not people.add("Ann", Y)
    assert [(name, source) for name, source, _ in contents(people)] == [
        ("Ann", "a"),
        ("Ann", ""),
        ("Bob", ""),
    ]


def test_templates_are_kept_bit_for_bit(new_gallery: NewGallery) -> None:
    """Exported templates keep their digests when they are enrolled elsewhere."""
    rng = np.random.default_rng(0)
    people, other = new_gallery(512), new_gallery(512)
    people.add_many(Entry(f"p{i % 7}", rng.normal(size=512)) for i in range(30))
    other.add_many(people.export())
    assert contents(other) == contents(people)
    assert not any(other.add_many(people.export()))
    digests = [e.digest for n in people for e in people.examples(n)]
    assert digests == [e.digest for n in other for e in other.examples(n)]
    assert len(set(digests)) == 30


@pytest.mark.parametrize("bad", [Entry("", X), Entry("Eve", X[:3]), Entry("Eve", 0 * X)])
def test_add_many_with_one_bad_entry_adds_nothing(new_gallery: NewGallery, bad: Entry) -> None:
    people = filled(new_gallery, Ann=[X])
    with pytest.raises(GalleryError):
        people.add_many([Entry("Bob", Y), bad, Entry("Ann", Z)])
    assert list(people) == ["Ann"]
    assert people.n_templates == 1


def test_transaction_is_kept_or_rolled_back_as_a_whole(new_gallery: NewGallery) -> None:
    people = filled(new_gallery, Ann=[X], Bob=[Y])
    with people.transaction():
        people.remove("Ann")
        people.add("Cid", Z)
        assert [c.name for c in people.search(X[None])[0]] == ["Bob", "Cid"]
    before = contents(people)
    with contextlib.suppress(ZeroDivisionError), people.transaction():
        people.remove("Bob")
        people.rename("Cid", "Dan")
        people.add("Eve", X)
        assert people.search(X[None], 1)[0][0].name == "Eve"
        raise ZeroDivisionError
    assert contents(people) == before
    assert [c.name for c in people.search(X[None])[0]] == ["Bob", "Cid"]


def test_failed_inner_transaction_leaves_the_outer_one(new_gallery: NewGallery) -> None:
    people = filled(new_gallery, Ann=[X])
    with people.transaction():
        people.add("Bob", Y)
        with contextlib.suppress(ZeroDivisionError), people.transaction():
            people.add("Cid", Z)
            raise ZeroDivisionError
        with people.transaction():
            people.add("Dan", W)
    assert list(people) == ["Ann", "Bob", "Dan"]


def test_merge_keeps_a_shared_template_once(new_gallery: NewGallery) -> None:
    people = filled(new_gallery, Ann=[X, Y], Bob=[Z, X])
    people.merge("Ann", "Bob")
    assert [source for _, source, _ in contents(people)] == ["Bob0.jpg", "Bob1.jpg", "Ann1.jpg"]
    ((best,),) = people.search(Y[None], 1)
    assert (best.name, best.example, best.source) == ("Bob", 2, "Ann1.jpg")
    with pytest.raises(GalleryError, match="themselves"):
        people.merge("Bob", " Bob ")


def test_removed_people_are_not_found(new_gallery: NewGallery) -> None:
    people, probes = random_gallery(new_gallery, 30, 16)
    people.search(probes)
    for number in range(0, 30, 2):
        people.remove(f"person {number}")
    people.purge()
    for number in range(100, 110):
        people.add(f"person {number}", probes[number % 7] + 0.1)
    for probe, candidates in zip(probes, people.search(probes, 40), strict=True):
        expected = brute_force(people, probe, 40)
        assert [(c.name, c.example) for c in candidates] == [(n, e) for _, n, e in expected]


def test_search_in_8_bits_gives_the_same_results(
    new_gallery: NewGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    if matrix.numkong is None:
        pytest.skip("numkong is not installed")
    people, probes = random_gallery(new_gallery, 300, 32)
    own = np.stack([people.examples(f"person {i}")[0].template for i in range(0, 300, 60)])
    probes = np.concatenate([probes, own])
    expected = people.search(probes, 7)
    monkeypatch.setattr(matrix, "CODED_FROM", 1)
    assert people.search(probes, 7) == expected
    people.remove(expected[0][0].name)
    people.add("new", probes[0])
    people.add("long", np.eye(32)[0])  # too large for the 8-bit step of the others
    for probe, candidates in zip(probes, people.search(probes, 7), strict=True):
        found = [(c.name, c.example) for c in candidates]
        assert found == [(n, e) for _, n, e in brute_force(people, probe, 7)]


def test_check_of_a_sound_gallery_finds_no_fault(
    new_gallery: NewGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "_BATCH", 7)  # batches split the templates of a person
    people, _ = random_gallery(new_gallery, 60, 16)
    people.add_many(
        Entry("many", template) for template in np.random.default_rng(1).normal(size=(20, 16))
    )
    people.add("twin", people.examples("person 3")[0].template)
    people.remove("person 5")
    assert people.exact
    assert check_integrity(people, 50) == IntegrityReport(61, people.n_templates, 50, ())


def test_check_of_an_empty_gallery_finds_no_fault(new_gallery: NewGallery) -> None:
    assert check_integrity(new_gallery()) == IntegrityReport(0, 0, 0, ())


def test_check_reports_wrong_search_results(
    new_gallery: NewGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, _ = random_gallery(new_gallery, 30, 16)
    search = type(people).search

    def without_the_best(self: Gallery, probes: np.ndarray, top_k: int = 5) -> object:
        return [found[1:] for found in search(self, probes, top_k + 1)]

    monkeypatch.setattr(type(people), "search", without_the_best)
    found = check_integrity(people, 10)
    assert found.faults == ("10 of 10 searches differ from NumPy's results.",)


def test_threads_share_a_gallery(new_gallery: NewGallery) -> None:
    people = filled(new_gallery, Ann=[X])
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(10):
                people.add(f"p{number}", np.array([number + 1, i + 1, 1, 0]))
                assert people.search(X[None], 1)[0][0].name == "Ann"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert people.people() == {"Ann": 1} | {name: 10 for name in people if name != "Ann"}
    assert len(people) == 5


def test_gallery_can_be_closed_twice(new_gallery: NewGallery) -> None:
    with new_gallery() as people:
        people.add("Ann", X)
    people.close()
