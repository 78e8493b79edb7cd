"""Downloads that the page itself holds: none is a file on the server."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from facehub.album import Album
from facehub.demo import texts
from facehub.io.spreadsheet import cell
from facehub.results import IdentifiedFace, rounded

BOX = ("box_x0", "box_y0", "box_x1", "box_y1")
_PARTS = ("", "_similarity")  # of a candidate's columns


@dataclass(frozen=True)
class Download:
    """A file to offer.

    Attributes:
        name: of the file.
        kind: its media type.
        content: text; a lone surrogate of a file's name becomes a question mark.
    """

    name: str
    kind: str
    content: str


def of_album(album: Album) -> str:
    """Links to the album as JSON and as CSV: names, photos and boxes, no picture or embedding."""
    return _links(
        [
            Download("album.json", "application/json", json.dumps(album.to_dict(), indent=2)),
            Download("album.csv", "text/csv", album.to_csv()),
        ]
    )


def of_faces(faces: Sequence[IdentifiedFace]) -> str:
    """A button for the picture with its boxes, which the browser draws, and a link to the CSV."""
    button = (
        f'<button type="button" class="fh-download-picture">'
        f"{escape(texts.DOWNLOAD_PICTURE)}</button>"
    )
    return _links([Download("faces.csv", "text/csv", faces_csv(faces))], button)


def faces_csv(faces: Sequence[IdentifiedFace]) -> str:
    """One line for each face, with the most similar people, best first.

    Columns: face, from 1; name and similarity, both empty for an unknown face; the box in pixels
    of the upload; issues, separated by spaces; candidate_1, candidate_1_similarity and so on.
    """
    count = max((len(face.candidates) for face in faces), default=0)
    text = io.StringIO()
    writer = csv.writer(text)
    candidates = [f"candidate_{n}{part}" for n in range(1, count + 1) for part in _PARTS]
    writer.writerow(["face", "name", "similarity", *BOX, "issues", *candidates])
    for number, face in enumerate(faces, 1):
        box = [round(float(value), 1) for value in face.probe.face.box]
        issues = " ".join(issue.value for issue in face.probe.issues)
        row = [number, cell(face.name or ""), rounded(face.similarity), *box, issues]
        for candidate in face.candidates:
            row += [cell(candidate.name), rounded(candidate.similarity)]
        writer.writerow(row + [""] * (count - len(face.candidates)) * len(_PARTS))
    return text.getvalue()


def _links(files: Sequence[Download], before: str = "") -> str:
    return f'<div class="fh-links">{before}{"".join(map(_link, files))}</div>'


def _link(file: Download) -> str:
    data = base64.b64encode(file.content.encode(errors="replace")).decode()
    text = texts.DOWNLOAD.format(file=file.name)
    return f'<a download="{file.name}" href="data:{file.kind};base64,{data}">{escape(text)}</a>'
