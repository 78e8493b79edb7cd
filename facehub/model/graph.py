"""The ResNet18 as an ONNX graph (float32 or int8): uint8 crops in, L2-normalised embeddings out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from facehub.errors import WeightsError
from facehub.model import wire
from facehub.model.layers import Float32Layers, Layers, Value
from facehub.model.nodes import GraphBuilder
from facehub.model.quantized import Int8Layers
from facehub.model.resnet18 import activations, blocks, stem
from facehub.model.spec import ModelSpec

Precision = Literal["float32", "int8"]


def to_onnx(
    tensors: Mapping[str, np.ndarray],
    spec: ModelSpec,
    *,
    precision: Precision = "float32",
    with_activations: bool = False,
) -> bytes:
    """Write the network as ONNX, with its preprocessing, flip and L2 normalisation.

    The input `crops` is uint8 (N, height, width, 3), RGB, aligned; the output `embeddings` is
    float32 (N, embedding_size), L2-normalised rows. The metadata hold fingerprint, threshold and
    precision.

    Args:
        tensors: weights by name, checked by `check_tensors`.
        spec: how the weights are used.
        precision: "int8" quantises the convolutions (QDQ, per channel) by `spec.activation_ranges`;
            "float32" stores weights as float16 if that is lossless.
        with_activations: add every activation of a float32 graph to its outputs, named as in
            `activations`.

    Raises:
        WeightsError: precision is "int8" and an activation's range is missing.
    """
    graph = GraphBuilder()
    x = "crops"
    if spec.flip:
        x = graph.add("Concat", x, graph.flip(x, axis=2), axis=0)
    x = _preprocess(graph, x, spec)
    activation_names: dict[str, str] = {}
    if precision == "int8":
        missing = set(activations(spec)) - spec.activation_ranges.keys()
        if missing:
            raise WeightsError(
                f"These weights cannot run as int8: the range of {min(missing)} was not measured "
                "(`python -m train quantize` measures it)."
            )
        x = _network(Int8Layers(graph, tensors, spec.activation_ranges), x, spec)
    else:
        layers = Float32Layers(graph, tensors)
        x, activation_names = _network(layers, x, spec), layers.activations
    x = graph.normalize_rows(x)
    if spec.flip:
        graph.add_named("Split", [x], ["crop", "flipped"], axis=0)
        x = graph.normalize_rows(graph.add("Add", "crop", "flipped"))
    graph.add_named("Identity", [x], ["embeddings"])

    t = spec.template
    outputs = [wire.value_info("embeddings", wire.FLOAT, ["faces", spec.embedding_size])]
    if with_activations:
        for name, value in activation_names.items():
            graph.add_named("Identity", [value], [name])
            outputs.append(wire.value_info(name, wire.FLOAT, None))
    return graph.finish(
        [wire.value_info("crops", wire.UINT8, ["faces", t.height, t.width, 3])],
        outputs,
        {
            "fingerprint": spec.fingerprint or "",
            "threshold": "" if spec.threshold is None else str(spec.threshold),
            "precision": precision,
        },
    )


def _network(layers: Layers[Value], crops: str, spec: ModelSpec) -> str:
    """From preprocessed crops to float32 (N, embedding_size), before L2 normalisation."""
    x = layers.convolve(layers.enter(crops, spec.preprocessing), stem(spec))
    if spec.stem == "imagenet":
        x = layers.max_pool(x)
    for block in blocks(spec):
        y = layers.normalize(x, block.norm, f"{block.name}.bn1") if block.norm else x
        y = layers.convolve(layers.convolve(y, block.first), block.second)
        if block.shortcut is not None:
            x = layers.convolve(x, block.shortcut)
        x = layers.add(y, x, block.name, relu=block.relu)
    return layers.embed(x, spec.head)


def _preprocess(graph: GraphBuilder, x: str, spec: ModelSpec) -> str:
    """From uint8 (N, H, W, 3) RGB to float32 (N, 3, H, W)."""
    p = spec.preprocessing
    x = graph.add("Cast", x, to=wire.FLOAT)
    x = graph.add("Sub", x, graph.constant(np.array(p.mean, np.float32)))
    x = graph.add("Div", x, graph.constant(np.array(p.std, np.float32)))
    return graph.add("Transpose", x, perm=[0, 3, 1, 2])
