"""Hostile and odd inputs (`tests/hostile.py`) through the library and the command line."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from facehub import FaceRecognizer, MemoryGallery, enrol, load_image
from facehub.cli.main import main
from facehub.cli.output import EXIT_BAD_INPUT, EXIT_PARTLY
from facehub.demo.session import SessionGallery
from facehub.errors import GalleryError, ImageError
from tests.hostile.cases import ANY, FACE, FACES, NONE, Case, GalleryCase, ZipCase, time_limit
from tests.hostile.galleries import GALLERIES
from tests.hostile.pictures import CASES
from tests.hostile.sound import hopper, jpeg
from tests.hostile.zips import ZIPS

Run = Callable[..., tuple[int, str]]

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_zip = pytest.mark.parametrize("case", ZIPS, ids=lambda case: case.name)
each_gallery = pytest.mark.parametrize("case", GALLERIES, ids=lambda case: case.name)


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    with time_limit(60):
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The path of each picture case."""
    folder = tmp_path_factory.mktemp("corpus")
    return {case.name: case.write(folder) for case in CASES}


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory, recognizer: FaceRecognizer) -> Path:
    """A gallery with Grace."""
    path = tmp_path_factory.mktemp("gallery") / "people.db"
    with recognizer.open_gallery(path) as people:
        enrol(people, "Grace", hopper(), source="hopper.jpg", recognizer=recognizer)
    return path


@pytest.fixture(scope="module")
def hopper_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hopper") / "hopper.png"
    hopper().save(path)
    return path


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], recognizer: FaceRecognizer
) -> Run:
    """Run the command in this process with the weights loaded once: exit code and stderr."""
    monkeypatch.setattr(FaceRecognizer, "from_pretrained", lambda name, **_: recognizer)

    def run(*args: object) -> tuple[int, str]:
        assert isinstance(sys.stderr, io.TextIOWrapper)
        sys.stderr.reconfigure(errors="backslashreplace")  # as outside pytest
        code = main([str(arg) for arg in args])
        output, errors = capsys.readouterr()
        assert "Traceback" not in output + errors
        if "error: " in errors:
            assert code in (EXIT_BAD_INPUT, EXIT_PARTLY)
        else:
            assert code != EXIT_BAD_INPUT
        return code, errors

    return run


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    for cases in (CASES, ZIPS, GALLERIES):
        assert len({case.name for case in cases}) == len(cases)
    assert len(CASES) + len(ZIPS) + len(GALLERIES) >= 400
    assert {FACE, FACES, NONE, ANY} < {case.expected for case in CASES}


# --- the library ----------------------------------------------------------------------------------


@each_case
def test_library(case: Case, corpus: dict[str, Path], recognizer: FaceRecognizer) -> None:
    path = corpus[case.name]
    if case.fails:
        with pytest.raises(ImageError) as caught:
            recognizer.faces(path)
        assert case.expected in str(caught.value)
        return
    faces = recognizer.faces(path)
    assert case.expected in (ANY, (NONE, FACE, FACES)[min(len(faces), 2)])
    for found in faces:
        assert found.embedding.shape == (512,)
        assert np.linalg.norm(found.embedding) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("case", [c for c in CASES if c.content], ids=lambda case: case.name)
def test_library_from_bytes(case: Case) -> None:
    assert case.content is not None
    content = case.content()
    if case.fails:
        with pytest.raises(ImageError) as caught:
            load_image(content)
        assert case.expected in str(caught.value)
    else:
        pixels = load_image(content)
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3


def test_all_ways_to_store_a_picture_show_the_same_face(recognizer: FaceRecognizer) -> None:
    expected = recognizer.face(jpeg()).embedding
    for case in CASES:
        if case.expected == FACE and case.content and case.name != "face mirrored":
            similarity = recognizer.face(case.content()).embedding @ expected
            assert similarity > 0.5, case.name


@each_case
def test_library_takes_no_picture_for_a_gallery(
    case: Case, corpus: dict[str, Path], recognizer: FaceRecognizer
) -> None:
    with pytest.raises(GalleryError, match=r"There is no gallery file|not a facehub gallery"):
        MemoryGallery.load(corpus[case.name], fingerprint=recognizer.fingerprint)


@each_gallery
def test_library_gallery(case: GalleryCase, tmp_path: Path, recognizer: FaceRecognizer) -> None:
    path = case.write(tmp_path, recognizer.fingerprint)
    if case.expected is not None:
        with pytest.raises(GalleryError) as caught:
            MemoryGallery.load(path, fingerprint=recognizer.fingerprint)
        assert case.expected in str(caught.value)
        return
    loaded = MemoryGallery.load(path, fingerprint=recognizer.fingerprint)
    assert tuple(loaded) == case.people
    for name in loaded:
        assert all(example.source.isprintable() for example in loaded.examples(name))
    loaded.save(path)
    again = MemoryGallery.load(path, fingerprint=recognizer.fingerprint)
    assert tuple(again) == case.people
    assert again.n_templates == loaded.n_templates
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("case", [*ZIPS, *GALLERIES], ids=lambda case: case.name)
def test_library_takes_no_zip_or_gallery_for_a_picture(
    case: ZipCase | GalleryCase, recognizer: FaceRecognizer
) -> None:
    content = case.content("") if isinstance(case, GalleryCase) else case.content()
    if case.name == "a picture":
        assert len(recognizer.faces(content)) == 1
    else:
        with pytest.raises(ImageError, match=r"not a picture|is empty|larger than"):
            load_image(content)


