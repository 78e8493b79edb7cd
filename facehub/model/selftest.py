"""Check at load time that a network computes the same as at its publisher."""

from __future__ import annotations

import numpy as np

from facehub.errors import WeightsError
from facehub.model.runtime import has_int8_instructions
from facehub.model.spec import ModelSpec
from facehub.template import AlignmentTemplate

# Lowest cosine similarity to the known answer, by precision. int8 results differ slightly between
# CPUs, and more on one without fast 8-bit instructions.
MIN_AGREEMENT = {"float32": 0.999, "file": 0.99, "int8": 0.97}
MIN_AGREEMENT_SLOW_INT8 = 0.9
MAX_ALIKE = 0.99999  # highest cosine similarity of two different crops


def synthetic_crops(template: AlignmentTemplate) -> np.ndarray:
    """Draw two simple faces, identical on every machine.

    Args:
        template: gives the size and the positions of the eyes.

    Returns:
        uint8 (2, height, width, 3), RGB, 0 to 255.
    """
    t = template
    y, x = np.mgrid[: t.height, : t.width].astype(np.float64)
    unit = t.inter_eye
    middle_x = (t.left_eye[0] + t.right_eye[0]) / 2
    eye_y = (t.left_eye[1] + t.right_eye[1]) / 2

    def spot(centre_x: float, centre_y: float, wide: float, high: float) -> np.ndarray:
        """An ellipse, 1 in the centre and 0 at the edge; axes in units of `inter_eye`."""
        distance = ((x - centre_x) / (wide * unit)) ** 2 + ((y - centre_y) / (high * unit)) ** 2
        return np.asarray(np.clip(1.5 - 1.5 * distance, 0, 1))[..., None]

    crops = []
    for skin, hair, mouth_at, brow in (
        ((224, 172, 140), (60, 40, 30), 1.15, 0.30),
        ((141, 96, 70), (190, 190, 180), 1.00, 0.22),
    ):
        picture = np.full((t.height, t.width, 3), hair, np.float64)
        shade = 1 - 0.25 * (x - middle_x)[..., None] / t.width
        for colour, where in (
            (skin, spot(middle_x, eye_y + 0.45 * unit, 1.15, 1.5)),
            (hair, spot(t.left_eye[0], eye_y - brow * unit, 0.35, 0.1)),
            (hair, spot(t.right_eye[0], eye_y - brow * unit, 0.35, 0.1)),
            ((250, 250, 250), spot(*t.left_eye, 0.28, 0.16)),
            ((250, 250, 250), spot(*t.right_eye, 0.28, 0.16)),
            ((30, 25, 20), spot(*t.left_eye, 0.12, 0.13)),
            ((30, 25, 20), spot(*t.right_eye, 0.12, 0.13)),
            ((120, 80, 70), spot(middle_x, eye_y + 0.65 * unit, 0.16, 0.12)),
            ((150, 50, 60), spot(middle_x, eye_y + mouth_at * unit, 0.4, 0.14)),
        ):
            picture += where * (np.array(colour, np.float64) * shade - picture)
        crops.append(np.clip(np.round(picture), 0, 255).astype(np.uint8))
    return np.stack(crops)


def known_answer(embedding: np.ndarray) -> tuple[float, ...]:
    """Round the first crop's embedding to five digits for `config.json`; () if not finite."""
    if not np.isfinite(embedding).all():
        return ()
    return tuple(round(float(value), 5) for value in embedding)


def check_answers(embeddings: np.ndarray, spec: ModelSpec, precision: str) -> None:
    """Check the embeddings of `synthetic_crops`.

    Args:
        embeddings: float32 (2, embedding_size), L2-normalised rows.
        spec: holds the known answer, if there is one.
        precision: "float32", "file" or "int8"; sets the tolerance.

    Raises:
        WeightsError: an embedding is not finite or zero, both are equal, or the first differs from
            the known answer.
    """
    if not np.isfinite(embeddings).all():
        raise WeightsError("The weights are damaged: embeddings are not finite.")
    if not np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-3):
        raise WeightsError("The weights are damaged: an embedding is zero.")
    if float(embeddings[0] @ embeddings[1]) > MAX_ALIKE:
        raise WeightsError("The weights are damaged: different faces get the same embedding.")
    if spec.known_answer:
        known = np.array(spec.known_answer) / np.linalg.norm(spec.known_answer)
        wanted = MIN_AGREEMENT[precision]
        if precision == "int8" and not has_int8_instructions():
            wanted = MIN_AGREEMENT_SLOW_INT8
        if not float(embeddings[0] @ known) >= wanted:
            raise WeightsError(
                "The weights are damaged: the embedding of a test picture differs from the one in "
                "config.json."
            )
