"""List a folder recursively and follow links; each folder is read once, so no link loops."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

from facehub.errors import ArchiveError

SYSTEM_NAMES = frozenset({"__MACOSX", "@eaDir", "Thumbs.db", "ehthumbs.db", "desktop.ini"})

# Reasons for skipping a file or folder.
LINK_AGAIN = "a link to a folder that is read under another name"
LINK_NOWHERE = "a broken link"
LINK_UP = "a link to a parent folder"
NO_FILE = "not a regular file"


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden or made by the operating system."""
    return name.startswith(".") or name in SYSTEM_NAMES


def walk(root: Path) -> tuple[list[str], dict[str, str]]:
    """List a folder and all folders below it.

    Real folders are read first, then those behind links, then hidden ones. If two paths lead to
    the same folder, the later is skipped.

    Args:
        root: the folder.

    Returns:
        (entries, skipped): files, and folders with a trailing "/", relative to `root`; and
        {entry: reason} for everything skipped.

    Raises:
        ArchiveError: `root` itself cannot be read.
    """
    entries: list[str] = []
    left_out: dict[str, str] = {}
    real, links, hidden = deque([""]), deque[str](), deque[str]()
    above = {_identity(parent) for parent in Path(os.path.realpath(root)).parents}
    seen: set[tuple[int, int] | None] = set()
    while queue := real or links or hidden:
        folder = queue.popleft()
        identity = _identity(root / folder)
        again = identity is not None and identity in seen
        if again or (queue is not real and identity in above):
            if queue is links:
                left_out[folder] = LINK_AGAIN if again else LINK_UP
            continue
        seen.add(identity)
        if folder:
            entries.append(folder)
        try:
            with os.scandir(root / folder) as found:
                members = sorted(found, key=lambda member: member.name)
        except OSError as error:
            reason = f"cannot be read: {error.strerror or error}"
            if not folder:
                raise ArchiveError(f"{root} {reason}.") from error
            left_out[folder] = reason
            continue
        for member in members:
            name = folder + member.name
            if os.path.isdir(member.path):  # never raises, unlike `DirEntry.is_dir`
                is_link = member.is_symlink() or queue is links
                below = hidden if queue is hidden or is_hidden(member.name) else real
                (links if is_link and below is real else below).append(name + "/")
            elif os.path.isfile(member.path):
                entries.append(name)
            elif os.path.exists(member.path):
                left_out[name] = NO_FILE
            else:
                left_out[name] = LINK_NOWHERE
    return [entry for entry in entries if entry not in left_out], left_out


def _identity(folder: Path) -> tuple[int, int] | None:
    """(device, inode), the same for all paths of a folder; None if it no longer exists."""
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino
