"""People's names from the names of folders and files, also unusual ones."""

from __future__ import annotations

import unicodedata

import pytest

from facehub.errors import GalleryNameError
from facehub.gallery.base import clean_name
from facehub.people import (
    empty_people,
    loose_pictures,
    name_from_file,
    name_people,
    person_folders,
)

ASTRONAUT = "\N{WOMAN}\N{ROCKET}"


@pytest.mark.parametrize(
    ("pictures", "people"),
    [
        (["Ada/1.jpg", "Bob/1.jpg"], ["Ada", "Bob"]),
        (["people/Ada/1.jpg", "people/Bob/1.jpg"], ["Ada", "Bob"]),
        (["data/people/Ada/1.jpg", "data/people/Bob/1.jpg"], ["Ada", "Bob"]),
        (["Ada/1.jpg"], ["Ada"]),
        (["people/Ada/1.jpg"], ["Ada"]),
        (["Ada/1.jpg", "Ada/holiday/2.jpg"], ["Ada", "Ada"]),
        (["Ada/2019/1.jpg", "Ada/2020/1.jpg", "Bob/2019/1.jpg"], ["Ada", "Ada", "Bob"]),
        (["people/Ada/2019/1.jpg", "people/Bob/1.jpg"], ["Ada", "Bob"]),
        (["people/Ada/1.jpg", "grace_hopper.jpg"], ["Ada", "grace hopper"]),
        (["people/cy_2.jpg", "people/Ada/1.jpg", "people/Bob/1.jpg"], ["cy", "Ada", "Bob"]),
        (["IMG_0001.jpg", "IMG_0002.jpg"], ["IMG 0001", "IMG 0002"]),
        (["/tmp/1.jpg", "Ada/1.jpg"], ["tmp", "Ada"]),
        (["./people//Ada/1.jpg", "people/./Bob/1.jpg"], ["Ada", "Bob"]),
        (["x/" * 30_000 + "Ada/1.jpg", "x/" * 30_000 + "Bob/1.jpg"], ["Ada", "Bob"]),
        ([], []),
    ],
)
def test_pictures_get_the_names_of_their_person_folders(
    pictures: list[str], people: list[str]
) -> None:
    assert list(name_people(pictures).values()) == people


def test_unwrapped_folder_has_one_sub_folder_per_person() -> None:
    """No folder wraps the people's folders, unlike in zips and drops."""
    pictures = ["Ada/2019/1.jpg", "Ada/2020/1.jpg", "Ada/1.jpg", "2.jpg"]
    assert list(name_people(pictures, wrapped=False).values()) == ["Ada", "Ada", "Ada", "2"]
    assert loose_pictures(pictures, wrapped=False) == ["2.jpg"]


def test_loose_pictures_and_empty_person_folders_are_listed() -> None:
    pictures = ["people/1.jpg", "people/Ada/1.jpg", "people/Bob/1.jpg", "2.jpg"]
    assert loose_pictures(pictures, wrapped=True) == ["people/1.jpg", "2.jpg"]
    others = ["people/Cy/", "people/Dan/1.cr2", "people/Ada/x.cr2", "notes.txt", "people/x.txt"]
    assert empty_people(pictures, others, wrapped=True) == ["people/Cy/", "people/Dan/"]
    assert empty_people(["Ada/1.jpg"], ["Bob/", "1.cr2"], wrapped=False) == ["Bob/"]


def test_zip_without_folders_gives_all_pictures_its_name() -> None:
    named = name_people(["IMG_1.jpg", "IMG_2.jpg"], "ada_lovelace-2.zip")
    assert set(named.values()) == {"ada lovelace"}
    assert name_people(["Ada/1.jpg", "bob.jpg"], "x.zip") == {"Ada/1.jpg": "Ada", "bob.jpg": "bob"}


@pytest.mark.parametrize(
    "folder",
    ["Anna 1", "Anna!", "dr. who-2", "P. Curie.", " Ada ", "2019", "Photo", ASTRONAUT, "?*<>|\"'"],
)
def test_folder_name_is_the_name_unchanged(folder: str) -> None:
    assert name_people([f"{folder}/1.jpg", "Bob/1.jpg"])[f"{folder}/1.jpg"] == folder


def test_composed_and_decomposed_spellings_are_one_person() -> None:
    """macOS writes names decomposed (NFD), in folders and in zips."""
    composed = "Zo\xeb"
    decomposed = unicodedata.normalize("NFD", composed)
    assert decomposed != composed
    pictures = [f"{decomposed}/1.jpg", f"{composed} /1.jpg", f"{decomposed}.jpg"]
    assert {clean_name(name) for name in name_people(pictures).values()} == {composed}


def test_similar_names_stay_different() -> None:
    folders = ["Anna", "Anna!", "Anna#", "anna", "Anna.", "Anna 1", ASTRONAUT]
    named = name_people([f"{folder}/1.jpg" for folder in folders])
    assert [clean_name(name) for name in named.values()] == folders
    files = ["Anna.jpg", "Anna!.jpg", "Anna#.jpg", f"{ASTRONAUT}.jpg"]
    assert [name_from_file(file) for file in files] == ["Anna", "Anna!", "Anna#", ASTRONAUT]


def test_a_name_that_is_too_long_is_refused_not_cut() -> None:
    (name,) = name_people([f"{'x' * 101}/1.jpg"]).values()
    with pytest.raises(GalleryNameError, match="at most 100 characters"):
        clean_name(name)
    assert clean_name(*name_people([f"{'x' * 100}/1.jpg"]).values()) == "x" * 100


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("ada.jpg", "ada"),
        ("ada_lovelace-2.jpg", "ada lovelace"),
        ("Grace Hopper (3).png", "Grace Hopper"),
        ("IMG_2041.jpg", "IMG 2041"),  # numbered photos may show different people
        ("DSC01234.JPG", "DSC01234"),
        ("PXL_20240101_101112123.jpg", "PXL 20240101 101112123"),
        ("IMG-20240101-WA0003.jpg", "IMG 20240101 WA0003"),
        ("P. Curie 2.jpg", "P Curie"),
        ("Ada..jpg", "Ada"),
        ("(1).jpg", "(1)"),
        ("123.jpg", "123"),
    ],
)
def test_name_from_file(file: str, name: str) -> None:
    assert name_from_file(file) == name


def test_person_folders_lists_each_folder_with_pictures_once() -> None:
    assert person_folders(["b/1.jpg", "a/x/1.jpg", "a/x/2.jpg", "c.jpg"]) == ["", "a/x", "b"]
