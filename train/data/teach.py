"""A teacher's embeddings of packed faces, by any face network in ONNX, for `fit` to distil from."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from tqdm import tqdm

from facehub.io.files import write_atomically
from train.data.pack import open_pack
from train.model.distill import load_teacher

BATCH_SIZE = 32


def teach(
    model: Path,
    faces: Path,
    target: Path,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    beside: Path | None = None,
) -> dict[str, int]:
    """Embed every packed face with a network and write what `teacher` in a config names.

    Faces are made as large as the network's input with reflected borders: the 112 x 112 of ArcFace,
    SFace and others is our template with 8 more columns on either side.

    Args:
        model: ONNX file; float32 (N, 3, height, width) RGB in, (N, T) out, batch of any size or 1.
        faces: packed data set.
        target: `.npz` to write: names, float16 (M, T), unit rows if there is no other teacher.
        mean: subtracted from the pixels (0 to 255).
        std: they are then divided by it.
        beside: another teacher's `.npz` of these faces, to be put before the network's vectors; the
            two blocks are centred, and the variances of each sum to 1.

    Returns:
        Counts: faces, and the length of a vector.

    Raises:
        ValueError: the network or the other teacher does not fit these faces.
    """
    pack = open_pack(faces)
    other = load_teacher(beside, pack.names).numpy() if beside else None
    session, (height, width) = _session(model)
    rows, columns = height - pack.crops.shape[1], width - pack.crops.shape[2]
    if min(rows, columns) < 0:
        raise ValueError(f"{model} takes {width} x {height} pixels, less than a crop has")
    border = ((0, 0), (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0))
    parts = []
    for start in tqdm(range(0, len(pack.crops), BATCH_SIZE), unit="batch", leave=False):
        x = np.pad(pack.crops[start : start + BATCH_SIZE], border, mode="reflect")
        x = ((x.astype(np.float32) - mean) / std).transpose(0, 3, 1, 2)
        try:
            (found,) = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(x)})
        except Exception as error:  # the runtime's own kinds
            raise ValueError(f"{model} cannot be run on {len(x)} faces: {error}") from error
        if found.ndim != 2 or len(found) != len(x):
            raise ValueError(f"{model} gives {found.shape} for {len(x)} faces, not a vector each")
        parts.append(found)
    vectors = np.concatenate(parts)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(vectors).all():
        raise ValueError(f"{model} gives vectors of length 0 or that are not finite")
    if other is not None:
        vectors = np.concatenate([_standard(other), _standard(vectors)], axis=1)
    file = io.BytesIO()
    np.savez(file, names=np.char.encode(pack.names, "utf-8"), embeddings=vectors.astype(np.float16))
    write_atomically(target, file.getvalue())
    return {"faces": len(vectors), "vector": vectors.shape[1]}


def _standard(vectors: np.ndarray) -> np.ndarray:
    centred = vectors - vectors.mean(axis=0)
    return centred / np.sqrt(centred.var(axis=0).sum())


def _session(path: Path) -> tuple[onnxruntime.InferenceSession, tuple[int, int]]:
    """The network, for batches of any size, and its (height, width)."""
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's own kinds
        raise ValueError(f"{path} is not an ONNX file") from error
    graph = model.graph
    # Files of OpenCV's zoo list weights among the inputs, even ones that nothing reads.
    read = {name for node in graph.node for name in node.input}
    read -= {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name in read]
    del graph.input[:]
    graph.input.extend(inputs)
    shape = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim] if len(inputs) == 1 else []
    if len(shape) != 4 or shape[1] != 3 or 0 in shape[2:] or len(graph.output) != 1:
        raise ValueError(f"{path} does not take (N, 3, height, width) and give one output")
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=onnxruntime.get_available_providers()
    )
    return session, (shape[2], shape[3])
