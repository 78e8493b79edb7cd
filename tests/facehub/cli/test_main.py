"""The command line: output for people and programs, exit codes, and errors in one line."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import facehub
from facehub.cli.main import main
from facehub.gallery.sqlite_connection import PAGE
from facehub.gallery.sqlite_schema import FORMAT
from facehub.model.store import MODEL_VARIABLE, read_spec
from tests.facehub.cli.conftest import Run
from tests.postgres_server import PostgresServer


@pytest.fixture
def gallery(tmp_path: Path, enrolled: Path) -> Path:
    """A gallery file with Eileen and Grace, for a test to change."""
    return shutil.copy(enrolled, tmp_path / "people.db")


@pytest.fixture
def damaged_weights(tmp_path: Path, other_weights: Path) -> Path:
    folder = shutil.copytree(other_weights, tmp_path / "damaged")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    return folder


def is_one_error_line(stderr: str) -> bool:
    return stderr.startswith("error: ") and stderr.count("\n") == 1 and stderr.endswith(".\n")


# --- verify ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "options", "code", "line"),
    [
        ("astronaut.png", "astronaut.png", [], 0, "same person"),
        ("astronaut.png", "hopper.jpg", [], 1, "different people"),
        ("astronaut.png", "hopper.jpg", ["--threshold", "-1"], 0, "same person"),
        ("both.png", "hopper.jpg", ["--faces", "largest"], 0, "same person"),
        ("both.png", "astronaut.png", ["--faces", "best_pair"], 0, "same person"),
        ("both.png", "hopper.jpg", [], 4, "cannot tell: In the first picture: 2 faces"),
        ("hopper.jpg", "nobody.webp", [], 4, "cannot tell: In the second picture: No face"),
    ],
)
def test_verify_prints_the_decision_and_exits_with_its_code(
    run: Run,
    photos: Path,
    first: str,
    second: str,
    options: list[str],
    code: int,
    line: str,
) -> None:
    found, stdout, _ = run("verify", photos / first, photos / second, *options)
    assert found == code
    assert stdout.startswith(line)
    assert ("similarity" in stdout) == (found != 4)


def test_verify_just_below_the_threshold_is_uncertain(run: Run, photos: Path) -> None:
    """The threshold is just above the similarity of the two."""
    pair = photos / "astronaut.png", photos / "hopper.jpg"
    similarity = json.loads(run("verify", *pair, "--json")[1])["similarity"]
    code, stdout, _ = run("verify", *pair, "--threshold", similarity + 0.01)
    assert code == 3
    assert stdout.startswith("uncertain\n")


def test_verify_json_holds_the_reason_and_the_faces(
    run: Run, photos: Path, recognizer: facehub.FaceRecognizer
) -> None:
    code, stdout, stderr = run("verify", photos / "astronaut.png", photos / "both.png", "--json")
    result = json.loads(stdout)
    assert code == 4
    assert stderr == ""
    assert result["decision"] == "cannot_tell"
    assert result["similarity"] is None
    assert result["threshold"] == recognizer.spec.threshold
    assert "2 faces" in result["reason"]
    assert result["first"]["inter_eye"] == pytest.approx(42.6, abs=1.5)
    assert result["first"]["issues"] == []
    assert result["second"] is None


def test_verify_warns_of_a_dark_face(
    run: Run, tmp_path: Path, photos: Path, astronaut: np.ndarray
) -> None:
    dark = tmp_path / "dark.png"
    Image.fromarray((astronaut * 0.2).astype(np.uint8)).save(dark)
    _, stdout, stderr = run("verify", photos / "astronaut.png", dark)
    assert stderr == f"warning: {dark}: The face is very dark; use a brighter picture.\n"
    assert "warning" not in stdout


# --- enrol ----------------------------------------------------------------------------------------


def test_enrol_adds_templates_and_prints_counts(
    run: Run, tmp_path: Path, photos: Path, recognizer: facehub.FaceRecognizer
) -> None:
    path = tmp_path / "people.db"
    code, stdout, _ = run("enrol", path, photos / "astronaut.png", "--name", "Eileen")
    assert code == 0
    assert stdout == f"1 of 1 photo enrolled; {path} holds 1 person, 1 template\n"
    code, stdout, _ = run("enrol", path, photos / "hopper.jpg", "--name", "Eileen", "--json")
    assert code == 0
    assert json.loads(stdout)["templates"] == 2
    with recognizer.open_gallery(path, new=False) as people:
        assert [e.source for e in people.examples("Eileen")] == ["astronaut.png", "hopper.jpg"]


def test_enrol_names_people_by_sub_folder(run: Run, tmp_path: Path, photos: Path) -> None:
    """One sub-folder per person; enrol ignores other files and hidden folders."""
    for name, photo in (("Grace", "hopper.jpg"), ("Eileen", "astronaut.png"), (".git", "both.png")):
        (tmp_path / "people" / name).mkdir(parents=True)
        shutil.copy(photos / photo, tmp_path / "people" / name)
    (tmp_path / "people" / "notes.txt").touch()
    code, stdout, _ = run("enrol", tmp_path / "gallery.db", tmp_path / "people", "--json")
    assert code == 0
    assert [face["name"] for face in json.loads(stdout)["enrolled"]] == ["Eileen", "Grace"]


def test_enrol_continues_after_a_bad_photo(run: Run, tmp_path: Path, photos: Path) -> None:
    """Two of the folder's five pictures show exactly one face."""
    code, stdout, stderr = run("enrol", tmp_path / "people.db", photos, "--name", "Ann")
    assert code == 6
    assert stdout.startswith("2 of 5 photos enrolled")
    assert stderr.count("error: ") == 3
    for name in ("both.png", "nobody.webp", "text.jpg"):
        assert f"error: {photos / name}: " in stderr


