"""What the service takes and answers, as OpenAPI describes it.

The answers have the form of the library's results (`to_dict` in `facehub/results.py`); a test holds
them together.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from facehub.results import Decision, QualityIssue


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Face(_Strict):
    """A face. Image coordinates are pixels, x right, y down; angles are degrees."""

    box: tuple[float, float, float, float] = Field(description="x0, y0, x1, y1")
    inter_eye: float = Field(description="distance between the pupils, pixels")
    yaw: float = Field(description="degrees, positive when the face turns to the picture's right")
    pitch: float = Field(description="degrees, positive when it looks up")
    roll: float = Field(description="degrees, -180 to 180, positive clockwise")
    issues: list[QualityIssue] = Field(description="what may make a comparison unreliable")


class ComparedFace(Face):
    """The face of a picture that was compared."""

    index: int = Field(description="position among the picture's faces, from left to right, from 0")


class EmbeddedFace(Face):
    """A face with its embedding, L2-normalised. Biometric data: guard it like the photo."""

    embedding: list[float] = Field(description="of length 1")


class Embeddings(_Strict):
    """Every face of a picture, from left to right."""

    fingerprint: str = Field(description="of the weights: only equal ones can be compared")
    faces: list[EmbeddedFace]


class Verification(_Strict):
    """Whether two pictures show the same person."""

    decision: Decision
    similarity: float | None = Field(description="cosine, -1 to 1; null where it cannot tell")
    threshold: float | None = Field(
        description="similarity from which two faces count as one person, -1 to 1; null where the "
        "weights have none"
    )
    uncertain_margin: float = Field(description="width of the uncertain band below the threshold")
    reason: str | None = Field(description="why it cannot tell")
    first: ComparedFace | None = Field(description="null where no face of it could be chosen")
    second: ComparedFace | None = Field(description="the same of the second picture")


class Candidate(_Strict):
    """A person that a face resembles."""

    name: str
    similarity: float = Field(description="cosine of the person's best example, -1 to 1")
    example: int = Field(description="which of the person's, from 0")
    source: str
    fpir: float | None = Field(
        description="share of strangers, 0 to 1, who come this near to somebody here; null where "
        "it is not known"
    )
    extrapolated: bool = Field(description="whether that is beyond what was measured")


class IdentifiedFace(Face):
    """A face and who it may be."""

    name: str | None = Field(description="null for unknown")
    similarity: float | None = Field(description="cosine, -1 to 1; null for unknown")
    candidates: list[Candidate] = Field(description="best first, also below the threshold")


class Identification(_Strict):
    """Who is in a picture: every face, from left to right."""

    threshold: float | None = Field(description="similarity from which a face is named")
    exact: bool = Field(description="false: somebody in the gallery may have been missed")
    faces: list[IdentifiedFace]


class Person(_Strict):
    """A person of a gallery."""

    name: str
    templates: int


class People(_Strict):
    """One page of a gallery's people, in the order of enrolment."""

    total: int
    offset: int
    people: list[Person]


class Enrolment(_Strict):
    """The result of an enrolment."""

    name: str
    digest: str = Field(description="SHA-256 of the template, which names it in the gallery")
    added: bool = Field(description="false where the person had this very photo already")
    face: Face


class Rename(_Strict):
    """A person to rename."""

    name: str
    new_name: str


class Remove(_Strict):
    """A person to remove, or one of their examples."""

    name: str
    digest: str | None = Field(None, description="of one example; null for the whole person")


class Health(_Strict):
    """The service runs."""

    status: str
    version: str


class Problem(BaseModel):
    """Problem details (RFC 9457), with the name of the error's class."""

    type: str
    title: str
    status: int
    detail: str
    error: str
