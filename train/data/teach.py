"""A teacher's embeddings of packed faces, by any face network, for `fit` to distil from."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from facehub.detect.base import FaceDetector
from facehub.io.files import write_atomically
from train.data.crops import CropEmbedder, embed_crops
from train.data.landmarks import landmarks_of
from train.data.openvino import OpenVinoEmbedder
from train.data.pack import open_pack
from train.evaluation.embedder import load_embedder


def embed_teacher(
    teacher: Path,
    faces: Path,
    target: Path,
    *,
    source: str = "",
    detector: FaceDetector | None = None,
) -> dict[str, int]:
    """Embed every packed face with a network and write what `teachers` in a config names.

    Faces get the network's own alignment, see `embed_crops`; the data set keeps the landmarks for
    the next teacher. A vector is the sum of those of the face and of its mirror image,
    L2-normalised (flip TTA), whatever the network's config says.

    Args:
        teacher: weight folder of any network (`facehub model add` makes one of an ONNX file), or
            the `.xml` of one that `OpenVinoEmbedder` knows.
        faces: packed data set.
        target: `.npz` to write: names, float16 (M, T), unit rows.
        source: the network's name, authors and licence, for the model card.
        detector: finds landmarks; None for MediaPipe.

    Returns:
        Counts: faces, and the length of a vector.

    Raises:
        WeightsError: the network is damaged, cannot be run, or its vectors are not finite.
        MissingLibraryError: the network needs OpenVINO, which is not installed.
        ValueError: the network does not fit these faces, or the file cannot be written.
    """
    if target.suffix != ".npz" or not target.parent.is_dir():
        raise ValueError(f"{target} should be an .npz file in a folder that is there")
    pack = open_pack(faces)
    network: CropEmbedder
    if teacher.suffix == ".xml":
        network = OpenVinoEmbedder(teacher)
    else:
        network = load_embedder(teacher, flip=False)
    landmarks = None
    if network.spec.template.nose is not None:
        landmarks = landmarks_of(faces, pack.crops, detector)
    vectors = embed_crops(network, pack.crops, landmarks=landmarks, mirrored=True)
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
        raise ValueError(f"{teacher} gives vectors of length 0")
    file = io.BytesIO()
    names = np.char.encode(pack.names, "utf-8")
    np.savez(file, names=names, embeddings=vectors.astype(np.float16), source=np.array(source))
    write_atomically(target, file.getvalue())
    return {"faces": len(vectors), "vector": vectors.shape[1]}