def test_enrol_with_largest_accepts_several_faces(run: Run, tmp_path: Path, photos: Path) -> None:
    arguments = "enrol", tmp_path / "people.db", photos / "both.png", "--name", "Grace"
    assert run(*arguments)[0] == 5
    assert run(*arguments, "--largest")[0] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not a folder or zip; use --name"),
        ([], "has no sub-folder per person"),
        (["Ann"], "holds no supported picture"),
    ],
    ids=["photo", "empty folder", "empty sub-folder"],
)
def test_enrol_without_name_needs_a_sub_folder_per_person(
    run: Run, tmp_path: Path, photos: Path, content: list[str] | None, message: str
) -> None:
    folder = photos / "hopper.jpg"
    if content is not None:
        folder = tmp_path / "folder"
        folder.mkdir()
        for name in content:
            (folder / name).mkdir()
    code, stdout, stderr = run("enrol", tmp_path / "people.db", folder)
    assert (code, stdout) == (5, "")
    assert is_one_error_line(stderr)
    assert message in stderr


def test_enrol_again_adds_nothing(run: Run, gallery: Path, photos: Path) -> None:
    before = gallery.read_bytes()
    code, stdout, _ = run("enrol", gallery, photos / "hopper.jpg", "--name", "Grace")
    assert code == 0
    assert stdout.startswith("0 of 1 photo enrolled (1 were there);")
    assert gallery.read_bytes() == before


def test_enrol_refuses_an_empty_name(run: Run, tmp_path: Path, photos: Path) -> None:
    """An unset variable in a script gives one; it does not count as a missing `--name`."""
    code, _, stderr = run("enrol", tmp_path / "people.db", photos / "hopper.jpg", "--name", "")
    assert code == 5
    assert "A person needs a name." in stderr


