"""The gallery file: its contents, and its checks on loading."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch_file

from facehub import Gallery, GalleryError, GalleryMismatchError, MemoryGallery
from facehub.gallery.file import FORMAT

FINGERPRINT = "sha256:" + 64 * "a"
SIZE = 4
X, Y, Z, W = np.eye(SIZE, dtype=np.float32)


def make_gallery(**people: list[np.ndarray]) -> MemoryGallery:
    result = MemoryGallery(FINGERPRINT, SIZE)
    for name, templates in people.items():
        for number, template in enumerate(templates):
            result.add(name, template, source=f"{name}{number}.jpg")
    return result


def contents(gallery: Gallery) -> list[tuple[str, str, list[float]]]:
    return [(n, e.source, e.template.tolist()) for n in gallery for e in gallery.examples(n)]


def test_saved_gallery_loads_with_the_same_contents(tmp_path: Path) -> None:
    people = make_gallery(Zoë=[X, (Y + Z) / np.sqrt(2)], Ann=[W])
    people.save(tmp_path / "people.safetensors")
    again = MemoryGallery.load(tmp_path / "people.safetensors", fingerprint=FINGERPRINT)
    assert again.size == SIZE
    for (name, source, template), (name2, source2, template2) in zip(
        contents(people), contents(again), strict=True
    ):
        assert (name, source) == (name2, source2)
        np.testing.assert_allclose(template, template2, atol=1e-7)


def test_empty_gallery_can_be_saved_and_loaded(tmp_path: Path) -> None:
    make_gallery().save(tmp_path / "people")
    again = MemoryGallery.load(tmp_path / "people", fingerprint=FINGERPRINT)
    assert (len(again), again.size) == (0, SIZE)
    again.add("Ann", X)


def test_source_that_is_not_utf8_can_be_saved(tmp_path: Path) -> None:
    people = make_gallery()
    people.add("Ann", X, source="caf\udce9.jpg")
    people.save(tmp_path / "people")
    again = MemoryGallery.load(tmp_path / "people", fingerprint=FINGERPRINT)
    assert contents(again) == contents(people)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "people"
    path.touch(0o644)
    make_gallery(Ann=[X]).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "people"
    make_gallery(Ann=[X]).save(path)

    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(GalleryError, match="cannot be written: No space left"):
        make_gallery(Bob=[Y]).save(path)
    assert list(MemoryGallery.load(path, fingerprint=FINGERPRINT)) == ["Ann"]
    assert list(tmp_path.iterdir()) == [path]


def test_save_into_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="cannot be written: No such file"):
        make_gallery(Ann=[X]).save(tmp_path / "nothing" / "people")


@pytest.mark.parametrize("kind", ["nothing", "folder"])
def test_missing_file_and_folder_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path if kind == "folder" else tmp_path / "people"
    with pytest.raises(GalleryError, match="no gallery file"):
        MemoryGallery.load(path, fingerprint=FINGERPRINT)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_file_without_read_permission_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_gallery(Ann=[X]).save(tmp_path / "people")

    def refuse(*args: object) -> None:  # root may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(GalleryError, match="cannot be read: Permission denied"):
        MemoryGallery.load(tmp_path / "people", fingerprint=FINGERPRINT)


def test_many_templates_of_one_person_load_quickly(tmp_path: Path) -> None:
    """Copying the person's templates for each new one would take minutes."""
    n = 50_000
    metadata = {
        "format": FORMAT,
        "fingerprint": FINGERPRINT,
        "people": json.dumps([{"name": "Ann", "sources": n * [""]}]),
    }
    angles = np.linspace(0, 1, n)
    templates = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    save_file({"templates": templates}, tmp_path / "people", metadata)
    started = time.monotonic()
    assert MemoryGallery.load(tmp_path / "people", fingerprint=FINGERPRINT).n_templates == n
    assert time.monotonic() - started < 10


def test_file_of_other_weights_is_refused(tmp_path: Path) -> None:
    make_gallery(Ann=[X]).save(tmp_path / "people")
    with pytest.raises(GalleryMismatchError, match="other weights"):
        MemoryGallery.load(tmp_path / "people", fingerprint="sha256:" + 64 * "b")


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "people"
    make_gallery(Ann=[X, Y], Bob=[Z]).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(GalleryError, match="damaged or not a facehub gallery"):
        MemoryGallery.load(path, fingerprint=FINGERPRINT)


