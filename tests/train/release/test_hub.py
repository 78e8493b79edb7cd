"""Uploads to the Hub: one commit, or a clear error and no traces."""

from __future__ import annotations

import pytest
from huggingface_hub import constants

from tests.local_hub import LocalHub
from train.release.hub import HubError, push

NAME = "owner/name"
FILES = {"small.txt": b"few", "large.bin": bytes(range(256)) * 1000}


def test_push_creates_the_repository_and_commits_once(writer: LocalHub) -> None:
    commit = push(FILES, NAME, message="First")
    repo = writer.repos["models", NAME]
    assert writer.files(NAME, commit.oid).items() >= FILES.items()
    assert len(repo.commits) == 2
    assert not repo.private
    assert set(repo.branches) == {"main"}


def test_push_can_create_a_private_repository(writer: LocalHub) -> None:
    push(FILES, NAME, message="First", private=True)
    assert writer.repos["models", NAME].private


def test_push_to_another_branch_leaves_main_unchanged(writer: LocalHub) -> None:
    push(FILES, NAME, message="First", revision="next")
    assert writer.files(NAME, "next").items() >= FILES.items()
    assert "small.txt" not in writer.files(NAME, "main")
    push({"small.txt": b"more"}, NAME, message="Second", revision="next")
    assert writer.files(NAME, "next")["small.txt"] == b"more"


def test_push_as_pull_request_leaves_main_unchanged(writer: LocalHub) -> None:
    push(FILES, NAME, message="First")
    commit = push({"small.txt": b"other"}, NAME, message="Second", create_pr=True)
    assert commit.pr_url
    assert commit.pr_url.endswith("/discussions/1")
    assert writer.files(NAME)["small.txt"] == b"few"
    assert writer.files(NAME, "refs/pr/1")["small.txt"] == b"other"


def test_push_to_a_space_sets_sdk_and_variables(writer: LocalHub) -> None:
    push(FILES, NAME, message="First", space=True, variables={"FACEHUB_MODEL": "a/b@c"})
    settings = writer.repos["spaces", NAME].settings
    assert settings["sdk"] == "gradio"
    assert settings["variables"] == [{"key": "FACEHUB_MODEL", "value": "a/b@c"}]
    assert writer.files(NAME, kind="spaces").items() >= FILES.items()


def test_push_without_a_token_is_refused_before_any_request(hub: LocalHub) -> None:
    with pytest.raises(HubError, match="There is no Hub token: run `hf auth login`"):
        push(FILES, NAME, message="First")
    assert hub.requests == []


def test_push_with_an_unknown_token_is_refused(
    hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_stolen")
    with pytest.raises(HubError, match="does not accept this token"):
        push(FILES, NAME, message="First")
    assert hub.repos == {}


def test_push_with_a_read_only_token_is_refused(reader: LocalHub) -> None:
    with pytest.raises(HubError, match="no write access to owner/name"):
        push(FILES, NAME, message="First")
    assert reader.repos == {}


@pytest.mark.parametrize("name", ["name with spaces/x", "a/b/c", "owner/..name"])
def test_push_to_an_invalid_name_is_refused(writer: LocalHub, name: str) -> None:
    with pytest.raises(HubError, match=r"is not a Hub repository id \(owner/name\)"):
        push(FILES, name, message="First")
    assert writer.repos == {}


def test_push_without_a_network_is_reported(
    writer: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="The upload to"):
        push(FILES, NAME, message="First")


@pytest.mark.parametrize(
    ("request_part", "fault", "message"),
    [
        ("/preupload/", 403, "no write access"),
        ("/preupload/", 404, "owner/name does not exist"),
        ("objects/batch", 401, "does not accept this token"),
        ("PUT /lfs/", 400, "The upload to"),
        ("/commit/", 409, "Somebody else changed"),
        ("/commit/", 507, "status 507"),
        ("/commit/", "hang up", "The upload to"),
    ],
)
def test_failed_first_upload_leaves_no_repository(
    writer: LocalHub, request_part: str, fault: int | str, message: str
) -> None:
    writer.faults[request_part] = fault
    with pytest.raises(HubError, match=message):
        push(FILES, NAME, message="First")
    assert writer.repos == {}


def test_failed_later_upload_leaves_the_files_unchanged(writer: LocalHub) -> None:
    first = push(FILES, NAME, message="First")
    writer.faults["/commit/"] = 429
    with pytest.raises(HubError, match="too many requests"):
        push({"small.txt": b"other"}, NAME, message="Second")
    assert writer.repos["models", NAME].branches == {"main": first.oid}
    assert writer.files(NAME)["small.txt"] == b"few"