def test_enrol_keeps_people_whom_another_command_enrolled_meanwhile(
    run: Run, gallery: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = facehub.FaceRecognizer.faces_many

    def slow(self: facehub.FaceRecognizer, *args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(facehub.FaceRecognizer, "faces_many", real)
        run("enrol", gallery, photos / "hopper.jpg", "--name", "Other")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(facehub.FaceRecognizer, "faces_many", slow)
    run("enrol", gallery, photos / "astronaut.png", "--name", "Slow")
    people = json.loads(run("gallery", "list", gallery, "--json")[1])["people"]
    assert [person["name"] for person in people] == ["Eileen", "Grace", "Other", "Slow"]


@pytest.mark.parametrize("command", ["enrol", "embed"])
def test_missing_output_folder_is_refused_before_any_work(
    run: Run, tmp_path: Path, photos: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facehub.FaceRecognizer, "from_pretrained", None)
    target = tmp_path / "nothing" / "file.npz"
    options = {"enrol": [target, "--name", "Ann"], "embed": ["-o", target]}[command]
    code, stdout, stderr = run(command, *options, photos / "hopper.jpg")
    assert (code, stdout) == (5, "")
    assert is_one_error_line(stderr)
    assert f"there is no folder {target.parent}" in stderr


# --- identify -------------------------------------------------------------------------------------


def test_identify_prints_names_candidates_and_odds(
    run: Run, gallery: Path, photos: Path, recognizer: facehub.FaceRecognizer
) -> None:
    code, stdout, _ = run("identify", gallery, photos / "both.png")
    assert code == 0
    head, left, odds, right, _, threshold = stdout.splitlines()
    assert head == f"{photos / 'both.png'}:"
    assert left.startswith("  face 1: Eileen  (Eileen 0.")
    assert re.fullmatch(
        r"    at most about 1 in [\d,]+ strangers reaches 0\.\d{3} with somebody in this gallery"
        r"( \(beyond what was measured\))?",
        odds,
    )
    assert right.startswith("  face 2: Grace  (Grace 0.9")
    assert threshold == f"threshold {recognizer.spec.threshold:.3f}"


def test_identify_json_holds_names_issues_and_candidates(
    run: Run, gallery: Path, photos: Path
) -> None:
    photo = photos / "both.png"
    code, stdout, _ = run("identify", gallery, photo, "--top", 1, "--json")
    assert code == 0
    (found,) = json.loads(stdout)["photos"]
    assert found["photo"] == str(photo)
    assert [face["name"] for face in found["faces"]] == ["Eileen", "Grace"]
    grace = found["faces"][1]
    assert grace["issues"] == ["several_faces"]
    (candidate,) = grace["candidates"]
    assert candidate.pop("similarity") == grace["similarity"] > 0.9
    assert 0 < candidate.pop("fpir") < 1e-5  # with two templates
    assert isinstance(candidate.pop("extrapolated"), bool)
    assert candidate == {"name": "Grace", "example": 0, "source": "hopper.jpg"}


def test_identify_of_a_stranger_exits_with_1(run: Run, tmp_path: Path, photos: Path) -> None:
    run("enrol", tmp_path / "people.db", photos / "astronaut.png", "--name", "Eileen")
    code, stdout, _ = run("identify", tmp_path / "people.db", photos / "hopper.jpg")
    assert code == 1
    assert re.search(r"face 1: unknown  \(Eileen 0\.\d{3}\)\n", stdout)
    code, stdout, _ = run(
        "identify", tmp_path / "people.db", photos / "hopper.jpg", "--threshold", 0.1
    )
    assert code == 0
    assert "face 1: Eileen" in stdout


def test_identify_of_one_known_face_of_two_exits_with_0(
    run: Run, gallery: Path, photos: Path
) -> None:
    run("gallery", "remove", gallery, "Eileen")
    code, stdout, _ = run("identify", gallery, photos / "both.png")
    assert code == 0
    assert "face 1: unknown" in stdout
    assert "face 2: Grace" in stdout


def test_identify_without_a_face_exits_with_4(run: Run, gallery: Path, photos: Path) -> None:
    code, stdout, _ = run("identify", gallery, photos / "nobody.webp")
    assert code == 4
    assert stdout == f"{photos / 'nobody.webp'}: no face\n"


def test_identify_continues_after_a_bad_photo(run: Run, gallery: Path, photos: Path) -> None:
    code, stdout, stderr = run("identify", gallery, photos, "--json")
    result = json.loads(stdout)
    assert code == 6
    assert len(result["photos"]) == 4
    (failed,) = result["failed"]
    assert failed["photo"] == str(photos / "text.jpg")
    assert failed["error"] == "ImageFormatError"
    assert stderr.startswith(f"error: {photos / 'text.jpg'}: ")


# --- gallery --------------------------------------------------------------------------------------


def test_gallery_list_prints_people_and_leaves_the_file_unchanged(run: Run, gallery: Path) -> None:
    before = gallery.read_bytes()
    assert run("gallery", "list", gallery) == (
        0,
        "Eileen: astronaut.png\nGrace: hopper.jpg\n2 people, 2 templates\n",
        "",
    )
    assert gallery.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "people"),
    [
        (["remove", "Eileen"], {"Grace": ["hopper.jpg"]}),
        (
            ["rename", "Eileen", "Colonel Collins"],
            {"Colonel Collins": ["astronaut.png"], "Grace": ["hopper.jpg"]},
        ),
        (["merge", "Eileen", "Grace"], {"Grace": ["hopper.jpg", "astronaut.png"]}),
    ],
)
def test_gallery_remove_rename_and_merge_change_the_people(
    run: Run, gallery: Path, options: list[str], people: dict[str, list[str]]
) -> None:
    code, stdout, _ = run("gallery", options[0], gallery, *options[1:], "--json")
    assert code == 0
    changed = [{"name": name, "sources": sources} for name, sources in people.items()]
    assert json.loads(stdout)["people"] == changed
    assert json.loads(run("gallery", "list", gallery, "--json")[1])["people"] == changed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["remove", "Nobody"], "no person named Nobody"),
        (["remove", ""], "no person named"),
        (["rename", "Nobody", "Somebody"], "no person named Nobody"),
        (["rename", "Eileen", "Grace"], "already a person named Grace"),
        (["rename", "Eileen", " "], "needs a name"),
        (["merge", "Eileen", "Nobody"], "no person named Nobody"),
        (["merge", "Nobody", "Grace"], "no person named Nobody"),
    ],
)
def test_invalid_gallery_change_leaves_the_file_unchanged(
    run: Run, gallery: Path, options: list[str], message: str
) -> None:
    before = gallery.read_bytes()
    code, stdout, stderr = run("gallery", options[0], gallery, *options[1:])
    assert (code, stdout) == (5, "")
    assert is_one_error_line(stderr)
    assert message in stderr
    assert gallery.read_bytes() == before


