"""Photos that a command line names, the people they show, and ignored files."""

from __future__ import annotations

import argparse
import json
import shutil
import zipfile
from pathlib import Path

import pytest

import facehub
from facehub.cli.photos import EMPTY_PERSON, Photos, find_people, find_photos
from facehub.errors import ArchiveError, FaceHubError
from facehub.io.containers import HIDDEN, LOOSE, NO_PICTURE
from tests.facehub.cli.conftest import Run


def make_folder(root: Path, *names: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def make_zip(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return path


@pytest.fixture
def unusable(tmp_path: Path) -> list[Path]:
    """Folders and zips without a picture, a damaged zip and a missing one."""
    (tmp_path / "damaged.zip").write_bytes(b"PK\5\6" + bytes(17))
    return [
        make_folder(tmp_path / "empty"),
        make_folder(tmp_path / "raw", "Ada/1.cr2"),
        make_zip(tmp_path / "empty.zip"),
        make_zip(tmp_path / "system.zip", "__MACOSX/Ada/._1.jpg"),
        tmp_path / "damaged.zip",
        tmp_path / "nothing.zip",
    ]


@pytest.mark.parametrize("find", [find_photos, find_people])
def test_unusable_paths_are_reported_and_other_photos_found(
    tmp_path: Path, unusable: list[Path], find: type[Photos]
) -> None:
    good = make_zip(tmp_path / "good.zip", "Ada/1.jpg", "Bob/1.jpg")
    unusable = unusable[:4] if find is find_photos else unusable  # any other file counts as a photo
    photos = find([str(path) for path in (*unusable[:2], good, *unusable[2:])])
    assert [picture.path for picture in photos.pictures] == [
        f"{good}/{n}/1.jpg" for n in ("Ada", "Bob")
    ]
    assert [path for path, _ in photos.failures] == [str(path) for path in unusable]
    with pytest.raises(FaceHubError, match="Nor can any of the others be used"):
        find([str(path) for path in unusable])
    with pytest.raises(ArchiveError, match=r"1 other files, Ada/1\.cr2 say"):
        find([str(unusable[1])])


@pytest.mark.parametrize("command", ["enrol", "embed", "identify", "cluster"])
def test_exit_code_6_means_that_photos_failed_or_were_ignored(
    run: Run, tmp_path: Path, photos: Path, unusable: list[Path], command: str
) -> None:
    people = tmp_path / "people"
    (people / "Grace").mkdir(parents=True)
    shutil.copy(photos / "hopper.jpg", people / "Grace")
    gallery, output = tmp_path / "people.db", tmp_path / "out.csv"
    options: list[object] = {"enrol": [gallery], "identify": [gallery]}.get(command, ["-o", output])
    if command == "identify":
        assert run("enrol", gallery, people)[0] == 0
    code, stdout, stderr = run(command, *options, people, unusable[0], "--json")
    assert code == 6
    answer = json.loads(stdout)
    assert [failed["photo"] for failed in answer["failed"]] == [str(unusable[0])]
    assert answer["ignored"] == []
    assert stderr.startswith(f"error: {unusable[0]}: ")

    (people / "Grace" / "1.CR2").write_bytes(b"of a camera")
    code, stdout, _ = run(command, *options, people, "--json")
    assert code == 6
    ignored = [{"photo": str(people / "Grace" / "1.CR2"), "reason": NO_PICTURE}]
    assert json.loads(stdout)["ignored"] == ignored
    code, _, stderr = run(command, *options, people)
    assert code == 6
    assert f"ignored: {people / 'Grace' / '1.CR2'}: {NO_PICTURE}\n" in stderr

    (people / "Grace" / "1.CR2").rename(people / "Grace" / "notes.txt")
    (people / "Grace" / "Thumbs.db").touch()
    code, stdout, _ = run(command, *options, people, "--json")
    assert code == 0
    assert [entry["reason"] for entry in json.loads(stdout)["ignored"]] == [HIDDEN, NO_PICTURE]


def test_people_of_folders_and_zips_are_named_alike(tmp_path: Path) -> None:
    names = ["Ada/1.jpg", "Ada/2019/2.jpg", "Bob!/1.jpg", ".git/3.jpg", "4.jpg", "Cy/5.psd"]
    folder = make_folder(tmp_path / "people", *names)
    (folder / "Dan").mkdir()
    archive = make_zip(tmp_path / "people.zip", *(f"people/{name}" for name in (*names, "Dan/")))
    for path, root in ((folder, folder), (archive, archive / "people")):
        found = find_people([str(path)])
        assert found.names == ["Ada", "Ada", "Bob!"]
        missed = {entry for entry, reason in found.ignored if reason in (EMPTY_PERSON, LOOSE)}
        assert missed == {f"{root / 'Cy'}/", f"{root / 'Dan'}/", str(root / "4.jpg")}
        assert found.incomplete


def test_linked_person_folder_is_read_and_link_to_a_parent_ignored(tmp_path: Path) -> None:
    make_folder(tmp_path / "photos of Ada", "1.jpg")
    folder = make_folder(tmp_path / "people", "Bob/1.jpg")
    (folder / "Ada").symlink_to(tmp_path / "photos of Ada")
    (folder / "Bob" / "all").symlink_to(folder)
    found = find_people([str(folder)])
    assert found.names == ["Ada", "Bob"]
    assert [path for path, _ in found.ignored] == [f"{folder / 'Bob' / 'all'}/"]


@pytest.mark.parametrize("kind", ["folder", "folder in a folder", "zip"])
def test_name_for_a_folder_of_several_people_is_refused(tmp_path: Path, kind: str) -> None:
    path = {
        "folder": lambda: make_folder(tmp_path / "x", "Ada/1.jpg", "Bob/1.jpg"),
        "folder in a folder": lambda: make_folder(tmp_path / "x", "1.jpg", "others/2.jpg"),
        "zip": lambda: make_zip(tmp_path / "x.zip", "Ada/1.jpg", "Bob/1.jpg"),
    }[kind]()
    with pytest.raises(FaceHubError, match=r"x(\.zip)? has photos in sub-folders \((Ada|others)"):
        find_photos([str(path)], "Ada")
    assert find_photos([str(path)]).pictures


def test_name_applies_to_all_photos_of_a_folder_and_a_zip(tmp_path: Path) -> None:
    """Neither a sub-folder without pictures nor the top folder of a zip counts as a person."""
    folder = make_folder(tmp_path / "x", "1.jpg", "notes/notes.txt")
    archive = make_zip(tmp_path / "x.zip", "ada/1.jpg", "ada/2.jpg", "__MACOSX/ada/._1.jpg")
    assert find_photos([str(folder), str(archive)], "Ada").names == ["Ada"] * 3


def test_refused_name_creates_no_gallery(run: Run, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "x", "Ada/1.jpg", "Bob/1.jpg")
    code, _, stderr = run("enrol", tmp_path / "people.db", "--name", "Ada", folder)
    assert code == 5
    assert "leave --name out" in stderr
    assert not (tmp_path / "people.db").exists()


def test_ignored_files_that_may_be_photos_are_listed_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    photos = Photos()
    for number in range(30):
        photos.leave_out(f".{number}.jpg", HIDDEN)
    photos.leave_out("1.cr2", NO_PICTURE)
    photos.report_ignored(argparse.Namespace(json=False))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"ignored: 1.cr2: {NO_PICTURE}"
    assert len(lines) == 21
    assert lines[-1] == f"ignored: 11 more: {HIDDEN}; --json lists all"


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["embed"], "folder.npz"),
        (["cluster"], "folder.csv"),
        (["identify", "people.db"], "folder.csv"),
    ],
    ids=" ".join,
)
def test_output_that_cannot_be_written_is_refused_before_any_work(
    run: Run,
    tmp_path: Path,
    photos: Path,
    arguments: list[str],
    output: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(facehub.FaceRecognizer, "from_pretrained", None)
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "folder.csv").mkdir()
    code, stdout, stderr = run(*arguments, photos / "hopper.jpg", "-o", tmp_path / output)
    assert (code, stdout) == (5, "")
    assert stderr.startswith(f"error: {tmp_path / output} ")


@pytest.mark.parametrize("target", ["people.csv", "people"])
def test_copy_to_an_unknown_kind_of_gallery_is_refused_before_any_work(
    run: Run, tmp_path: Path, target: str
) -> None:
    """The command checks the target before the source, which does not exist."""
    code, _, stderr = run("gallery", "copy", tmp_path / "nothing.db", tmp_path / target)
    assert code == 5
    assert f"{target} is not a gallery address" in stderr