def test_weights_are_refused_as_a_gallery(other_weights: Path) -> None:
    with pytest.raises(GalleryError, match="damaged or not a facehub gallery"):
        MemoryGallery.load(other_weights / "model.safetensors", fingerprint=FINGERPRINT)


TWO = [{"name": "Ann", "sources": ["a", "b"]}, {"name": "Bob", "sources": ["c"]}]
SOUND = np.stack([X, Y, Z])


def write(path: Path, people: object, templates: np.ndarray, **metadata: str) -> None:
    text = people if isinstance(people, str) else json.dumps(people)
    head = {"format": FORMAT, "fingerprint": FINGERPRINT, "people": text, **metadata}
    save_file({"templates": templates}, path, head)


def test_sound_file_written_by_hand_is_loaded(tmp_path: Path) -> None:
    """The damaged files below differ from this one only in their damage."""
    write(tmp_path / "people", TWO, SOUND)
    people = MemoryGallery.load(tmp_path / "people", fingerprint=FINGERPRINT)
    assert contents(people) == [
        ("Ann", "a", X.tolist()),
        ("Ann", "b", Y.tolist()),
        ("Bob", "c", Z.tolist()),
    ]


@pytest.mark.parametrize(
    ("people", "templates", "metadata"),
    [
        (TWO, SOUND, {"format": "facehub-gallery-9"}),
        (TWO, SOUND[:2], {}),
        (TWO[:1], SOUND, {}),
        (TWO, SOUND.astype(np.float64), {}),
        (TWO, SOUND[0], {}),
        (TWO, SOUND * 2, {}),
        (TWO, SOUND * 0, {}),
        (TWO, np.where(SOUND > 0, np.nan, SOUND), {}),
        ([TWO[0], {"name": "Ann", "sources": ["c"]}], SOUND, {}),
        ([TWO[0], {"name": " Ann ", "sources": ["c"]}], SOUND, {}),
        ([*TWO, {"name": "Cid", "sources": []}], SOUND, {}),
        ([TWO[0], {"name": "", "sources": ["c"]}], SOUND, {}),
        ([TWO[0], {"name": "x" * 101, "sources": ["c"]}], SOUND, {}),
        ([TWO[0], {"name": "Bob"}], SOUND, {}),
        ([TWO[0], {"name": "Bob", "sources": 1}], SOUND, {}),
        ([TWO[0], "Bob"], SOUND, {}),
        ({"Ann": 3}, SOUND, {}),
        (3, SOUND, {}),
        ("[{", SOUND, {}),
        ("[" * 100_000, SOUND, {}),
    ],
    ids=[
        "format",
        "a template too few",
        "a template too many",
        "float64",
        "one row",
        "not unit",
        "zero",
        "NaN",
        "name twice",
        "name twice but for spaces",
        "nobody's sources",
        "no name",
        "long name",
        "no sources",
        "sources a number",
        "person a text",
        "people an object",
        "people a number",
        "people cut",
        "people deep",
    ],
)
def test_damaged_file_is_refused(
    tmp_path: Path, people: object, templates: np.ndarray, metadata: dict[str, str]
) -> None:
    write(tmp_path / "people", people, np.ascontiguousarray(templates), **metadata)
    with pytest.raises(GalleryError, match="damaged or not a facehub gallery"):
        MemoryGallery.load(tmp_path / "people", fingerprint=FINGERPRINT)


@pytest.mark.parametrize("missing", ["format", "people", "fingerprint"])
def test_file_without_a_metadata_entry_is_refused(tmp_path: Path, missing: str) -> None:
    head = {"format": FORMAT, "fingerprint": FINGERPRINT, "people": json.dumps(TWO)}
    del head[missing]
    save_file({"templates": SOUND}, tmp_path / "people", head)
    with pytest.raises(GalleryError):
        MemoryGallery.load(tmp_path / "people", fingerprint=FINGERPRINT)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.float16])
def test_templates_of_another_number_format_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    head = {"format": FORMAT, "fingerprint": FINGERPRINT, "people": json.dumps(TWO)}
    save_torch_file({"templates": torch.eye(3, SIZE).to(dtype)}, tmp_path / "people", head)
    with pytest.raises(GalleryError, match="damaged or not a facehub gallery"):
        MemoryGallery.load(tmp_path / "people", fingerprint=FINGERPRINT)


def test_file_can_be_read_by_safetensors(tmp_path: Path) -> None:
    """Any reader of safetensors can open it."""
    make_gallery(Ann=[X, Y]).save(tmp_path / "people")
    np.testing.assert_array_equal(load_file(tmp_path / "people")["templates"], [X, Y])
