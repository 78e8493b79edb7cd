"""Make a weight folder from any face network in ONNX."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from facehub.errors import FaceHubError, WeightsError
from facehub.io.files import write_atomically
from facehub.model.fingerprint import fingerprint
from facehub.model.onnx import OnnxEmbedder, preprocess
from facehub.model.runtime import open_session
from facehub.model.selftest import known_answer, synthetic_crops
from facehub.model.spec import MAX_EMBEDDING, ModelSpec, Preprocessing
from facehub.model.store import CONFIG_FILE, Weights, write_spec
from facehub.template import AlignmentTemplate

BATCH_TOLERANCE = 1e-3  # largest loss of cosine similarity between batched and single faces


def add_network(
    network: Path,
    folder: Path,
    *,
    template: AlignmentTemplate,
    preprocessing: Preprocessing,
    flip: bool = False,
    threshold: float | None = None,
    overwrite: bool = False,
) -> ModelSpec:
    """Write `config.json` and a copy of an ONNX network into a folder.

    The copy accepts batches of any size if the network can. Weights listed among the graph's
    inputs, as in OpenCV's zoo, are removed from the inputs. The network is run once, so an unfit
    network fails here.

    Args:
        network: ONNX file with one input, float32 (N, 3, H, W) or (N, H, W, 3), and one output,
            float32 (N, embedding_size).
        folder: created if missing.
        template: alignment that the network expects; its size must equal the input's.
        preprocessing: from the aligned uint8 crop to the network's input.
        flip: whether to use flip test-time augmentation (flip TTA).
        threshold: cosine similarity from which two faces count as one person; None if unknown:
            `verify` then answers "uncalibrated" until `python -m train calibrate` has run.
        overwrite: whether to replace weights that the folder already holds.

    Returns:
        The spec, as written to `config.json`.

    Raises:
        WeightsError: the file is not ONNX, does not fit the template or cannot be run; or the
            folder cannot be written or already holds weights.
    """
    if not overwrite and os.path.lexists(folder / CONFIG_FILE):
        raise WeightsError(f"{folder} already holds weights.")
    try:
        model = onnx.load(network)
    except FileNotFoundError as error:
        raise WeightsError(f"There is no file {network}.") from error
    except Exception as error:  # protobuf's errors have no public base class
        raise WeightsError(f"{network} is not an ONNX file.") from error
    _check_input(model, network, template, preprocessing)
    name = re.sub(r"[^\w.-]", "-", network.stem).lstrip("-.") or "network"
    any_batch = _with_batch(model, "faces")
    spec = ModelSpec(
        architecture="onnx",
        file=f"{name}.onnx",
        embedding_size=_embedding_size(any_batch, template, preprocessing),
        flip=flip,
        preprocessing=preprocessing,
        template=template,
        threshold=threshold,
    )
    content, answer = _check_batches(model, any_batch, spec, folder)
    spec = replace(spec, known_answer=known_answer(answer), fingerprint=fingerprint(content, spec))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / str(spec.file), content)
        write_spec(folder, spec)
    except OSError as error:
        raise WeightsError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return spec


def _check_input(
    model: onnx.ModelProto, path: Path, template: AlignmentTemplate, preprocessing: Preprocessing
) -> None:
    graph = model.graph
    read = {name for node in graph.node for name in node.input}
    read -= {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name in read]
    del graph.input[:]
    graph.input.extend(inputs)
    channels_first = preprocessing.layout == "NCHW"
    wanted = (template.height, template.width)
    shape = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim] if len(inputs) == 1 else []
    if len(shape) != 4 or shape[1 if channels_first else 3] not in (0, 3) or len(graph.output) != 1:
        layout = "(N, 3, height, width)" if channels_first else "(N, height, width, 3)"
        raise WeightsError(f"{path} needs one input {layout} and one output.")
    if inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise WeightsError(f"{path} needs a float32 input.")
    size = shape[2:] if channels_first else shape[1:3]
    if any(found not in (0, asked) for found, asked in zip(size, wanted, strict=True)):
        raise WeightsError(
            f"{path} takes {size[1]} x {size[0]} pixels; the template has "
            f"{template.width} x {template.height}."
        )


def _with_batch(model: onnx.ModelProto, size: str | int) -> bytes:
    """Serialise the network for batches of any size ("faces") or of a fixed one."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in (*copy.graph.input, *copy.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        if dimensions and isinstance(size, str):
            dimensions[0].dim_param = size
        elif dimensions:
            dimensions[0].dim_value = int(size)
    del copy.graph.value_info[:]  # may hold the old batch size
    content: bytes = copy.SerializeToString()
    return content


def _embedding_size(
    content: bytes, template: AlignmentTemplate, preprocessing: Preprocessing
) -> int:
    """Run the network on one crop, as the output's declared shape may be incomplete."""
    probe = ModelSpec(
        architecture="onnx", file="x.onnx", template=template, preprocessing=preprocessing
    )
    x = preprocess(synthetic_crops(template)[:1], probe)
    try:
        session = open_session(content)
        found = np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0])
    except Exception as error:  # ONNX Runtime's errors have no common base
        raise WeightsError(f"The network cannot be run: {error}") from error
    if found.ndim != 2 or len(found) != 1 or not 1 <= found.shape[1] <= MAX_EMBEDDING:
        raise WeightsError(f"The network returns {found.shape} for one face, not one vector.")
    return int(found.shape[1])


def _check_batches(
    model: onnx.ModelProto, any_batch: bytes, spec: ModelSpec, folder: Path
) -> tuple[bytes, np.ndarray]:
    """Compare batched with single inference; return the network to store and its known answer."""
    crops = synthetic_crops(spec.template)
    single = _with_batch(model, 1)
    one_by_one = OnnxEmbedder(Weights(spec, single, folder), device="cpu").embed(crops)
    try:
        together = OnnxEmbedder(Weights(spec, any_batch, folder), device="cpu").embed(crops)
    except FaceHubError:
        return single, one_by_one[0]
    agree = float((together * one_by_one).sum(axis=1).min()) > 1 - BATCH_TOLERANCE
    return (any_batch if agree else single), one_by_one[0]
