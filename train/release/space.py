"""Make the demo Space: its files, and the front matter that the host reads."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import RepoCard

from facehub.model.store import CONFIG_FILE, WEIGHTS_FILE

ROOT = Path(__file__).parents[2]
FILES = ("app.py", "requirements.txt", "packages.txt", "LICENSE", "README.md")
FOLDERS = ("facehub", "examples", "docs")
LEFT_OUT = ("__pycache__", ".pyc")


def make_space(model: str | None = None) -> dict[str, bytes]:
    """Collect all files of the Space.

    Args:
        model: weights to load from the Hub, `owner/name@commit`; None: this checkout's weights.

    Returns:
        Content by path.
    """
    paths = [ROOT / name for name in FILES]
    for folder in FOLDERS if model else (*FOLDERS, "weights"):
        paths += sorted(path for path in (ROOT / folder).rglob("*") if path.is_file())
    files = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in paths
        if not any(part in str(path.relative_to(ROOT)) for part in LEFT_OUT)
    }
    if model:
        files["README.md"] = _with_model(files["README.md"].decode(), model).encode()
    return files


def _with_model(readme: str, model: str) -> str:
    """Name the weights in the front matter, so the host downloads them at build time."""
    repo, _, revision = model.partition("@")
    card = RepoCard(readme, ignore_metadata_errors=False)
    card.data["models"] = [repo]
    wanted = f"{repo} {CONFIG_FILE},{WEIGHTS_FILE}"
    card.data["preload_from_hub"] = [f"{wanted} {revision}" if revision else wanted]
    return str(card)
