"""Who is enrolled on the page at one moment, and a change of it that can be undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from facehub.gallery.base import Gallery
from facehub.results import Candidate


@dataclass(frozen=True, eq=False)
class Enrolled:
    """People and their photos at one moment.

    Attributes:
        gallery: people and templates. A session's own is never changed, a shared one may be.
        crops: uint8 (H, W, 3), RGB, by the digest of the template; those that this process saw.
    """

    gallery: Gallery
    crops: Mapping[str, np.ndarray]

    def crop_of(self, candidate: Candidate) -> np.ndarray | None:
        """The crop of a candidate's example, if it is at hand."""
        if not self.crops or candidate.name not in self.gallery:
            return None
        examples = self.gallery.examples(candidate.name)[candidate.example :]
        return self.crops.get(examples[0].digest) if examples else None


Undo = Callable[[Gallery, dict[str, np.ndarray]], None]


@dataclass(frozen=True, eq=False)
class Change:
    """A change of people that can be undone.

    Attributes:
        text: what was changed, a sentence.
        undo: changes gallery and crops back, as far as others have not changed the same people.
    """

    text: str
    undo: Undo = field(repr=False)
