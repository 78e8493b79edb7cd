"""Whom photos show, by the names of folders and files: one rule for folders, zips and the page."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

_CAMERA = re.compile(  # the words that cameras and phones name files with
    r"(\b(img|dsc[nf]?|pxl|mvimg|gopr|dcim|wa|p|hdr|burst|portrait|image|photo|picture|screenshot"
    r"|whatsapp|at)\b ?)*",
    re.IGNORECASE,
)


def name_people(
    pictures: Iterable[str], container: str = "", *, wrapped: bool = True
) -> dict[str, str]:
    """Say whom each picture of a folder, of a zip or of a folder dropped on the page shows.

    A picture in a folder shows whom the first folder is named after, as it is written; what folders
    lie in that one does not matter. A picture outside of people's folders is named by its own file,
    see `name_from_file`; where there is no folder at all, by what it lies in.

    Zips and drops mostly have a folder around the people's. So where one folder holds all others,
    the folders in it are the people's, if it has no picture of its own, or if they are several.

    Args:
        pictures: "FOLDER/.../FILE" for each.
        container: file name of the zip that they lie in; "" where there is none.
        wrapped: whether there may be a folder around the people's, as in zips and drops.

    Returns:
        The person's name for each picture, as `clean_name` takes it, which keeps names in one
        spelling and refuses those that are too long.
    """
    paths = _normal(pictures)
    root = _root(paths.values()) if wrapped else ""
    flat = not any("/" in path for path in paths.values())
    return {
        picture: _folder_in(root, path) or name_from_file(container if flat and container else path)
        for picture, path in paths.items()
    }


def loose_pictures(pictures: Iterable[str], *, wrapped: bool) -> list[str]:
    """The pictures outside of people's folders; arguments as of `name_people`."""
    paths = _normal(pictures)
    root = _root(paths.values()) if wrapped else ""
    return [picture for picture, path in paths.items() if not _folder_in(root, path)]


def person_folders(pictures: Iterable[str]) -> list[str]:
    """The folders that pictures lie in, sorted; "" is where those outside of folders lie."""
    return sorted({picture.rpartition("/")[0] for picture in pictures})


def name_from_file(file: str) -> str:
    """`ada_lovelace-2.jpg` shows "ada lovelace": no suffix, no number at the end.

    The numbers stay where a camera named the file: IMG_0001 and IMG_0002 need not show one person.
    """
    stem = re.sub(r"[_\-. ]+", " ", PurePosixPath(file).stem).strip()
    if _CAMERA.fullmatch(re.sub(r"[\d() ]+", " ", stem).strip()):
        return stem or file
    return re.sub(r"[\d() ]+$", "", stem)


def empty_people(pictures: Iterable[str], others: Iterable[str], *, wrapped: bool) -> list[str]:
    """Folders that are people's by the same rule, but hold no picture.

    Args:
        pictures, wrapped: see `name_people`.
        others: what else there is, folders with a "/" at their ends.

    Returns:
        "FOLDER/.../" for each, sorted.
    """
    paths = _normal(pictures).values()
    root = _root(paths) if wrapped else ""
    people = {_folder_in(root, path) for path in paths}
    others = (_normal([other])[other] + "/" * other.endswith("/") for other in others)
    return sorted(
        {
            f"{root}{_folder_in(root, other)}/"
            for other in others
            if _folder_in(root, other) not in {*people, ""}
        }
    )


def _normal(pictures: Iterable[str]) -> dict[str, str]:
    """Paths without "." and the like."""
    return {picture: posixpath.normpath(picture).lstrip("/") for picture in pictures}


def _folder_in(root: str, path: str) -> str:
    """The first folder below the one around the people's; "" for what is in none."""
    folder, slash, _ = path.removeprefix(root).partition("/")
    return folder if slash and path.startswith(root) else ""


def _root(paths: Iterable[str]) -> str:
    """The folders around the people's, with a "/" at their end; "" where there is none."""
    folders = {path.rpartition("/")[0] + "/" for path in paths if "/" in path}
    if not folders:
        return ""
    shared = posixpath.commonprefix([min(folders), max(folders)])
    shared = shared[: shared.rfind("/") + 1]
    within = {folder.removeprefix(shared).partition("/")[0] for folder in folders - {shared}}
    if shared in folders and len(within) < 2:  # it is a person's
        return shared[: shared.rstrip("/").rfind("/") + 1]
    return shared