def test_commands_work_on_a_gallery_in_postgresql(
    run: Run, gallery: Path, photos: Path, postgres: PostgresServer, tmp_path: Path
) -> None:
    address = postgres.address("command")
    assert run("identify", address, photos / "both.png")[0] == 5  # there is none yet
    code, stdout, _ = run("gallery", "copy", gallery, address)
    assert code == 0
    assert "2 people, 2 templates; the 2 of" in stdout
    code, stdout, _ = run("identify", address, photos / "both.png")
    assert code == 0
    assert "Eileen" in stdout
    code, stdout, _ = run("enrol", address, "--name", "Grace", photos / "hopper.jpg")
    assert "1 were there" in stdout
    assert run("gallery", "remove", address, "Eileen")[0] == 0
    assert run("gallery", "purge", address)[0] == 0
    assert run("gallery", "list", address)[1] == "Grace: hopper.jpg\n1 person, 1 template\n"
    assert run("gallery", "copy", address, tmp_path / "back.safetensors")[0] == 0


def test_approximate_search_needs_an_index_and_warns_of_missed_people(
    run: Run, gallery: Path, photos: Path, postgres: PostgresServer, tmp_path: Path
) -> None:
    exact = postgres.address("approximate")
    address = postgres.address("approximate", search="hnsw", ef_search="40")
    run("gallery", "copy", gallery, exact)
    code, _, stderr = run("identify", address, photos / "both.png")
    assert code == 5
    assert is_one_error_line(stderr)
    assert "has no index" in stderr
    code, stdout, _ = run("gallery", "index", address)
    assert (code, stdout) == (
        0,
        f"{address} has an index, used where its address has &search=hnsw\n",
    )
    code, stdout, _ = run("identify", address, photos / "both.png")
    assert code == 0
    assert stdout.endswith("\napproximate search: people in the gallery may have been missed\n")
    code, stdout, _ = run("identify", address, photos / "both.png", "--json")
    assert json.loads(stdout)["exact"] is False
    code, stdout, _ = run("identify", address, photos / "both.png", "-o", tmp_path / "found.csv")
    assert "approximate search" in stdout
    code, stdout, _ = run("identify", exact, photos / "both.png")
    assert "approximate" not in stdout.replace(exact, "")
    code, stdout, _ = run("identify", exact, photos / "both.png", "--json")
    assert json.loads(stdout)["exact"] is True

    code, stdout, _ = run("gallery", "check", address, "--probes", 4)
    assert code == 0
    assert "2 people, 2 templates; approximate search\nrecall@1  100.00% (51.01% to " in stdout
    assert "4 probes: templates of the gallery with noise, at a similarity of 0.6" in stdout
    found = json.loads(run("gallery", "check", address, "--probes", 4, "--json")[1])
    assert (found["exact"], found["recall_at_5"]["value"], found["probes"]) == (False, 1, 4)
    assert found["time_ratio"] > 0
    code, stdout, _ = run("gallery", "check", exact)
    assert code == 0
    assert stdout.endswith("is sound: 2 people, 2 templates; 100 searches found what NumPy finds\n")

    assert json.loads(run("gallery", "index", exact, "--drop", "--json")[1]) == {"indexed": False}
    assert run("gallery", "index", exact, "--drop")[1] == f"{exact} no longer has an index\n"
    assert run("gallery", "check", address)[0] == 5


