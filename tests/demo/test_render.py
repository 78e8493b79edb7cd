"""The HTML that the page shows for a result."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np

from facehub.demo import render, texts
from facehub.demo.enrolled import Enrolled
from facehub.demo.identify_controller import Identified
from facehub.demo.intake import EnrolmentReport, SeveralFaces
from facehub.demo.photo import Photo, read_photo
from facehub.demo.session import SessionGallery
from facehub.enrolment import Portrait
from facehub.gallery.memory import MemoryGallery
from facehub.gallery.review import review_gallery
from facehub.identification import identify_faces
from facehub.model.calibration import Calibration
from facehub.model.spec import ModelSpec
from facehub.model.tail import Tail
from facehub.pipeline import default_recognizer
from facehub.results import QualityIssue

CURVE = ((0.0, 0.9, 0.0), (0.4, 0.02, 0.1), (0.8, 0.0002, 0.5), (0.9, 0.0, 1.0))
CALIBRATION = Calibration("made up", None, 0.01, 0.2, 10_000, 9, CURVE)
CONFIG = ModelSpec(threshold=0.5, calibration=CALIBRATION, fingerprint="sha256:0123456789abcdef")
TAIL = Tail(0.4, 0.02, 0.0, 0.1 / math.log(10), 200)  # ten times fewer every 0.1


def test_identification_shows_the_odds_of_a_candidate(examples: Path) -> None:
    recognizer = default_recognizer()
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    session.enrol("Grace", examples / "grace_hopper.jpg", "g", recognizer)
    photo = read_photo(examples / "both.jpg", recognizer)
    calibration = dataclasses.replace(CALIBRATION, tail=TAIL)
    config = dataclasses.replace(CONFIG, calibration=calibration)
    faces = identify_faces(photo.faces, session.gallery, threshold=0.5, calibration=calibration)
    html = render.identification(Identified(photo, faces, session.now), config)
    assert "At most about 1 in 1,000,000 strangers reaches" in html
    assert "with somebody here (beyond what was measured)." in html
    plain = identify_faces(photo.faces, session.gallery, threshold=0.5)
    html = render.identification(Identified(photo, plain, session.now), UNCALIBRATED)
    assert "1 in" not in html


UNCALIBRATED = dataclasses.replace(CONFIG, threshold=None, calibration=None)


def test_without_a_threshold_nobody_is_named(examples: Path) -> None:
    recognizer = default_recognizer()
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    session.enrol("Grace", examples / "grace_hopper.jpg", "g", recognizer)
    photo = read_photo(examples / "grace_hopper.jpg", recognizer)
    faces = identify_faces(photo.faces, session.gallery, threshold=None)
    html = render.identification(Identified(photo, faces, session.now), UNCALIBRATED)
    assert "1. not named" in html
    assert "unknown<" not in html
    assert "<span>Grace 1.00</span>" in html
    assert "Nobody is named, as these weights are not calibrated" in html
    for name in ("Grace", "Eileen"):
        session.enrol(name, examples / "eileen_collins.jpg", "e.jpg", recognizer)
    wall = render.wall(session.now, review_gallery(session.gallery, UNCALIBRATED))
    assert "is a copy of" in wall
    assert "does not look like" not in wall


def test_thumbnails_keep_the_shape_of_the_crops(examples: Path) -> None:
    both = read_photo(examples / "both.jpg", default_recognizer())
    assert "width:72px;height:84px" in render.photo_note(both, "x")
    square = dataclasses.replace(both.faces[0].face, crop=np.zeros((112, 112, 3), np.uint8))
    faces = tuple(dataclasses.replace(face, face=square) for face in both.faces)
    note = render.photo_note(dataclasses.replace(both, faces=faces), "x")
    assert "width:84px;height:84px" in note


def test_an_approximate_search_is_labelled(examples: Path) -> None:
    recognizer = default_recognizer()
    gallery = MemoryGallery(recognizer.fingerprint)
    gallery.exact = False  # type: ignore[misc]
    photo = read_photo(examples / "grace_hopper.jpg", recognizer)
    faces = identify_faces(photo.faces, gallery, threshold=0.5)
    assert texts.APPROXIMATE in render.identification(
        Identified(photo, faces, Enrolled(gallery, {})), CONFIG
    )
    assert render.approximate(MemoryGallery(recognizer.fingerprint)) == ""


def test_the_threshold_for_a_name_rises_with_the_gallery(examples: Path) -> None:
    recognizer = default_recognizer()
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    for file in ("eileen_collins.jpg", "grace_hopper.jpg"):
        session.enrol(file, examples / file, file, recognizer)
    photo = read_photo(examples / "both.jpg", recognizer)
    faces = identify_faces(photo.faces, session.gallery, threshold=0.5)
    html = render.identification(Identified(photo, faces, session.now), CONFIG)
    assert texts.APPROXIMATE not in html
    # 1 % in a gallery of two is 0.5 % for each: between 0.02 at 0.4 and 0.0002 at 0.8.
    assert "named from similarity 0.52 up" in html
    assert "higher than the 0.50 for one photo" in html


def test_a_gallery_of_one_photo_mentions_no_higher_threshold(examples: Path) -> None:
    recognizer = default_recognizer()
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    session.enrol("Grace", examples / "grace_hopper.jpg", "g", recognizer)
    photo = read_photo(examples / "grace_hopper.jpg", recognizer)
    faces = identify_faces(photo.faces, session.gallery, threshold=0.5)
    config = dataclasses.replace(CONFIG, threshold=0.2)  # lower than 1 % of strangers needs
    html = render.identification(Identified(photo, faces, session.now), config)
    assert "named from similarity 0.46 up" in html  # between 0.02 at 0.4 and 0.0002 at 0.8
    assert "higher than" not in html


def test_wall_points_out_a_copy(examples: Path) -> None:
    recognizer = default_recognizer()
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    for name in ("Eileen", "Grace"):
        session.enrol(name, examples / "eileen_collins.jpg", "e.jpg", recognizer)
    html = render.wall(session.now, review_gallery(session.gallery, recognizer.spec))
    assert "Grace: e.jpg is a copy of e.jpg (Eileen)." in html


def test_wall_points_out_doubtful_photos() -> None:
    gallery = MemoryGallery("sha256:x")
    rows = np.eye(512, dtype=np.float32)
    for name, template in (
        ("Ada", rows[0]),
        ("Ada", rows[1]),
        ("Bob", 0.8 * rows[0] + 0.6 * rows[2]),
    ):
        gallery.add(name, template, source=f"{gallery.n_templates + 1}. a.jpg")
    html = render.wall(Enrolled(gallery, {}), review_gallery(gallery, CONFIG))
    assert "Ada: 2. a.jpg does not look like the other photos of Ada (similarity 0.00)." in html
    assert "Bob: 3. a.jpg looks like Ada (1. a.jpg), similarity 0.80. The same person" in html


def test_several_faces_are_thumbnails_to_choose_from(examples: Path) -> None:
    both = read_photo(examples / "both.jpg", default_recognizer())
    html = render.photo_note(both, "first-face")
    assert html.count("#first-face label:nth-of-type") == 2
    assert "2 faces found" in html
    one = read_photo(examples / "grace_hopper.jpg", default_recognizer())
    assert texts.ONE_FACE in render.photo_note(one, "first-face")


def test_names_cannot_inject_html(examples: Path) -> None:
    recognizer = default_recognizer()
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    evil = "<img src=x onerror=alert(1)>"
    session.enrol(evil, examples / "eileen_collins.jpg", "e", recognizer)
    photo = read_photo(examples / "eileen_collins.jpg", recognizer)
    faces = identify_faces(photo.faces, session.gallery, threshold=0.5)
    for html in (
        render.wall(session.now, review_gallery(session.gallery, recognizer.spec)),
        render.identification(Identified(photo, faces, session.now), recognizer.spec),
        render.message(evil, [evil]),
    ):
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html


def test_identification_boxes_are_in_per_cent_of_the_picture(examples: Path) -> None:
    recognizer = default_recognizer()
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    photo = read_photo(examples / "both.jpg", recognizer)
    faces = identify_faces(photo.faces, session.gallery, threshold=0.5)
    html = render.identification(Identified(photo, faces, session.now), recognizer.spec)
    assert html.count("fh-box fh-unknown") == len(faces) == 2
    x0 = faces[0].probe.face.box[0]
    assert f"left:{100 * x0 / photo.size[0]:.2f}%" in html


def test_a_picture_without_a_face_gets_a_note() -> None:
    photo = Photo(np.zeros((9, 9, 3), np.uint8), (9, 9), ())
    assert texts.NO_FACE_HERE in render.photo_note(photo, "first-face")


def test_too_many_faces_are_mentioned_once(examples: Path) -> None:
    recognizer = default_recognizer()
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    photo = read_photo(examples / "both.jpg", recognizer)
    issues = (QualityIssue.SEVERAL_FACES, QualityIssue.TOO_MANY_FACES)
    crowd = dataclasses.replace(
        photo, faces=tuple(dataclasses.replace(face, issues=issues) for face in photo.faces)
    )
    faces = identify_faces(crowd.faces, session.gallery, threshold=0.5)
    html = render.identification(Identified(crowd, faces, session.now), CONFIG)
    assert html.count("more than 100 faces; only the 100 largest were compared") == 1
    assert "more than 100 faces" in render.photo_note(crowd, "chooser")
    assert "more than 100 faces" not in render.photo_note(photo, "chooser")


def test_names_summarise_who_is_in_a_picture(examples: Path) -> None:
    recognizer = default_recognizer()
    session = SessionGallery(MemoryGallery(recognizer.fingerprint))
    photo = read_photo(examples / "both.jpg", recognizer)

    def line(spec: ModelSpec) -> str:
        faces = identify_faces(photo.faces, session.gallery, threshold=spec.threshold)
        return render.names(Identified(photo, faces, session.now), spec)

    assert f"<h2>2 faces found</h2><p>{texts.NOBODY}</p>" in line(CONFIG)
    session.enrol("<Grace>", examples / "grace_hopper.jpg", "g", recognizer)
    assert "<h2>&lt;Grace&gt;</h2><p>1 face is unknown.</p>" in line(CONFIG)
    assert f"<h2>2 faces found</h2><p>{texts.LIMIT_UNCALIBRATED}</p>" in line(UNCALIBRATED)
    unreached = dataclasses.replace(CONFIG, threshold=1.0)
    assert "<h2>Nobody from the gallery</h2><p>2 faces are unknown.</p>" in line(unreached)


def test_progress_shows_the_count_and_a_bar() -> None:
    html = render.progress(37, 111)
    assert "37 of 111" in html
    assert '<progress value="37" max="111"' in html


def test_enrolment_report_lists_added_failed_and_waiting_photos(examples: Path) -> None:
    faces = default_recognizer().faces(examples / "both.jpg")
    waiting = SeveralFaces(Portrait("Ada", faces[0].face.crop, "both.jpg"), tuple(faces))
    assert "2 added." in render.enrolled(EnrolmentReport(2, seen=2, total=2))
    assert "Stopped" not in render.enrolled(EnrolmentReport(2, seen=2, total=2))
    html = render.enrolled(
        EnrolmentReport(11, 1, ["<a>: bad"], several=(waiting,), seen=13, total=99)
    )
    for part in (
        "11 added, 1 already there.",
        "1 photo shows several faces: choose one below.",
        "Stopped after 13 of 99 photos.",
        "&lt;a&gt;: bad",
    ):
        assert part in html
    question = render.which_face(waiting, "which-face")
    assert "both.jpg shows 2 faces. Which one is Ada?" in question
    assert question.count("#which-face label:nth-of-type") == 2
