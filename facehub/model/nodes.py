"""Write an ONNX graph node by node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facehub.model.fingerprint import fits_half

OPSET, IR_VERSION = 17, 8  # old enough for every runtime of the last years


class GraphBuilder:
    """Nodes and weights so far. Values are known by their names."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; returns the output's name."""
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, value: np.ndarray | np.generic) -> str:
        """Add a weight as it is."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, value: np.ndarray) -> str:
        """Add a float weight; stored as float16 where that loses nothing, float32 in use."""
        if fits_half(value):
            half = self.constant(value.astype(np.float16))
            return self.add("Cast", half, to=TensorProto.FLOAT)
        return self.constant(value.astype(np.float32))

    def unit_rows(self, x: str) -> str:
        """L2-normalise the rows."""
        length = self.add("ReduceL2", x, axes=[1], keepdims=1)
        return self.add("Div", x, self.add("Max", length, self.constant(np.float32(1e-12))))

    def mirrored(self, x: str, axis: int) -> str:
        """Reverse one axis."""
        bounds = [self.constant(np.array([n], np.int64)) for n in (-1, -(2**31), axis, -1)]
        return self.add("Slice", x, *bounds)

    def finish(
        self,
        inputs: list[onnx.ValueInfoProto],
        outputs: list[onnx.ValueInfoProto],
        metadata: Mapping[str, str],
    ) -> bytes:
        """The content of the `.onnx` file."""
        model = helper.make_model(
            helper.make_graph(self.nodes, "facehub", inputs, outputs, self.weights),
            producer_name="facehub",
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
        helper.set_model_props(model, dict(metadata))
        content: bytes = model.SerializeToString()
        return content