def test_gallery_check_reports_a_sound_gallery_and_a_fault(run: Run, gallery: Path) -> None:
    code, stdout, stderr = run("gallery", "check", gallery)
    sound = f"{gallery} is sound: 2 people, 2 templates; 100 searches found what NumPy finds\n"
    assert (code, stdout, stderr) == (0, sound, "")
    with contextlib.closing(sqlite3.connect(gallery)) as db:
        db.execute("UPDATE template SET digest = zeroblob(32) WHERE slot = 1")
        db.commit()
    fault = "A template of Grace is not the one that was enrolled: its digest differs."
    code, stdout, stderr = run("gallery", "check", gallery)
    assert (code, stdout, stderr) == (
        5,
        f"{gallery} has faults\n",
        f"error: {gallery}: {fault}\n",
    )
    code, stdout, _ = run("gallery", "check", gallery, "--json")
    assert code == 5
    assert json.loads(stdout) == {
        "exact": True,
        "people": 2,
        "templates": 2,
        "probes": 0,
        "faults": [fault],
    }


def test_gallery_index_refuses_galleries_outside_postgresql(
    run: Run, gallery: Path, tmp_path: Path
) -> None:
    file = tmp_path / "people.safetensors"
    run("gallery", "copy", gallery, file)
    for address in (gallery, file):
        code, _, stderr = run("gallery", "index", address)
        assert code == 5
        assert is_one_error_line(stderr)
        assert run("gallery", "check", address)[0] == 0


def test_gallery_copy_keeps_all_people_in_both_directions(
    run: Run, gallery: Path, tmp_path: Path
) -> None:
    """Copy into a file for others, and from that file into another gallery."""
    file, other = tmp_path / "handed on.safetensors", tmp_path / "other.db"
    code, stdout, _ = run("gallery", "copy", gallery, file)
    assert (code, stdout) == (
        0,
        f"{file} holds 2 people, 2 templates; the 2 of {gallery} are among them, bit for bit\n",
    )
    assert run("gallery", "copy", file, other)[0] == 0
    run("gallery", "rename", other, "Grace", "Admiral")
    code, stdout, _ = run("gallery", "copy", file, other, "--json")
    assert json.loads(stdout) == {"people": 3, "templates": 3, "compared": 2}
    assert run("gallery", "list", file)[1] == run("gallery", "list", gallery)[1]


def test_safetensors_gallery_can_be_searched_but_not_changed(
    run: Run, gallery: Path, tmp_path: Path, photos: Path
) -> None:
    file = tmp_path / "people.safetensors"
    run("gallery", "copy", gallery, file)
    assert run("identify", file, photos / "hopper.jpg")[0] == 0
    before = file.read_bytes()
    for arguments in (
        ["gallery", "remove", file, "Grace"],
        ["gallery", "purge", file],
        ["enrol", file, photos / "hopper.jpg", "--name", "Ann"],
    ):
        code, _, stderr = run(*arguments)
        assert code == 5
        assert is_one_error_line(stderr)
        assert "facehub gallery copy" in stderr
    assert file.read_bytes() == before


def test_gallery_purge_erases_removed_people_from_the_file(run: Run, gallery: Path) -> None:
    run("gallery", "remove", gallery, "Eileen")
    code, stdout, _ = run("gallery", "purge", gallery)
    assert (code, stdout) == (0, f"{gallery} keeps no trace of what was removed\n")
    assert b"Eileen" not in gallery.read_bytes()


@pytest.mark.parametrize("address", ["people", "people.json"])
def test_enrol_refuses_an_address_without_a_gallery_suffix(
    run: Run, tmp_path: Path, photos: Path, address: str
) -> None:
    code, _, stderr = run("enrol", tmp_path / address, photos / "hopper.jpg", "--name", "Ann")
    assert code == 5
    assert f"use a file name like {address}.db" in stderr


# --- embed and info -------------------------------------------------------------------------------


def test_embed_writes_names_boxes_and_embeddings(
    run: Run, tmp_path: Path, photos: Path, recognizer: facehub.FaceRecognizer
) -> None:
    output = tmp_path / "faces.npz"
    names = "astronaut.png", "both.png", "nobody.webp"
    code, stdout, _ = run("embed", *(photos / name for name in names), "-o", output)
    assert code == 0
    assert stdout.startswith("3 faces from 3 photos (1 without a face)")
    assert output.stat().st_mode & 0o077 == 0
    with np.load(output) as file:
        assert file["names"].tolist() == [
            str(photos / n) for n in ("astronaut.png", *["both.png"] * 2)
        ]
        assert file["boxes"].shape == (3, 4)
        assert str(file["fingerprint"]) == recognizer.fingerprint
        expected = recognizer.face(photos / "astronaut.png").embedding
        np.testing.assert_allclose(file["embeddings"][0], expected, atol=1e-5)


