"""Files of attributes. CelebA's own file is not available here; these imitate its format."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.evaluation.attributes import read_attributes

CELEBA = """3
5_o_Clock_Shadow Eyeglasses Male Young
000001.jpg -1  1 -1  1
000002.jpg -1 -1  1 -1
000003.jpg  1 -1  1  1
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list_attr_celeba.txt"


def test_celeba_text_file_is_read(path: Path) -> None:
    path.write_text(CELEBA)
    found = read_attributes(path)
    assert found.file == "list_attr_celeba.txt"
    assert found.columns == ("Male", "Young", "Eyeglasses")
    assert found.rows == {
        "000001": ("no", "yes", "yes"),
        "000002": ("yes", "no", "no"),
        "000003": ("yes", "yes", "no"),
    }
    assert read_attributes(path, ["5_o_Clock_Shadow"]).rows["000003"] == ("yes",)


def test_celeba_csv_gives_the_same_attributes(path: Path) -> None:
    lines = [line.split() for line in CELEBA.splitlines()[1:]]
    path.write_text("\n".join(",".join(line) for line in [["image_id", *lines[0]], *lines[1:]]))
    from_csv = read_attributes(path)
    path.write_text(CELEBA)
    assert (from_csv.columns, from_csv.rows) == (
        read_attributes(path).columns,
        read_attributes(path).rows,
    )


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_csv_with_any_separator_is_read(mark: str, path: Path) -> None:
    """A column of numbers that all differ is ignored. Empty cells count as unknown."""
    rows = ["person,skin tone,weight", *(f"P{i},{'light' if i % 2 else ''},{i}" for i in range(30))]
    path.write_text("\ufeff" + "\r\n".join(rows).replace(",", mark))
    found = read_attributes(path)
    assert found.columns == ("skin tone",)
    assert (found.rows["P0"], found.rows["P1"]) == (("",), ("light",))
    assert read_attributes(path, ["weight"]).rows["P7"] == ("7",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not begin with the names of two columns"),
        ("name\nAnn\n", "does not begin with the names of two columns"),
        ("name,tone\n", "holds no attributes"),
        ("name,tone\nAnn,1,2\n", "line 2: 3 values for 2 columns"),
        ("name,tone\nAnn,1\nAnn,2\n", "line 3: 'Ann' is there twice"),
        ("name,tone\na.jpg,1\na.png,2\n", "line 3: 'a.png' is there twice"),
        ("name,tone,tone\nAnn,1,2\n", "two columns of one name"),
        ('name,tone\nAnn,"1\n', "unexpected end of data"),
        ("name,n\n" + "".join(f"{i},{i}\n" for i in range(30)), "no column of 20 or fewer"),
        (CELEBA.removesuffix("000003.jpg  1 -1  1  1\n"), "2 of 3 rows: it is cut off"),
        (CELEBA.removesuffix("  1\n") + "\n", "line 5: 4 values for 5 columns"),
    ],
)
def test_damaged_file_is_refused(text: str, message: str, path: Path) -> None:
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as refused:
        read_attributes(path)
    assert "list_attr_celeba.txt" in str(refused.value)


def test_binary_file_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ValueError, match=r"celeba\.txt is not a text file"):
        read_attributes(path)


def test_unknown_column_is_refused(path: Path) -> None:
    path.write_text(CELEBA)
    with pytest.raises(ValueError, match="no column 'male', but: 5_o_Clock_Shadow, Eyeglasses"):
        read_attributes(path, ["male"])


NAMES = ["7/1.webp", "7/2.webp", "1/3.webp"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["7/1.jpg", "7/2.jpg"], ["a", "b", None]),
        (["2.jpg", "3.jpg"], [None, "a", "b"]),
        (["1", "7"], ["b", "b", "a"]),  # people, although there is also a picture 1
        (["1", "2", "3"], ["a", "b", "c"]),
    ],
    ids=["pictures", "without folder", "people", "without folder or suffix"],
)
def test_names_match_pictures_or_people(
    keys: list[str], expected: list[str | None], path: Path
) -> None:
    path.write_text("name,x\n" + "".join(f"{k},{v}\n" for k, v in zip(keys, "abc", strict=False)))
    found = read_attributes(path).of(NAMES)
    assert [value and value[0] for value in found] == expected
    deeper = read_attributes(path).of([f"faces/{name}" for name in NAMES])
    if "/" not in keys[0]:
        assert deeper == found


def test_ambiguous_names_need_their_folders(path: Path) -> None:
    """With two pictures called 01, the name "01" matches neither."""
    path.write_text("name,x\n01.jpg,a\n")
    names = ["A/01.jpg", "B/01.jpg"]
    with pytest.raises(ValueError, match=r"its first name is '01', the first picture is 'A/01"):
        read_attributes(path).of(names)
    path.write_text("name,x\nB/01.jpg,a\n")
    assert read_attributes(path).of(names) == [None, ("a",)]
