"""The Identify tab's controller, without a page."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from facehub import MemoryGallery
from facehub.demo import texts
from facehub.demo.errors import PageError
from facehub.demo.identify_controller import IdentifyController, Visit
from facehub.demo.session import SessionGallery
from facehub.demo.upload import BrokenUpload
from facehub.errors import FaceHubError, GalleryError
from facehub.hosted.recognizer import HostedRecognizer
from facehub.pipeline import default_recognizer
from facehub.results import QualityIssue


@pytest.fixture(scope="module")
def controller(hosted: HostedRecognizer, examples: Path) -> IdentifyController:
    return IdentifyController(hosted, examples)


@pytest.fixture
def visit() -> Visit:
    return Visit(SessionGallery(default_recognizer().empty_gallery()))


@pytest.fixture
def two(controller: IdentifyController, visit: Visit) -> Visit:
    """A visit with the example: two people, and both in the picture."""
    controller.show_example(visit)
    return visit


def names(controller: IdentifyController, visit: Visit) -> list[str | None]:
    found = controller.identify(visit)
    assert found is not None
    return [face.name for face in found.faces]


def test_names_follow_the_gallery(controller: IdentifyController, two: Visit) -> None:
    assert names(controller, two) == ["Eileen Collins", "Grace Hopper"]
    controller.rename(two, "Grace Hopper", "Admiral")
    assert names(controller, two) == ["Eileen Collins", "Admiral"]
    controller.remove(two, "Eileen Collins")
    assert names(controller, two) == [None, "Admiral"]
    controller.name_face(two, 0, "Colonel")
    assert names(controller, two) == ["Colonel", "Admiral"]
    controller.delete(two)
    assert controller.identify(two) is None
    assert controller.names(two) == []


def test_faces_are_unknown_in_an_empty_gallery(
    controller: IdentifyController, visit: Visit, examples: Path
) -> None:
    assert controller.identify(visit) is None
    assert controller.read(visit, examples / "both.jpg")
    assert names(controller, visit) == [None, None]


def test_enrol_reports_progress_after_each_photo(
    controller: IdentifyController, visit: Visit, examples: Path
) -> None:
    files = [str(examples / f"{name}.jpg") for name in ("eileen_collins", "grace_hopper")]
    reports = list(controller.enrol(visit, "", files))
    assert [(report.seen, report.total) for report in reports] == [(0, 2), (1, 2), (2, 2), (2, 2)]
    assert [report.added for report in reports] == [0, 0, 0, 2]
    assert controller.names(visit) == ["eileen collins", "grace hopper"]


def test_stopped_enrol_keeps_the_photos_read_so_far(
    controller: IdentifyController, visit: Visit, examples: Path
) -> None:
    files = [str(examples / f"{name}.jpg") for name in ("eileen_collins", "grace_hopper")]
    reports = []
    for report in controller.enrol(visit, "", files):
        reports.append(report)
        if report.seen == 1:
            visit.stop()
    assert (reports[-1].seen, reports[-1].total, reports[-1].added) == (1, 2, 1)
    assert controller.names(visit) == ["eileen collins"]
    *_, report = controller.enrol(visit, "", files)  # the next run is not stopped
    assert (report.added, report.known) == (1, 1)


def test_enrol_of_a_photo_of_several_people_asks_for_the_face(
    controller: IdentifyController, visit: Visit, examples: Path
) -> None:
    files = [str(examples / "both.jpg"), str(examples / "eileen_collins.jpg")]
    *_, report = controller.enrol(visit, "Eileen", files)
    assert (report.added, report.failures) == (1, [])
    (waiting,) = visit.several
    assert (waiting.portrait.name, len(waiting.faces)) == ("Eileen", 2)
    for position in (2, -1, None, "0"):
        with pytest.raises(PageError, match="Choose a face first"):
            controller.choose_face(visit, position)
    report = controller.choose_face(visit, 0)
    assert (report.added, report.details) == (1, [])
    assert visit.several == ()
    sources = [source for source, _ in controller.photos(visit, "Eileen")]
    assert sources == ["eileen_collins.jpg", "both.jpg"]
    with pytest.raises(PageError, match="No photo is waiting"):
        controller.choose_face(visit, 0)


def test_a_photo_of_several_people_can_be_left_out(
    controller: IdentifyController, visit: Visit, examples: Path
) -> None:
    *_, _ = controller.enrol(visit, "Eileen", [str(examples / "both.jpg")])
    assert len(visit.several) == 1
    controller.leave_out(visit)
    assert visit.several == ()
    assert controller.names(visit) == []


def test_a_host_may_refuse_photos_of_several_people(
    controller: IdentifyController, examples: Path
) -> None:
    gallery = default_recognizer().empty_gallery()
    visit = Visit(SessionGallery(gallery, reject=[QualityIssue.SEVERAL_FACES]))
    *_, report = controller.enrol(visit, "Eileen", [str(examples / "both.jpg")])
    assert visit.several == ()
    (failure,) = report.failures
    assert "2 faces were found" in failure


@pytest.mark.parametrize(
    "act",
    [
        lambda controller, visit: controller.remove(visit, "Grace Hopper"),
        lambda controller, visit: controller.rename(visit, "Grace Hopper", "Admiral"),
        lambda controller, visit: controller.merge(visit, "Grace Hopper", "Eileen Collins"),
        lambda controller, visit: controller.remove_photo(
            visit, "Grace Hopper", controller.photos(visit, "Grace Hopper")[0][1]
        ),
    ],
    ids=["remove", "rename", "merge", "remove a photo"],
)
def test_every_change_can_be_undone_once(controller: IdentifyController, two: Visit, act) -> None:
    before = {name: controller.photos(two, name) for name in controller.names(two)}
    crops = set(two.people.crops)
    act(controller, two)
    assert {name: controller.photos(two, name) for name in controller.names(two)} != before
    controller.undo(two)
    assert {name: controller.photos(two, name) for name in controller.names(two)} == before
    assert set(two.people.crops) == crops
    assert names(controller, two) == ["Eileen Collins", "Grace Hopper"]
    with pytest.raises(PageError, match="nothing to undo"):
        controller.undo(two)


def test_one_person_under_two_names_is_merged_by_one_call(
    controller: IdentifyController, two: Visit, examples: Path
) -> None:
    assert controller.findings(two) == []
    with pytest.raises(PageError, match=texts.NO_PERSON):
        controller.merge_found(two)
    list(controller.enrol(two, "Admiral", [str(examples / "grace_hopper.jpg")]))
    controller.findings(two)
    assert two.two_names == ("Admiral", "Grace Hopper")
    controller.rename(two, "Admiral", "Captain")  # as others may do in a shared gallery
    with pytest.raises(PageError, match="no longer in the gallery"):
        controller.merge_found(two)  # nobody but those whom the page named
    controller.undo(two)
    controller.merge_found(two)
    assert controller.names(two) == ["Eileen Collins", "Grace Hopper"]
    controller.undo(two)
    assert "Admiral" in controller.names(two)


def test_undoing_a_merge_keeps_a_photo_that_both_had(
    controller: IdentifyController, two: Visit, examples: Path
) -> None:
    *_, report = controller.enrol(two, "Admiral", [str(examples / "grace_hopper.jpg")])
    assert report.added == 1
    controller.merge(two, "Admiral", "Grace Hopper")
    assert controller.names(two) == ["Eileen Collins", "Grace Hopper"]
    controller.undo(two)
    assert len(controller.photos(two, "Grace Hopper")) == 1
    assert controller.photos(two, "Admiral")[0][0] == "grace_hopper.jpg"


def test_undo_is_refused_after_a_conflicting_change(
    controller: IdentifyController, two: Visit, examples: Path
) -> None:
    controller.rename(two, "Grace Hopper", "Admiral")
    two.people.enrol("Grace Hopper", examples / "eileen_collins.jpg", "e", default_recognizer())
    with pytest.raises(GalleryError, match="already a person named Grace Hopper"):
        controller.undo(two)
    assert controller.names(two) == ["Eileen Collins", "Admiral", "Grace Hopper"]


def test_a_deleted_gallery_cannot_be_restored(controller: IdentifyController, two: Visit) -> None:
    controller.remove(two, "Grace Hopper")
    controller.delete(two)
    assert two.last is None
    with pytest.raises(PageError, match="nothing to undo"):
        controller.undo(two)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda c, v: c.rename(v, None, "Ada"), texts.NO_PERSON),
        (lambda c, v: c.rename(v, "Telltale", "Ada"), texts.NO_SUCH_PERSON),
        (lambda c, v: c.rename(v, ["Telltale"], "Ada"), texts.NO_SUCH_PERSON),
        (lambda c, v: c.rename(v, "Grace Hopper", " "), "A person needs a name."),
        (lambda c, v: c.merge(v, "Grace Hopper", None), texts.NO_OTHER),
        (lambda c, v: c.merge(v, "Grace Hopper", "Telltale"), texts.NO_SUCH_PERSON),
        (lambda c, v: c.remove_photo(v, "Grace Hopper", None), texts.NO_PHOTO),
        (lambda c, v: c.remove_photo(v, "Grace Hopper", "telltale"), texts.GONE),
        (lambda c, v: c.name_face(v, None, "Ada"), texts.CHOOSE_FACE),
        (lambda c, v: c.name_face(v, 2, "Ada"), texts.CHOOSE_FACE),
        (lambda c, v: list(c.enrol(v, "", None)), texts.NO_PHOTOS),
        (lambda c, v: list(c.enrol(v, " ", [], b"snapshot")), texts.NO_NAME),
        (lambda c, v: c.load(v, None), texts.EXPIRED),
        (lambda c, v: c.load(v, BrokenUpload(texts.EXPIRED)), texts.EXPIRED),
        (lambda c, v: list(c.enrol(v, "", [BrokenUpload(texts.EXPIRED)])), texts.EXPIRED),
    ],
)
def test_a_request_that_cannot_work_raises_a_message_and_changes_nothing(
    controller: IdentifyController, two: Visit, act, message: str
) -> None:
    with pytest.raises(FaceHubError) as caught:
        act(controller, two)
    assert str(caught.value) == message
    assert controller.names(two) == ["Eileen Collins", "Grace Hopper"]
    assert two.last is None


def test_a_gallery_file_replaces_the_gallery(
    controller: IdentifyController, two: Visit, tmp_path: Path
) -> None:
    controller.remove(two, "Grace Hopper")
    damaged, sound = tmp_path / "damaged.safetensors", tmp_path / "sound.safetensors"
    damaged.write_bytes(b"no gallery")
    with pytest.raises(PageError, match=r"^damaged.safetensors is damaged"):
        controller.load(two, str(damaged))
    assert controller.names(two) == ["Eileen Collins"]
    MemoryGallery(default_recognizer().fingerprint).save(sound)
    assert len(controller.load(two, str(sound))) == 0
    assert controller.names(two) == []
    assert two.last is None  # the former gallery cannot be restored


def test_each_session_has_its_own_visit_and_all_may_share_a_gallery(
    controller: IdentifyController, two: Visit
) -> None:
    other = copy.deepcopy(two)  # as Gradio does
    assert controller.names(other) == []
    assert other.probe.photo is None
    everybody = SessionGallery(default_recognizer().empty_gallery(), shared=True)
    first = Visit(everybody)
    assert copy.deepcopy(first).people is everybody
    with pytest.raises(PageError, match="an example does not replace it"):
        controller.show_example(first)
