"""Select one of a picture's faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from facehub.errors import MultipleFacesError, NoFaceError
from facehub.results import Face

FacePolicy = Literal["exactly_one", "largest", "central"]


def select_face(
    faces: Sequence[Face], image_shape: tuple[int, ...], policy: FacePolicy = "exactly_one"
) -> int:
    """Select one face of a picture.

    Args:
        faces: all faces of the picture.
        image_shape: (H, W, ...) of the picture.
        policy: "exactly_one" refuses several faces; "largest" selects the largest box; "central"
            the face nearest the centre, as labelled data sets mean it.

    Returns:
        Its index in `faces`.

    Raises:
        NoFaceError: there is no face.
        MultipleFacesError: there are several, and the policy is "exactly_one".
        ValueError: the policy is unknown.
    """
    if policy not in get_args(FacePolicy):
        raise ValueError(f"policy must be one of {get_args(FacePolicy)}, not {policy!r}")
    if not faces:
        raise NoFaceError("No face was found. Use a picture that shows the face clearly.")
    if policy == "central":
        middle = np.array(image_shape[1::-1]) / 2
        distances = [float(np.linalg.norm(f.pupils.mean(axis=0) - middle)) for f in faces]
        return int(np.argmin(distances))
    if len(faces) > 1 and policy == "exactly_one":
        raise MultipleFacesError(
            f"{len(faces)} faces were found, but exactly one was expected. "
            "Crop the picture so that it shows one."
        )
    return int(np.argmax([face.area for face in faces]))
