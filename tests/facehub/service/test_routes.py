"""Every endpoint: its responses, its changes to the gallery, and its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facehub import (
    Entry,
    FaceRecognizer,
    GalleryUnavailableError,
    QualityIssue,
    identify,
    verify,
)
from facehub.service import schemas
from facehub.service.keys import Scope
from tests.facehub.service.conftest import Running, Start
from tests.facehub.service.fakes import BLACK, BLUE, GREEN, RED, picture

NAME = "Grace Hopper"
PEOPLE = "/v1/galleries/people/people"
SEARCH = "/v1/galleries/people/search"


def enrol(running: Running, name: str, *colours: tuple[int, int, int], **options: Any) -> Any:
    files = {"picture": picture(*colours)}
    return running.ask("POST", PEOPLE, files=files, data={"name": name, **options})


def check_problem(answer: Any, status: int, error: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = schemas.Problem.model_validate(answer.json())
    assert (found.status, found.error, found.type) == (status, error, "about:blank")
    assert found.title
    assert found.detail


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("second", "decision"), [(RED, "same"), (GREEN, "different")])
def test_verify_decides_same_and_different(
    running: Running, second: tuple[int, int, int], decision: str
) -> None:
    files = {"first": picture(RED), "second": picture(second)}
    answer = running.ask("POST", "/v1/verify", files=files)
    assert answer.status_code == 200
    assert answer.json()["decision"] == decision
    assert answer.headers["cache-control"] == "no-store"


def test_verify_of_a_picture_with_two_faces_depends_on_the_policy(running: Running) -> None:
    files = {"first": picture(RED), "second": picture(GREEN, RED)}
    refused, same = (
        running.ask("POST", f"/v1/verify{policy}", files=files).json()
        for policy in ("", "?policy=best_pair")
    )
    assert (refused["decision"], same["decision"]) == ("cannot_tell", "same")
    assert (refused["first"]["index"], refused["second"]) == (0, None)
    assert (same["first"]["index"], same["second"]["index"]) == (0, 1)
    assert same["second"]["box"][0] > 100  # the strip on the right


def test_enrol_search_list_rename_remove(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    first = enrol(running, " Ada ", RED, source="a.png")
    assert first.status_code == 201
    assert (first.json()["name"], first.json()["added"]) == ("Ada", True)
    assert enrol(running, "Bob", GREEN).status_code == 201
    (example,) = running.galleries["people"].examples("Ada")
    assert (example.digest, example.source) == (first.json()["digest"], "a.png")

    for options in (
        {"content": picture(GREEN, BLUE), "headers": {"Content-Type": "image/png"}},
        {"files": {"picture": picture(GREEN, BLUE)}},
    ):
        headers = {**running.headers["read"], **options.pop("headers", {})}
        found = running.client.post(f"{SEARCH}?top_k=1", headers=headers, **options).json()
        assert [face["name"] for face in found["faces"]] == ["Bob", None]
        assert [len(face["candidates"]) for face in found["faces"]] == [1, 1]
        assert found["threshold"] == 0.5
        assert found["exact"] is True

    people = running.galleries["people"]
    with monkeypatch.context() as patch:
        patch.setattr(type(people), "exact", False)
        found = running.ask("POST", SEARCH, files={"picture": picture(GREEN)}).json()
        assert found["exact"] is False

    page = running.ask("GET", f"{PEOPLE}?offset=1&limit=1", "read").json()
    assert page == {"total": 2, "offset": 1, "people": [{"name": "Bob", "templates": 1}]}
    renamed = running.ask("POST", f"{PEOPLE}/rename", json={"name": "Bob", "new_name": " Bea"})
    assert renamed.json() == {"name": "Bea", "templates": 1}
    assert list(running.galleries["people"]) == ["Ada", "Bea"]
    gone = {"name": "Ada", "digest": first.json()["digest"]}
    removed = running.ask("POST", f"{PEOPLE}/remove", "admin", json=gone)
    assert (removed.status_code, removed.content) == (204, b"")
    assert list(running.galleries["people"]) == ["Bea"]
    assert list(running.galleries["staff"]) == []


def test_people_are_listed_in_pages(running: Running) -> None:
    gallery, rows = running.galleries["people"], np.random.default_rng(0).normal(size=(130, 4))
    gallery.add_many(Entry(f"p{i}", row) for i, row in enumerate(rows))
    page = running.ask("GET", PEOPLE, "read").json()
    assert (page["total"], page["offset"], len(page["people"])) == (130, 0, 100)
    page = running.ask("GET", f"{PEOPLE}?offset=100&limit=1000", "read").json()
    assert [person["name"] for person in page["people"]] == [f"p{i}" for i in range(100, 130)]
    page = running.ask("GET", f"{PEOPLE}?offset={2**53}", "read").json()
    assert page == {"total": 130, "offset": 2**53, "people": []}
    check_problem(running.ask("GET", f"{PEOPLE}?limit=1001"), 422, "InvalidRequestError")


def test_enrol_of_the_same_photo_does_not_add_it_again(running: Running) -> None:
    first, again = enrol(running, "Ada", RED), enrol(running, "Ada", RED)
    assert (again.status_code, again.json()["added"]) == (200, False)
    assert again.json()["digest"] == first.json()["digest"]
    assert running.galleries["people"].people() == {"Ada": 1}


def test_embed_is_forbidden_by_default(running: Running) -> None:
    check_problem(
        running.ask("POST", "/v1/embed", files={"picture": picture(RED)}), 403, "ForbiddenError"
    )


def test_embed_returns_embeddings_if_allowed(start: Start) -> None:
    running = start(allow_embed=True)
    files = {"picture": picture(RED, GREEN)}
    found = running.ask("POST", "/v1/embed", "embed", files=files).json()
    assert [len(face["embedding"]) for face in found["faces"]] == [4, 4]
    assert found["faces"][0]["embedding"][0] == pytest.approx(0.990, abs=1e-3)


def test_responses_equal_the_results_of_the_library(
    start: Start, recognizer: FaceRecognizer, examples: Path
) -> None:
    """With the real weights: the same numbers, and exactly the fields of `schemas`."""
    running = start(recognizer)
    one, other, both = (
        (examples / f"{name}.jpg").read_bytes()
        for name in ("eileen_collins", "grace_hopper", "both")
    )
    answer = running.ask("POST", "/v1/verify", files={"first": one, "second": other}).json()
    assert answer == verify(one, other, recognizer=recognizer).to_dict()
    form = {"files": {"picture": other}, "data": {"name": "Grace"}}
    assert running.ask("POST", PEOPLE, **form).status_code == 201
    found = running.ask("POST", SEARCH, files={"picture": both}).json()
    gallery = running.galleries["people"]
    faces = [face.to_dict() for face in identify(both, gallery, recognizer=recognizer)]
    assert found["faces"] == faces
    assert [face["name"] for face in faces] == [None, "Grace"]


def test_threshold_of_the_settings_is_used(start: Start) -> None:
    running = start(threshold=-1)
    files = {"first": picture(RED), "second": picture(GREEN)}
    answer = running.ask("POST", "/v1/verify", files=files).json()
    assert (answer["decision"], answer["threshold"]) == ("same", -1)
    enrol(running, "Ada", GREEN)
    found = running.ask("POST", SEARCH, files={"picture": picture(RED)}).json()
    assert (found["threshold"], found["faces"][0]["name"]) == (-1, "Ada")


def test_rejected_quality_issues_refuse_enrol_and_verify(start: Start) -> None:
    """The strips have one colour each, so they count as blurred."""
    running = start(reject=frozenset({QualityIssue.BLURRED}))
    check_problem(enrol(running, "Ada", RED), 422, "LowQualityError")
    assert len(running.galleries["people"]) == 0
    files = {"first": picture(RED), "second": picture(RED)}
    check_problem(running.ask("POST", "/v1/verify", files=files), 422, "LowQualityError")
    assert enrol(start(), "Ada", RED).status_code == 201


def test_healthz_without_a_key_gives_status_and_version_only(running: Running) -> None:
    answer = running.client.get("/healthz")
    assert set(answer.json()) == {"status", "version"}
    assert answer.json()["status"] == "ok"


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "status", "error"),
    [
        (b"", 422, "ImageDecodeError"),
        (b"text", 415, "ImageFormatError"),
        (picture(RED)[:60], 422, "ImageDecodeError"),
        (picture(BLACK), 422, "NoFaceError"),
        (picture(RED, GREEN), 422, "MultipleFacesError"),
    ],
    ids=["empty", "text", "cut off", "nobody", "two"],
)
def test_enrol_of_an_unusable_picture_is_refused(
    running: Running, content: bytes, status: int, error: str
) -> None:
    form = {"files": {"picture": ("a.png", content)}, "data": {"name": "Ada"}}
    check_problem(running.ask("POST", PEOPLE, **form), status, error)
    assert len(running.galleries["people"]) == 0


def test_unusable_names_are_refused_and_change_nothing(running: Running) -> None:
    enrol(running, "Ada", RED)
    enrol(running, "Bob", GREEN)
    check_problem(enrol(running, " \n", RED), 422, "GalleryNameError")
    check_problem(enrol(running, "x" * 101, RED), 422, "GalleryNameError")
    for change, status, error in (
        ({"name": "Eve", "new_name": "Eva"}, 404, "NotInGalleryError"),
        ({"name": "Ada", "new_name": "Bob"}, 409, "NameTakenError"),
        ({"name": "Ada", "new_name": ""}, 422, "GalleryNameError"),
        ({"name": "Ada"}, 422, "InvalidRequestError"),
        ({"name": "Ada", "new_name": "Eva", "more": 1}, 422, "InvalidRequestError"),
        ([], 422, "InvalidRequestError"),
    ):
        check_problem(running.ask("POST", f"{PEOPLE}/rename", json=change), status, error)
    for gone in ({"name": "Eve"}, {"name": "Ada", "digest": "0" * 64}):
        check_problem(running.ask("POST", f"{PEOPLE}/remove", json=gone), 404, "NotInGalleryError")
    assert running.galleries["people"].people() == {"Ada": 1, "Bob": 1}


def test_rename_to_a_lone_surrogate_is_refused(running: Running) -> None:
    enrol(running, "Ada", RED)
    content = b'{"name": "Ada", "new_name": "\\ud800"}'
    headers = {**running.headers["all"], "Content-Type": "application/json"}
    answer = running.client.post(f"{PEOPLE}/rename", headers=headers, content=content)
    check_problem(answer, 422, "InvalidRequestError")
    assert list(running.galleries["people"]) == ["Ada"]


def test_wrong_paths_methods_and_parameters_are_refused(running: Running) -> None:
    files = {"picture": picture(RED)}
    check_problem(running.ask("GET", "/v1/nothing"), 404, "NotFoundError")
    check_problem(running.ask("PUT", "/v1/verify"), 405, "MethodNotAllowedError")
    check_problem(running.ask("GET", f"{PEOPLE}?limit=1001"), 422, "InvalidRequestError")
    for offset in (-1, 10**30):
        check_problem(running.ask("GET", f"{PEOPLE}?offset={offset}"), 422, "InvalidRequestError")
    wrong = f"{SEARCH}?top_k=secret"
    answer = running.ask("POST", wrong, files=files)
    check_problem(answer, 422, "InvalidRequestError")
    assert "secret" not in answer.text
    answer = running.ask("POST", "/v1/galleries/none/search", files=files)
    check_problem(answer, 404, "GalleryNotFoundError")


def test_error_of_an_unavailable_gallery_names_no_path(
    running: Running, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise GalleryUnavailableError("/srv/people.db cannot be used: disk I/O error.")

    monkeypatch.setattr(running.galleries["people"], "people", broken)
    answer = running.ask("GET", PEOPLE)
    check_problem(answer, 503, "GalleryUnavailableError")
    assert int(answer.headers["retry-after"]) > 0
    assert "srv" not in answer.text
    assert "/srv/people.db cannot be used" in capfd.readouterr().err


def test_error_of_a_damaged_key_file_names_no_path(running: Running) -> None:
    running.keys.write_text("{")
    answer = running.ask("GET", PEOPLE)
    check_problem(answer, 503, "SettingsError")
    assert running.keys.name not in answer.text


def test_unexpected_error_reveals_no_data(
    running: Running, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise KeyError(NAME)

    monkeypatch.setattr(running.galleries["people"], "people", broken)
    answer = running.ask("GET", PEOPLE)
    check_problem(answer, 500, "InternalServerError")
    out, err = capfd.readouterr()
    assert NAME not in answer.text + out + err
    assert "KeyError" in err


# --- keys -----------------------------------------------------------------------------------------

NEEDED = {
    ("POST", "/v1/verify"): Scope.READ,
    ("POST", "/v1/embed"): Scope.EMBED,
    ("GET", PEOPLE): Scope.READ,
    ("POST", PEOPLE): Scope.ENROL,
    ("POST", f"{PEOPLE}/rename"): Scope.ADMIN,
    ("POST", f"{PEOPLE}/remove"): Scope.ADMIN,
    ("POST", SEARCH): Scope.READ,
    ("GET", "/metrics"): Scope.METRICS,
}


def test_each_endpoint_needs_its_scope(running: Running) -> None:
    """An empty request with the right scope is answered, or refused for another reason."""
    for (method, path), needed in NEEDED.items():
        check_problem(running.client.request(method, path), 401, "UnauthorizedError")
        for scope in Scope:
            answer = running.ask(method, path, scope.value)
            refused = answer.status_code == 403 and "scope" in answer.json()["detail"]
            assert refused == (scope is not needed), (method, path, scope)


def test_scope_table_lists_every_endpoint(start: Start) -> None:
    paths = start(allow_embed=True).client.get("/openapi.json").json()["paths"]
    found = {(method.upper(), path) for path, each in paths.items() for method in each}
    found.remove(("GET", "/healthz"))
    assert {
        (method, path.replace("galleries/people", "galleries/{gallery}")) for method, path in NEEDED
    } == found


@pytest.mark.parametrize("value", ["Bearer wrong", "Bearer ", "Basic YTpi", "Bearer \u00fc"])
def test_wrong_key_is_refused_with_401(running: Running, value: str) -> None:
    answer = running.client.get(PEOPLE, headers={"Authorization": value.encode("latin-1")})
    check_problem(answer, 401, "UnauthorizedError")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_key_of_one_gallery_cannot_tell_whether_others_exist(running: Running) -> None:
    assert running.ask("GET", "/v1/galleries/staff/people", "staff").status_code == 200
    other, none = (
        running.ask("GET", f"/v1/galleries/{name}/people", "staff") for name in ("people", "none")
    )
    check_problem(other, 404, "GalleryNotFoundError")
    assert other.json() == none.json()


def test_key_beyond_its_rate_gets_429(start: Start) -> None:
    running = start(rate=20)  # two at once
    answers = [running.ask("GET", PEOPLE, "read") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    check_problem(answers[2], 429, "RateLimitError")
    assert answers[2].headers["retry-after"] == "3"  # a request each 3 s
    assert running.ask("GET", PEOPLE, "all").status_code == 200