def test_embed_without_a_face_writes_an_empty_file(run: Run, tmp_path: Path, photos: Path) -> None:
    output = tmp_path / "faces.npz"
    code, stdout, _ = run("embed", photos / "nobody.webp", "-o", output, "--json")
    assert code == 0
    assert json.loads(stdout)["faces"] == 0
    with np.load(output) as file:
        assert file["embeddings"].shape == (0, 512)


def test_embed_refuses_a_missing_folder(run: Run, tmp_path: Path, photos: Path) -> None:
    output = tmp_path / "nothing" / "faces.npz"
    code, _, stderr = run("embed", photos / "hopper.jpg", "-o", output)
    assert code == 5
    assert is_one_error_line(stderr)
    assert "cannot be written" in stderr


def test_embed_without_a_usable_photo_keeps_the_old_file(
    run: Run, tmp_path: Path, photos: Path
) -> None:
    output = tmp_path / "faces.npz"
    output.write_bytes(b"old")
    assert run("embed", photos / "text.jpg", "-o", output)[0] == 5
    assert output.read_bytes() == b"old"


def test_info_prints_the_facts_of_the_weights(run: Run, recognizer: facehub.FaceRecognizer) -> None:
    code, stdout, _ = run("info", "--json")
    facts = json.loads(stdout)
    assert code == 0
    assert facts["facehub"] == facehub.__version__
    assert facts["fingerprint"] == recognizer.fingerprint
    config = recognizer.spec
    assert facts["threshold"] == config.threshold
    assert facts["uncertain_from"] == pytest.approx(config.threshold - config.uncertain_margin)
    assert (facts["crop_width"], facts["crop_height"]) == (96, 112)
    assert facts["precision"] in recognizer.embedder.description
    code, stdout, _ = run("info")
    assert code == 0
    assert len(stdout.splitlines()) == len(facts)


def test_weights_come_from_the_option_or_the_variable(
    run: Run, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_spec(other_weights).fingerprint
    assert (
        json.loads(run("info", "--json", "--weights", other_weights)[1])["fingerprint"] == expected
    )
    monkeypatch.setenv(MODEL_VARIABLE, str(other_weights))
    assert json.loads(run("info", "--json")[1])["fingerprint"] == expected


# --- errors ---------------------------------------------------------------------------------------


def test_help_lists_commands_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    stdout = capsys.readouterr().out
    for word in (
        "verify",
        "enrol",
        "identify",
        "gallery",
        "embed",
        "cluster",
        "info",
        "exit codes:",
    ):
        assert word in stdout


def commands(folder: Path, photo: Path) -> dict[str, list[object]]:
    """Every command, on a gallery in the folder."""
    gallery = folder / "people.db"
    return {
        "verify": ["verify", photo, photo],
        "enrol": ["enrol", gallery, photo, "--name", "Ann"],
        "identify": ["identify", gallery, photo],
        "gallery": ["gallery", "remove", gallery, "Eileen"],
        "embed": ["embed", photo, "-o", folder / "faces.npz"],
        "info": ["info"],
    }


@pytest.mark.parametrize("command", ["verify", "enrol", "identify", "gallery", "embed", "info"])
@pytest.mark.parametrize("kind", ["damaged", "missing"])
def test_damaged_or_missing_weights_are_refused_and_change_nothing(
    run: Run, gallery: Path, photos: Path, damaged_weights: Path, command: str, kind: str
) -> None:
    before = gallery.read_bytes()
    weights = damaged_weights if kind == "damaged" else damaged_weights / "nothing"
    arguments = commands(gallery.parent, photos / "hopper.jpg")[command]
    code, stdout, stderr = run(*arguments, "--weights", weights)
    assert (code, stdout) == (5, "")
    assert is_one_error_line(stderr)
    assert gallery.read_bytes() == before
    assert not (gallery.parent / "faces.npz").exists()


@pytest.mark.parametrize("command", ["enrol", "identify", "gallery"])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("of other weights", "was made with other weights"),
        ("damaged", "is damaged or not a facehub gallery"),
        ("a text", "is damaged or not a facehub gallery"),
    ],
)
def test_unusable_gallery_is_refused_and_left_unchanged(
    run: Run,
    gallery: Path,
    photos: Path,
    other_weights: Path,
    command: str,
    kind: str,
    message: str,
) -> None:
    arguments = commands(gallery.parent, photos / "hopper.jpg")[command]
    if kind == "of other weights":
        arguments = [*arguments, "--weights", other_weights]
    elif kind == "damaged":
        gallery.write_bytes(gallery.read_bytes()[: 2 * PAGE])
    else:
        gallery.write_text(f"I am a {FORMAT}, honestly.")
    before = gallery.read_bytes()
    code, stdout, stderr = run(*arguments)
    assert (code, stdout) == (5, "")
    assert is_one_error_line(stderr)
    assert message in stderr
    assert gallery.read_bytes() == before


