"""Write an ONNX graph node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facehub.model import wire
from facehub.model.fingerprint import fits_half
from facehub.model.wire import Attribute

OPSET, IR_VERSION = 17, 8  # old enough for every runtime of the last years


class GraphBuilder:
    """Nodes and weights so far. Values are known by their names."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.weights: list[bytes] = []

    def add(self, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """Add a node with one output; returns the output's name."""
        output = f"v{len(self.nodes)}"
        self.add_named(operator, inputs, [output], **attributes)
        return output

    def add_named(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        **attributes: Attribute,
    ) -> None:
        """Add a node whose outputs have names of their own."""
        self.nodes.append(wire.node(operator, inputs, outputs, attributes))

    def constant(self, value: np.ndarray | np.generic) -> str:
        """Add a weight as it is."""
        name = f"w{len(self.weights)}"
        self.weights.append(wire.tensor(name, np.asarray(value)))
        return name

    def weight(self, value: np.ndarray) -> str:
        """Add a float weight; stored as float16 where that loses nothing, float32 in use."""
        if fits_half(value):
            half = self.constant(value.astype(np.float16))
            return self.add("Cast", half, to=wire.FLOAT)
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
        self, inputs: list[bytes], outputs: list[bytes], metadata: Mapping[str, str]
    ) -> bytes:
        """The content of the `.onnx` file."""
        return wire.model(
            nodes=self.nodes,
            weights=self.weights,
            inputs=inputs,
            outputs=outputs,
            metadata=metadata,
            opset=OPSET,
            ir_version=IR_VERSION,
        )
