"""What the Verify tab does, without the page."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from facehub.demo import texts
from facehub.demo.errors import PageError
from facehub.demo.photo import Photo, PictureSlot, read_photo
from facehub.hosted.recognizer import HostedRecognizer
from facehub.results import EmbeddedFace, QualityIssue, VerificationResult
from facehub.verification import compare_faces

Side = Literal["first", "second"]
SIDES: tuple[Side, Side] = ("first", "second")
EXAMPLES = {
    texts.EXAMPLE_SAME: ("eileen_collins.jpg", "eileen_collins_tilted.jpg"),
    texts.EXAMPLE_DIFFERENT: ("eileen_collins.jpg", "grace_hopper.jpg"),
}


class ChosenFace(PictureSlot):
    """A picture and which of its faces is compared.

    Attributes:
        face: position in the photo's faces; None for the largest.
    """

    def __init__(self, photo: Photo | None = None, face: int | None = None) -> None:
        super().__init__(photo)
        self.face = face

    def begin(self) -> int:
        """As of every slot; the next picture starts with its largest face."""
        self.face = None
        return super().begin()

    def position(self, photo: Photo) -> int:
        """Of the face to compare in a photo that shows at least one."""
        face = self.face
        return photo.largest if face is None or face >= len(photo.faces) else face


class Pair:
    """Two pictures of one session.

    Attributes:
        sides: by name.
    """

    def __init__(self) -> None:
        self.sides: dict[Side, ChosenFace] = {side: ChosenFace() for side in SIDES}

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Gradio copies a state's first value for each session, which starts empty."""
        return type(self)()


@dataclass(frozen=True)
class VerifyController:
    """Reads pictures into a `Pair` and compares them.

    Attributes:
        recognizer: weights in use.
        examples: folder of the example pictures.
        rejected: quality issues for which a face is not compared.
    """

    recognizer: HostedRecognizer
    examples: Path
    rejected: Collection[QualityIssue] = ()

    def read(self, pair: Pair, side: Side, value: Any) -> bool:
        """Read an upload, or empty a side with None; see `PictureSlot.read`."""
        return pair.sides[side].read(value, self.recognizer.timed())

    def choose(self, pair: Pair, side: Side, face: Any) -> None:
        """Choose the face to compare by its position.

        Raises:
            PageError: the picture has no such face.
        """
        slot = pair.sides[side]
        photo = slot.photo
        if photo is None:
            raise PageError(texts.TWO_PICTURES)
        if not isinstance(face, int) or face not in range(len(photo.faces)):
            raise PageError(texts.NO_SUCH_FACE)
        slot.face = face

    def swap(self, pair: Pair) -> None:
        """Exchange the pictures; one that is still being read is given up."""
        first, second = (ChosenFace(slot.photo, slot.face) for slot in pair.sides.values())
        pair.sides = {"first": second, "second": first}

    def clear(self, pair: Pair) -> None:
        """Forget both pictures."""
        pair.sides = {side: ChosenFace() for side in SIDES}

    def show_example(self, pair: Pair, label: str) -> None:
        """Take the two pictures of an example."""
        timed = self.recognizer.timed()
        photos = [read_photo(self.examples / name, timed) for name in EXAMPLES[label]]
        pair.sides = {side: ChosenFace(photo) for side, photo in zip(SIDES, photos, strict=True)}

    def compare(self, pair: Pair) -> VerificationResult | None:
        """Compare the chosen faces; None while a picture is missing.

        Raises:
            LowQualityError: a face has an issue that the host rejects.
        """
        slots = [(slot, slot.photo) for slot in pair.sides.values()]
        faces: list[tuple[EmbeddedFace, ...]] = []
        for slot, photo in slots:
            if photo is None:
                return None
            faces.append((photo.faces[slot.position(photo)],) if photo.faces else ())
        first, second = faces
        return compare_faces(first, second, self.recognizer.spec, reject_issues=self.rejected)