@pytest.mark.parametrize("command", ["verify", "enrol", "identify", "embed"])
@pytest.mark.parametrize("photo", ["text.jpg", "nothing.jpg"])
def test_bad_photo_is_refused_and_leaves_the_gallery_unchanged(
    run: Run, gallery: Path, photos: Path, command: str, photo: str
) -> None:
    before = gallery.read_bytes()
    code, _, stderr = run(*commands(gallery.parent, photos / photo)[command])
    assert code == 5
    assert is_one_error_line(stderr)
    assert gallery.read_bytes() == before


@pytest.mark.parametrize("command", ["identify", "gallery"])
def test_missing_gallery_is_refused_and_not_created(
    run: Run, tmp_path: Path, photos: Path, command: str
) -> None:
    code, _, stderr = run(*commands(tmp_path, photos / "hopper.jpg")[command])
    assert code == 5
    assert "There is no gallery" in stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode elsewhere")
def test_photo_with_a_name_that_is_not_utf8_can_be_used(
    run: Run, tmp_path: Path, photos: Path
) -> None:
    photo = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg"))
    shutil.copy(photos / "hopper.jpg", photo)
    gallery = tmp_path / "people.db"
    assert run("enrol", gallery, photo, "--name", "Grace")[0] == 0
    code, stdout, _ = run("identify", gallery, photo)
    assert code == 0
    assert "caf\\udce9.jpg:" in stdout
    code, stdout, _ = run("identify", gallery, photo, "--json")
    assert json.loads(stdout)["photos"][0]["photo"] == str(photo)
    assert run("gallery", "list", gallery)[1].startswith("Grace: caf\ufffd.jpg\n")


