"""Upload files to the Hub in one commit; on an error, nothing is left half done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    RevisionNotFoundError,
)

from facehub.errors import FaceHubError


class HubError(FaceHubError):
    """The upload to the Hub failed; the Hub shows nothing of it."""


def push(
    files: Mapping[str, bytes],
    repo: str,
    *,
    message: str,
    space: bool = False,
    private: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    variables: Mapping[str, str] | None = None,
) -> CommitInfo:
    """Create the repository if it is missing, and upload all files in one commit.

    If the commit fails, a repository created by this call is removed again.

    Args:
        files: content by path in the repository.
        repo: `owner/name`.
        message: commit message.
        space: whether the repository is a Gradio Space rather than a model.
        private: whether a new repository is private.
        revision: branch to commit to, created if missing; None: `main`.
        create_pr: whether to open a pull request instead of committing to the branch.
        variables: variables of a new Space.

    Raises:
        HubError: there is no token, no network or no permission, or the Hub refuses.
    """
    api, kind = HfApi(library_name="facehub"), "space" if space else "model"
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    with _clear_errors(repo):
        api.whoami()
        exists = api.repo_exists(repo, repo_type=kind)
        if not exists:
            api.create_repo(
                repo,
                repo_type=kind,
                private=private,
                space_sdk="gradio" if space else None,
                space_variables=[{"key": k, "value": v} for k, v in (variables or {}).items()]
                or None,
            )
        try:
            if revision and revision != "main" and not create_pr:
                api.create_branch(repo, branch=revision, repo_type=kind, exist_ok=True)
            return api.create_commit(
                repo,
                operations,
                commit_message=message,
                repo_type=kind,
                revision=revision,
                create_pr=create_pr,
            )
        except BaseException:
            if not exists:
                with suppress(Exception):
                    api.delete_repo(repo, repo_type=kind)
            raise


_REASONS = {
    401: "The Hub does not accept this token: run `hf auth login`, or set HF_TOKEN.",
    403: "This token has no write access to {repo}.",
    404: "{repo} does not exist, or this token has no access to it.",
    409: "Somebody else changed {repo} at the same time: try again.",
    429: "The Hub received too many requests: try again in a few minutes.",
}


@contextmanager
def _clear_errors(repo: str) -> Iterator[None]:
    try:
        yield
    except LocalTokenNotFoundError as error:
        raise HubError("There is no Hub token: run `hf auth login`, or set HF_TOKEN.") from error
    except HFValidationError as error:
        raise HubError(f"{repo!r} is not a Hub repository id (owner/name).") from error
    except RevisionNotFoundError as error:
        raise HubError(f"{repo} has no such revision.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        reason = _REASONS.get(status, "The Hub returned status {status}: try again later.")
        raise HubError(reason.format(repo=repo, status=status)) from error
    except Exception as error:  # the client's network errors have no common base
        raise HubError(f"The upload to {repo} failed: {error}") from error
