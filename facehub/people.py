"""Name the people in photos after folders and files: one rule for folders, zips and the page."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

_CAMERA = re.compile(  # words in file names from cameras and phones
    r"(\b(img|dsc[nf]?|pxl|mvimg|gopr|dcim|wa|p|hdr|burst|portrait|image|photo|picture|screenshot"
    r"|whatsapp|at)\b ?)*",
    re.IGNORECASE,
)


def name_people(
    pictures: Iterable[str], container: str = "", *, wrapped: bool = True
) -> dict[str, str]:
    """Name the person in each picture of a folder, a zip, or a folder dropped on the page.

    A picture in a folder is named after its top-level folder, unchanged; deeper folders do not
    matter. A picture outside people's folders is named after its file, see `name_from_file`. If
    there is no folder at all, pictures are named after the container.

    Zips and drops often wrap the people's folders in another folder. If one folder holds all
    others, its sub-folders are the people's, provided that it has no picture of its own or several
    sub-folders.

    Args:
        pictures: "FOLDER/.../FILE" of each picture.
        container: file name of the zip that holds them; "" for none.
        wrapped: whether a folder may wrap the people's folders, as in zips and drops.

    Returns:
        {picture: name}; pass the names to `clean_name`, which normalises them and refuses long
        ones.
    """
    paths = _normal(pictures)
    root = _root(paths.values()) if wrapped else ""
    flat = not any("/" in path for path in paths.values())
    return {
        picture: _folder_in(root, path) or name_from_file(container if flat and container else path)
        for picture, path in paths.items()
    }


def loose_pictures(pictures: Iterable[str], *, wrapped: bool) -> list[str]:
    """List the pictures outside people's folders; see `name_people` for the arguments."""
    paths = _normal(pictures)
    root = _root(paths.values()) if wrapped else ""
    return [picture for picture, path in paths.items() if not _folder_in(root, path)]


def person_folders(pictures: Iterable[str]) -> list[str]:
    """List the folders of pictures, sorted; "" for pictures outside folders."""
    return sorted({picture.rpartition("/")[0] for picture in pictures})


def name_from_file(file: str) -> str:
    """Derive a name from a file name, without suffix and trailing number.

    `ada_lovelace-2.jpg` gives "ada lovelace". File names from cameras keep their numbers: IMG_0001
    and IMG_0002 may show different people.
    """
    stem = re.sub(r"[_\-. ]+", " ", PurePosixPath(file).stem).strip()
    if _CAMERA.fullmatch(re.sub(r"[\d() ]+", " ", stem).strip()):
        return stem or file
    return re.sub(r"[\d() ]+$", "", stem)


def empty_people(pictures: Iterable[str], others: Iterable[str], *, wrapped: bool) -> list[str]:
    """List people's folders that hold no picture.

    Args:
        pictures, wrapped: see `name_people`.
        others: all other entries; folders have a trailing "/".

    Returns:
        "FOLDER/.../" of each, sorted.
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
    """Normalise paths: {path: path without "." and ".."}."""
    return {picture: posixpath.normpath(picture).lstrip("/") for picture in pictures}


def _folder_in(root: str, path: str) -> str:
    """The first folder of a path below `root`; "" if there is none."""
    folder, slash, _ = path.removeprefix(root).partition("/")
    return folder if slash and path.startswith(root) else ""


def _root(paths: Iterable[str]) -> str:
    """The folder that wraps the people's folders, with a trailing "/"; "" if there is none."""
    folders = {path.rpartition("/")[0] + "/" for path in paths if "/" in path}
    if not folders:
        return ""
    shared = posixpath.commonprefix([min(folders), max(folders)])
    shared = shared[: shared.rfind("/") + 1]
    within = {folder.removeprefix(shared).partition("/")[0] for folder in folders - {shared}}
    if shared in folders and len(within) < 2:  # a person's folder
        return shared[: shared.rstrip("/").rfind("/") + 1]
    return shared
