"""What only the gallery in memory can do."""

from __future__ import annotations

import numpy as np

from facehub import MemoryGallery

X, Y, Z = np.eye(3, dtype=np.float32)


def test_copy_of_a_gallery_changes_independently() -> None:
    people = MemoryGallery("sha256:a", 3)
    people.add("Ann", X)
    people.add("Bob", Y)
    other = people.copy()
    assert other.people() == people.people()
    assert other.fingerprint == "sha256:a"
    people.add("Ann", Z)
    other.remove("Bob")
    assert [(len(g), g.n_templates) for g in (people, other)] == [(2, 3), (1, 1)]
    assert [c.name for c in other.search(Z[None])[0]] == ["Ann"]
    assert [c.similarity for c in people.search(Z[None])[0]] == [1, 0]
