"""A browser session's gallery: templates, and the crops that the picture wall shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facehub.demo import texts
from facehub.errors import FaceHubError, GalleryError
from facehub.gallery import Gallery
from facehub.identification import enrol
from facehub.images import ImageSource
from facehub.recognizer import FaceRecognizer

MAX_PHOTOS = 300
LIFETIME = 3600  # seconds without use


@dataclass
class SessionGallery:
    """What one browser session has enrolled; lives in memory only.

    Attributes:
        gallery: people and templates; a template's source is its key in `crops`.
        crops: uint8 (112, 96, 3), RGB, by source.
    """

    gallery: Gallery
    crops: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    _enrolled: int = 0

    def enrol(self, name: str, image: ImageSource, file: str, recognizer: FaceRecognizer) -> None:
        """Add a photo; on any error nothing changes.

        Raises:
            FaceHubError: the photo or the name is no good, or the gallery is full.
        """
        if self.gallery.n_templates >= MAX_PHOTOS:
            raise GalleryError(texts.FULL.format(limit=MAX_PHOTOS))
        source = f"{self._enrolled + 1}. {file}"
        face = enrol(self.gallery, name, image, source=source, recognizer=recognizer)
        self._enrolled += 1
        self.crops[source] = face.face.crop

    def enrol_many(
        self, name: str, files: list[str], recognizer: FaceRecognizer
    ) -> tuple[int, list[str]]:
        """Add several photos.

        Args:
            name: who they show; empty to take each file's name.
            files: paths of uploads.
            recognizer: weights in use.

        Returns:
            How many were added, and a message for each that was not.
        """
        failures = []
        for file in files:
            shown = Path(file).name
            try:
                self.enrol(name.strip() or name_from_file(shown), file, shown, recognizer)
            except FaceHubError as error:
                failures.append(f"{shown}: {error}")
        return len(files) - len(failures), failures

    def remove(self, name: str) -> None:
        """Forget a person."""
        for example in self.gallery.examples(name):
            self.crops.pop(example.source, None)  # a gallery file has no crops
        self.gallery.remove(name)


def name_from_file(file: str) -> str:
    """`ada_lovelace-2.jpg` shows "ada lovelace": no suffix, no number at the end."""
    stem = re.sub(r"[_\-. ]+", " ", Path(file).stem)
    return re.sub(r"[\d() ]+$", "", stem).strip() or stem.strip() or file