def test_a_session_refuses_a_gallery_that_the_weights_cannot_search(
    recognizer: FaceRecognizer,
) -> None:
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    with pytest.raises(GalleryError, match="another length"):
        session.replace(MemoryGallery(recognizer.fingerprint, 8))
    assert session.gallery.size == 512


@each_zip
def test_zip(
    case: ZipCase,
    tmp_path: Path,
    recognizer: FaceRecognizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    path = case.write(folder)
    monkeypatch.chdir(folder)
    before = {file: file.lstat().st_size for file in tmp_path.rglob("*")}
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    report = session.enrol_many("", [str(path)], recognizer)
    failures = report.failures
    assert tuple(session.gallery) == case.people
    assert report.added == session.gallery.n_templates >= len(case.people)
    assert session.crops.keys() == {entry.digest for entry in session.gallery.export()}
    wanted = len(case.failures) if case.n_failures is None else case.n_failures
    assert len(failures) == wanted, failures[:9]
    for part in case.failures:
        assert any(part in detail for detail in report.details), (part, report.details[:9])
    assert not any(str(tmp_path) in detail for detail in report.details)
    assert {file: file.lstat().st_size for file in tmp_path.rglob("*")} == before
    assert not Path("/tmp/evil.jpg").exists()


def test_zips_and_pictures_together(
    tmp_path: Path, corpus: dict[str, Path], recognizer: FaceRecognizer
) -> None:
    """Whatever stands between them, good uploads before and after it are enrolled."""
    good, smaller = tmp_path / "grace.png", tmp_path / "grace 2.png"
    hopper().save(good)
    hopper().reduce(2).save(smaller)
    bad = [str(corpus[case.name]) for case in CASES if case.fails]
    bad += [str(case.write(tmp_path)) for case in ZIPS if not case.people]
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    report = session.enrol_many("", [str(good), *bad, str(smaller)], recognizer)
    assert (report.added, report.known) == (2, 0)
    assert len(report.failures) == len(bad)
    assert tuple(session.gallery) == ("grace",)


# --- the command line -----------------------------------------------------------------------------


@each_case
def test_cli_verify(case: Case, corpus: dict[str, Path], hopper_file: Path, run: Run) -> None:
    code, errors = run("verify", corpus[case.name], hopper_file)
    wanted = {FACE: {0, 1, 3}, FACES: {4}, NONE: {4}, ANY: {0, 1, 3, 4}}
    assert code in wanted.get(case.expected, {5})
    assert not case.fails or case.expected in errors


@each_case
def test_cli_identify(
    case: Case,
    corpus: dict[str, Path],
    enrolled: Path,
    run: Run,
) -> None:
    code, _ = run("identify", enrolled, corpus[case.name])
    wanted = {FACE: {0, 1}, FACES: {0, 1}, NONE: {4}, ANY: {0, 1, 4}}
    assert code in wanted.get(case.expected, {5})


@each_case
def test_cli_embed(
    case: Case,
    corpus: dict[str, Path],
    hopper_file: Path,
    tmp_path: Path,
    run: Run,
) -> None:
    output = tmp_path / "out.npz"
    code, _ = run("embed", corpus[case.name], hopper_file, "-o", output)
    assert code == (EXIT_PARTLY if case.fails else 0)  # the other picture is sound
    assert set(os.listdir(tmp_path)) <= {output.name}
    if output.exists():  # whole, and with the good picture's face
        with np.load(output) as saved:
            count = len(saved["embeddings"])
            assert saved["embeddings"].shape == (count, 512)
            assert saved["names"].shape == (count,)
            assert saved["names"][-1].endswith("hopper.png")
    else:
        assert case.fails


@each_case
def test_cli_enrol(
    case: Case,
    corpus: dict[str, Path],
    enrolled: Path,
    tmp_path: Path,
    run: Run,
    recognizer: FaceRecognizer,
) -> None:
    gallery = Path(shutil.copy(enrolled, tmp_path / "people.db"))
    before = gallery.read_bytes()
    code, _ = run("enrol", gallery, "--name", "Ada", corpus[case.name])
    assert code in {FACE: {0}, ANY: {0, 5}}.get(case.expected, {5})
    if code:
        assert gallery.read_bytes() == before
    else:
        with recognizer.open_gallery(gallery, new=False) as people:
            assert tuple(people) == ("Grace", "Ada")
    assert os.listdir(tmp_path) == [gallery.name]


@each_case
def test_cli_takes_no_picture_for_a_gallery(
    case: Case,
    corpus: dict[str, Path],
    hopper_file: Path,
    run: Run,
) -> None:
    path = corpus[case.name]
    regular = os.path.isfile(path)
    before = path.read_bytes() if regular and case.name != "1 TB" else None
    code, errors = run("gallery", "list", path)
    assert code == 5
    assert "gallery" in errors
    if regular:
        code, _ = run("enrol", path, "--name", "Ada", hopper_file)
        assert code == 5
        assert before is None or path.read_bytes() == before


@pytest.mark.parametrize("command", ["embed", "verify", "identify", "enrol"])
def test_cli_with_a_name_that_looks_like_an_option(
    command: str, enrolled: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "--help.jpg").write_bytes(jpeg())
    arguments: dict[str, list[object]] = {
        "embed": ["-o", "out.npz", "--", "--help.jpg"],
        "verify": ["--", "--help.jpg", "--help.jpg"],
        "identify": ["--", enrolled, "--help.jpg"],
        "enrol": ["--name", "Ada", "--", "new.db", "--help.jpg"],
    }
    code, _ = run(command, *arguments[command])
    assert code == (1 if command == "identify" else 0)


@each_zip
def test_cli_zip(
    case: ZipCase, enrolled: Path, tmp_path: Path, run: Run, recognizer: FaceRecognizer
) -> None:
    """The command takes from a zip what the page takes, but for the page's limits."""
    path = case.write(tmp_path)
    for options in (["--name", "Ada"], []):
        gallery = Path(shutil.copy(enrolled, tmp_path / "people.db"))
        before = gallery.read_bytes()
        code, errors = run("enrol", gallery, *options, path)
        with recognizer.open_gallery(gallery, new=False) as opened:
            people = tuple(opened)
        if options and "photos in sub-folders" in errors:  # of several people
            assert code == 5
            assert gallery.read_bytes() == before
        elif case.name == "a picture" or case.name == "name too long":
            assert code == (0 if options else 5)
        elif not case.people:
            assert code == 5
            assert gallery.read_bytes() == before
        else:
            assert code in (0, 6)
            assert code == 6 or "error: " not in errors
            assert "Grace" in people
            assert not options or set(people) == {"Grace", "Ada"}
        assert set(os.listdir(tmp_path)) == {path.name, gallery.name}
        assert not Path("/tmp/evil.jpg").exists()


@each_gallery
def test_cli_gallery(
    case: GalleryCase, hopper_file: Path, tmp_path: Path, run: Run, recognizer: FaceRecognizer
) -> None:
    path = case.write(tmp_path, recognizer.fingerprint)
    before = path.read_bytes()
    code, errors = run("gallery", "list", path)
    assert code == (0 if case.expected is None else 5)
    assert case.expected is None or case.expected in errors
    usable = case.expected is None and case.usable
    code, _ = run("identify", path, hopper_file)
    assert code == (1 if usable else 5)
    assert run("gallery", "remove", path, "nobody at all")[0] == 5
    assert run("enrol", path, "--name", "Grace", hopper_file)[0] == 5
    code, _ = run("gallery", "copy", path, tmp_path / "people.db")
    assert code == (0 if usable else 5)
    if usable:
        with recognizer.open_gallery(tmp_path / "people.db", new=False) as people:
            assert tuple(people) == case.people
    assert path.read_bytes() == before
    assert set(os.listdir(tmp_path)) - {"people.db"} == {path.name}
    assert not Path("pickle_was_run").exists()


def test_cli_with_bad_pictures_among_good_ones(
    corpus: dict[str, Path], enrolled: Path, tmp_path: Path, run: Run, recognizer: FaceRecognizer
) -> None:
    """All errors are told and the good ones are enrolled, those of the very same pixels once."""
    bad = [case for case in CASES if case.fails and case.name != "folder"]
    good = [case for case in CASES if case.expected == FACE]
    gallery = Path(shutil.copy(enrolled, tmp_path / "people.db"))
    photos = [corpus[case.name] for case in (*bad, *good)]
    code, errors = run("enrol", gallery, "--name", "Ada", *photos)
    assert code == 6  # in part
    assert errors.count("error: ") == len(bad)
    with recognizer.open_gallery(gallery, new=False) as people:
        enrolled_rows = np.stack([e.template for e in people.examples("Ada")])
        assert len(people.examples("Grace")) == 1
    assert 10 < len(enrolled_rows) < len(good)
    for case in good:  # each is there, or its very same face
        embedding = recognizer.face(corpus[case.name]).embedding
        assert (enrolled_rows @ embedding).max() > 0.9998, case.name


def test_the_command_as_a_process(corpus: dict[str, Path], tmp_path: Path) -> None:
    """The whole corpus at once, with the streams as a shell gives them."""
    cases = [case for case in CASES if case.name != "folder"]
    output = tmp_path / "out.npz"
    done = subprocess.run(
        [sys.executable, "-m", "facehub", "embed", *(corpus[c.name] for c in cases), "-o", output],
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 6  # in part
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"error: ") == sum(case.fails for case in cases)
    with np.load(output) as saved:
        assert len(saved["embeddings"]) >= 30 + sum(case.expected == FACE for case in cases)
    assert os.listdir(tmp_path) == [output.name]
