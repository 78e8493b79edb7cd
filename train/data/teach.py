"""A teacher's embeddings of packed faces, by any face network, for `fit` to distil from."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from facehub.io.files import write_atomically
from train.data.crops import embed_crops
from train.data.pack import open_pack
from train.evaluation.embedder import load_embedder
from train.model.distill import load_teacher


def embed_teacher(
    teacher: Path, faces: Path, target: Path, *, beside: Path | None = None
) -> dict[str, int]:
    """Embed every packed face with a network and write what `teacher` in a config names.

    Faces get the size of the network's input by `fit_crops`.

    Args:
        teacher: weight folder of any network; `facehub model add` makes one of an ONNX file.
        faces: packed data set.
        target: `.npz` to write: names, float16 (M, T), unit rows if there is no other teacher.
        beside: another teacher's `.npz` of these faces, to be put before the network's vectors; the
            two blocks are centred, and the variances of each sum to 1.

    Returns:
        Counts: faces, and the length of a vector.

    Raises:
        WeightsError: the network is damaged, cannot be run, or its vectors are not finite.
        ValueError: the network or the other teacher does not fit these faces.
    """
    pack = open_pack(faces)
    other = load_teacher(beside, pack.names).numpy() if beside else None
    vectors = embed_crops(load_embedder(teacher), pack.crops)
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
        raise ValueError(f"{teacher} gives vectors of length 0")
    if other is not None:
        vectors = np.concatenate([_standardised(other), _standardised(vectors)], axis=1)
    file = io.BytesIO()
    np.savez(file, names=np.char.encode(pack.names, "utf-8"), embeddings=vectors.astype(np.float16))
    write_atomically(target, file.getvalue())
    return {"faces": len(vectors), "vector": vectors.shape[1]}


def _standardised(vectors: np.ndarray) -> np.ndarray:
    centred = vectors - vectors.mean(axis=0)
    return np.asarray(centred / np.sqrt(centred.var(axis=0).sum()))