def test_interrupted_command_exits_with_130(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(facehub.FaceRecognizer, "from_pretrained", interrupt)
    photo = photos / "hopper.jpg"
    assert run("verify", photo, photo) == (130, "", "interrupted\n")


# --- as a process ---------------------------------------------------------------------------------


def process(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "facehub", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.models
def test_process_prints_only_the_answer(photos: Path) -> None:
    """The log of the native libraries is not shown."""
    done = process("verify", photos / "astronaut.png", photos / "astronaut.png")
    assert done.returncode == 0
    assert done.stdout.startswith("same person\n")
    assert done.stderr == ""


@pytest.mark.models
def test_process_prints_an_error_in_one_line(photos: Path) -> None:
    done = process("verify", photos / "astronaut.png", photos / "text.jpg")
    assert (done.returncode, done.stdout) == (5, "")
    assert is_one_error_line(done.stderr)


def test_error_is_one_line_without_escapes(run: Run, tmp_path: Path) -> None:
    code, _, stderr = run("gallery", "list", tmp_path / "a\n\x1b[31mb.db")
    assert code == 5
    assert is_one_error_line(stderr)
    assert "\x1b" not in stderr


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_json_keeps_names_in_any_output_encoding(
    tmp_path: Path, enrolled: Path, encoding: str
) -> None:
    gallery = shutil.copy(enrolled, tmp_path / "people.db")
    main(["gallery", "rename", str(gallery), "Grace", "Zo\xeb \U0001f642"])
    result = subprocess.run(
        [sys.executable, "-m", "facehub", "gallery", "list", str(gallery), "--json"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    people = json.loads(result.stdout)["people"]
    assert [person["name"] for person in people] == ["Eileen", "Zo\xeb \U0001f642"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_full_output_device_is_an_error(enrolled: Path) -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "facehub", "gallery", "list", str(enrolled)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (result.returncode, result.stderr) == (5, "error: No space left on device\n")


def test_closed_output_pipe_ends_the_command_silently(enrolled: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-m", "facehub", "gallery", "list", str(enrolled)],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (5, "")


# --- mistyped and out of range --------------------------------------------------------------------


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the command runs; it holds only `runs/first`."""
    (tmp_path / "runs" / "first").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("verify PHOTO PHOTO --weights runs/frist", "There is no folder runs/frist."),
        ("info --weights runs/frist", "There is no folder runs/frist."),
        ("identify x.db PHOTO --weights runs/frist", "There is no folder runs/frist."),
        ("embed PHOTO -o x.npz --weights runs/frist", "There is no folder runs/frist."),
        ("cluster PHOTO -o x.json --weights runs/frist", "There is no folder runs/frist."),
        ("enrol x.db PHOTO --name A --weights runs/frist", "There is no folder runs/frist."),
        ("gallery list x.db --weights runs/frist", "There is no folder runs/frist."),
        ("serve --weights runs/frist", "There is no folder runs/frist."),
        ("info --weights wieghts", "There is no folder wieghts"),
        ("verify x.jpg PHOTO", "There is no file x.jpg"),
        ("identify x.db PHOTO", "There is no gallery x.db"),
        ("identify no/x.safetensors PHOTO", "There is no gallery file no/x.safetensors"),
        ("gallery rename x.db A B", "There is no gallery x.db"),
        ("gallery copy x.db y.db", "There is no gallery x.db"),
        ("enrol no/x.db PHOTO --name A", "there is no folder no"),
        ("enrol x.db people", "There is no folder or zip people"),
        ("embed PHOTO -o no/x.csv", "there is no folder no"),
        ("cluster PHOTO -o no/x.json", "there is no folder no"),
        ("keys no.json", "no.json cannot be read"),
        ("model add no.onnx -o net", "There is no file no.onnx"),
    ],
)
def test_mistyped_path_is_named_before_any_work(
    run: Run, working_folder: Path, photos: Path, arguments: str, message: str
) -> None:
    words = [photos / "hopper.jpg" if w == "PHOTO" else w for w in arguments.split()]
    code, stdout, stderr = run(*words)
    assert (code, stdout) == (5, "")
    assert is_one_error_line(stderr)
    assert message in stderr
    assert sorted(path.name for path in working_folder.iterdir()) == ["runs"]  # nothing was created


def test_mistyped_weights_in_the_variable_are_named(
    run: Run, working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, "runs/frist")
    code, _, stderr = run("info")
    assert code == 5
    assert "There is no folder runs/frist." in stderr


def test_given_threshold_replaces_the_calibrated_one(run: Run, gallery: Path, photos: Path) -> None:
    code, stdout, _ = run("gallery", "remove", gallery, "Eileen", "--json")
    code, stdout, _ = run(
        "identify", gallery, photos / "astronaut.png", "--threshold", "-1", "--json"
    )
    found = json.loads(stdout)
    assert (code, found["threshold"]) == (0, -1)
    assert found["photos"][0]["faces"][0]["name"] == "Grace"


# --- quality issues that are refused --------------------------------------------------------------


def test_reject_refuses_faces_with_the_given_issues(
    run: Run, tmp_path: Path, photos: Path, astronaut: np.ndarray
) -> None:
    dark, people = tmp_path / "dark.png", tmp_path / "people.db"
    Image.fromarray((astronaut * 0.2).astype(np.uint8)).save(dark)
    refused = "--reject", "too_dark", "covered_mouth"
    code, _, stderr = run("verify", dark, photos / "astronaut.png", *refused)
    assert code == 5
    assert stderr == "error: The face is very dark; use a brighter picture.\n"
    code, stdout, stderr = run(
        "enrol", people, dark, photos / "astronaut.png", "--name", "Eileen", *refused
    )
    assert code == 6
    assert stdout.startswith("1 of 2 photos enrolled")
    assert stderr == f"error: {dark}: The face is very dark; use a brighter picture.\n"
    assert run("verify", dark, photos / "astronaut.png", "--reject", "blurred")[0] == 0


def test_identify_warns_of_a_dark_face(
    run: Run, tmp_path: Path, gallery: Path, astronaut: np.ndarray
) -> None:
    dark = tmp_path / "dark.png"
    Image.fromarray((astronaut * 0.2).astype(np.uint8)).save(dark)
    _, _, stderr = run("identify", gallery, dark)
    assert stderr == f"warning: {dark}, face 1: The face is very dark; use a brighter picture.\n"
