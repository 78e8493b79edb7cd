"""One commit to the Hub, or a clear error and nothing left half done."""

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
    """Nothing was sent to the Hub, or nothing that it shows."""


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
    """Create the repository where it is missing, and send all files in one commit.

    A repository that was created for this is removed again if the commit fails.

    Args:
        files: content by path in the repository.
        repo: `owner/name`.
        message: of the commit.
        space: a Gradio Space rather than a model.
        private: of a repository that is created.
        revision: branch to commit to, made if missing; None for `main`.
        create_pr: open a pull request instead of committing to the branch.
        variables: of a Space that is created.

    Raises:
        HubError: no token, no network, no rights, or the Hub refuses.
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
    401: "The Hub does not accept this token: `hf auth login`, or set HF_TOKEN.",
    403: "This token may not write to {repo}: it needs write access there.",
    404: "The Hub has no {repo} that this token may see.",
    409: "{repo} was changed by somebody else at the same time: try again.",
    429: "The Hub asks to wait (too many requests): try again in a few minutes.",
}


@contextmanager
def _clear_errors(repo: str) -> Iterator[None]:
    try:
        yield
    except LocalTokenNotFoundError as error:
        raise HubError("There is no Hub token: `hf auth login`, or set HF_TOKEN.") from error
    except HFValidationError as error:
        raise HubError(f"{repo!r} is not a Hub repository id (owner/name).") from error
    except RevisionNotFoundError as error:
        raise HubError(f"{repo} has no such revision.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        reason = _REASONS.get(status, "The Hub answers with status {status}: try again later.")
        raise HubError(reason.format(repo=repo, status=status)) from error
    except Exception as error:  # the client's network errors have no common base
        raise HubError(f"{repo} could not be sent: {error}") from error
