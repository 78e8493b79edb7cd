"""Embed packed faces with a teacher network, for distillation in `fit`."""

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
    """Embed every packed face with a network, and write a file for `teachers` in a config.

    Faces get the network's own alignment, see `embed_crops`; the landmarks are stored with the data
    set for the next teacher. Embeddings always use flip test-time augmentation (flip TTA).

    Args:
        teacher: weight folder of any network (`facehub model add` makes one from an ONNX file), or
            the `.xml` of a network that `OpenVinoEmbedder` supports.
        faces: packed data set.
        target: `.npz` to write: names, and embeddings, float16 (M, T), L2-normalised rows.
        source: the network's name, authors and licence, for the model card.
        detector: finds landmarks; None: MediaPipe.

    Returns:
        Counts: faces, and the length of a vector.

    Raises:
        WeightsError: the network is damaged, cannot be run, or its vectors are not finite.
        MissingLibraryError: the network needs OpenVINO, which is not installed.
        ValueError: the network does not fit these faces, or the file cannot be written.
    """
    if target.suffix != ".npz" or not target.parent.is_dir():
        raise ValueError(f"{target} must be an .npz file in an existing folder")
    pack = open_pack(faces)
    network: CropEmbedder
    if teacher.suffix == ".xml":
        network = OpenVinoEmbedder(teacher)
    else:
        network = load_embedder(teacher, flip=False)
    landmarks = None
    if network.spec.template.nose is not None:
        landmarks = landmarks_of(faces, pack.crops, detector)
    vectors = embed_crops(network, pack.crops, landmarks=landmarks, flip=True)
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
        raise ValueError(f"{teacher} returns zero vectors")
    file = io.BytesIO()
    names = np.char.encode(pack.names, "utf-8")
    np.savez(file, names=names, embeddings=vectors.astype(np.float16), source=np.array(source))
    write_atomically(target, file.getvalue())
    return {"faces": len(vectors), "vector": vectors.shape[1]}
