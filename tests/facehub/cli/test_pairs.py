"""Many pairs from a CSV file: headers, paths, bad rows, and photos that are read once."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from facehub.cli import pairs as module
from facehub.cli.pairs import read_pairs
from facehub.errors import FaceHubError
from facehub.io.images import read_file
from tests.facehub.cli.conftest import Run

ROWS = "astronaut.png,astronaut.png\nastronaut.png,hopper.jpg\n"


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    """A folder with the photos, which is not the current folder."""
    return shutil.copytree(photos, tmp_path / "photos")


def write(folder: Path, text: str) -> Path:
    path = folder / "pairs.csv"
    path.write_bytes(text.encode())
    return path


def read(folder: Path, text: str) -> list[tuple[int, str, str]]:
    found = read_pairs(str(write(folder, text)))
    assert not found.failures
    return [(pair.row, Path(pair.first).name, Path(pair.second).name) for pair in found.pairs]


EXPECTED = [(2, "a.jpg", "b.jpg"), (3, "c.jpg", "d.jpg")]


@pytest.mark.parametrize(
    "text",
    [
        "first,second\na.jpg,b.jpg\nc.jpg,d.jpg\n",
        "Second,label,First\nb.jpg,0,a.jpg\nd.jpg,1,c.jpg",
        "photo A,photo B,note\r\na.jpg,b.jpg,same\r\nc.jpg,d.jpg,\r\n",
        "\ufefffirst;second\na.jpg;b.jpg\nc.jpg;d.jpg\n",
        "first\tsecond\n a.jpg\tb.jpg \nc.jpg\td.jpg\n\n",
        '\n"a.jpg","b.jpg"\nc.jpg,d.jpg\n',
    ],
    ids=["names", "other order", "other names", "semicolons", "tabs", "no header"],
)
def test_pairs_are_read_with_and_without_a_header(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == EXPECTED


def test_first_row_of_files_is_not_a_header(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    assert read(tmp_path, "one,two\n") == [(1, "one", "two")]
    assert read(tmp_path, "s3://bucket/one,two\n") == [(1, "one", "two")]
    assert read(tmp_path, "nothing.jpg,two\n") == [(1, "nothing.jpg", "two")]


def test_relative_paths_start_at_the_folder_of_the_pairs_file(tmp_path: Path) -> None:
    path = write(tmp_path, "sub/a.jpg,/b.jpg\ns3://bucket/a.jpg,b.jpg\n")
    (first, second) = read_pairs(str(path)).pairs
    assert (first.first, first.second) == (str(tmp_path / "sub" / "a.jpg"), "/b.jpg")
    assert second.first == "s3://bucket/a.jpg"


def test_rows_without_two_photos_are_failures(tmp_path: Path) -> None:
    found = read_pairs(
        str(write(tmp_path, "a.jpg,b.jpg\na.jpg\n,b.jpg\n" + "x" * 200_000 + ",y\n"))
    )
    assert [pair.row for pair in found.pairs] == [1]
    assert [row for row, _ in found.failures] == [2, 3, 4]
    assert "does not name two photos: a.jpg." in str(found.failures[0][1])
    assert "field larger than" in str(found.failures[2][1])


def test_empty_missing_or_oversized_pairs_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("", "\n\n", "first,second\n"):
        with pytest.raises(FaceHubError, match="holds no pair of photos"):
            read_pairs(str(write(tmp_path, text)))
    with pytest.raises(FaceHubError, match="cannot be read: No such file"):
        read_pairs(str(tmp_path / "none.csv"))
    monkeypatch.setattr(module, "_MAX_BYTES", 2**20)
    with pytest.raises(FaceHubError, match="larger than 1 MB"):
        read_pairs(str(write(tmp_path, "a" * (2**20 + 1))))


def test_verify_pairs_prints_a_line_for_each_pair(run: Run, folder: Path) -> None:
    code, stdout, stderr = run("verify", "--pairs", write(folder, ROWS))
    assert (code, stderr) == (0, "")
    same, different = stdout.splitlines()
    astronaut = folder / "astronaut.png"
    assert same == f"{astronaut}, {astronaut}: same person, similarity 1.000"
    assert different.startswith(f"{astronaut}, {folder / 'hopper.jpg'}: different people, simil")


def test_verify_pairs_prints_which_faces_are_compared(run: Run, folder: Path) -> None:
    path = write(folder, "both.png,hopper.jpg\n")
    code, stdout, _ = run("verify", "--pairs", path, "--faces", "best_pair")
    assert code == 0
    assert f"{folder / 'both.png'} (face 2), {folder / 'hopper.jpg'}: same person" in stdout
    stdout = run("verify", "--pairs", path)[1]
    assert stdout.endswith(
        ": cannot tell, In the first picture: 2 faces were found, but exactly "
        "one was expected. Crop the picture so that it shows one.\n"
    )


def test_verify_pairs_json_holds_pairs_and_failures(run: Run, folder: Path) -> None:
    code, stdout, stderr = run(
        "verify", "--pairs", write(folder, "one,two\n" + ROWS + "text.jpg,hopper.jpg\n"), "--json"
    )
    answer = json.loads(stdout)
    assert code == 6
    assert answer["header"] == ["one", "two"]
    assert [pair["row"] for pair in answer["pairs"]] == [2, 3]
    assert [pair["decision"] for pair in answer["pairs"]] == ["same", "different"]
    assert answer["pairs"][1]["photos"] == [
        str(folder / name) for name in ("astronaut.png", "hopper.jpg")
    ]
    assert answer["pairs"][1]["second"]["index"] == 0
    (failed,) = answer["failed"]
    assert (failed["row"], failed["error"]) == (4, "ImageFormatError")
    assert len([line for line in stdout.splitlines() if '"row"' in line]) == 3  # one a line
    assert "left out" in stderr


def test_bad_rows_are_reported_and_the_other_rows_compared(run: Run, folder: Path) -> None:
    text = "photo,other\nastronaut.png\nno.jpg,hopper.jpg\n" + ROWS + "text.jpg,no.jpg\n"
    path = write(folder, text)
    code, stdout, stderr = run("verify", "--pairs", path)
    assert code == 6
    assert stdout.count("\n") == 2
    header, *errors, count = stderr.splitlines()
    assert header == f"{path}: the first row is taken for a header: photo, other"
    assert [line.partition(": ")[0] for line in errors] == ["error"] * 3
    assert [f"{path}, row {row}: " in line for row, line in zip((2, 3, 6), errors, strict=True)]
    assert errors[1] == f"error: {path}, row 3: There is no file {folder / 'no.jpg'}."
    assert count == f"{path}: 3 of 5 rows left out"


def test_pairs_file_without_a_usable_row_is_an_error(run: Run, folder: Path) -> None:
    code, stdout, stderr = run("verify", "--pairs", write(folder, "no.jpg,no.jpg\n"))
    assert (code, stdout) == (5, "")
    assert "1 of 1 rows left out" in stderr


def test_row_with_a_rejected_face_is_left_out(run: Run, folder: Path) -> None:
    path = write(folder, "both.png,both.png\n" + ROWS)
    code, stdout, stderr = run(
        "verify", "--pairs", path, "--faces", "largest", "--reject", "several_faces"
    )
    assert code == 6
    assert stdout.count("\n") == 2
    assert f"error: {path}, row 1: The picture shows several faces" in stderr


def test_every_photo_is_read_once(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: Counter[str] = Counter()

    def count(path: str) -> bytes:
        reads[Path(path).name] += 1
        return read_file(path)

    monkeypatch.setattr(module, "read_photo", count)
    assert run("verify", "--pairs", write(folder, ROWS + "hopper.jpg,astronaut.png\n"))[0] == 0
    assert reads == {"astronaut.png": 1, "hopper.jpg": 1}


def test_pairs_are_read_from_standard_input(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their paths start in the current folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(ROWS.encode())))
    code, stdout, _ = run("verify", "--pairs", "-")
    assert code == 0
    assert stdout.splitlines()[0] == "astronaut.png, astronaut.png: same person, similarity 1.000"
