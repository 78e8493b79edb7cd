"""Build an ONNX graph node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facehub.model import wire
from facehub.model.fingerprint import fits_half
from facehub.model.wire import Attribute

OPSET, IR_VERSION = 17, 8  # supported by every recent runtime


class GraphBuilder:
    """Collects nodes and weights. Values are referred to by name."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.weights: list[bytes] = []

    def add(self, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """Add a node with one output; return the output's name."""
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
        """Add a node with given output names."""
        self.nodes.append(wire.node(operator, inputs, outputs, attributes))

    def constant(self, value: np.ndarray | np.generic) -> str:
        """Add a tensor in its own dtype; return its name."""
        name = f"w{len(self.weights)}"
        self.weights.append(wire.tensor(name, np.asarray(value)))
        return name

    def weight(self, value: np.ndarray) -> str:
        """Add a float32 weight, stored as float16 if that is lossless; return its name."""
        if fits_half(value):
            half = self.constant(value.astype(np.float16))
            return self.add("Cast", half, to=wire.FLOAT)
        return self.constant(value.astype(np.float32))

    def normalize_rows(self, x: str) -> str:
        """L2-normalise the rows."""
        length = self.add("ReduceL2", x, axes=[1], keepdims=1)
        return self.add("Div", x, self.add("Max", length, self.constant(np.float32(1e-12))))

    def flip(self, x: str, axis: int) -> str:
        """Reverse one axis."""
        bounds = [self.constant(np.array([n], np.int64)) for n in (-1, -(2**31), axis, -1)]
        return self.add("Slice", x, *bounds)

    def finish(
        self, inputs: list[bytes], outputs: list[bytes], metadata: Mapping[str, str]
    ) -> bytes:
        """Serialise the graph: the content of an `.onnx` file."""
        return wire.model(
            nodes=self.nodes,
            weights=self.weights,
            inputs=inputs,
            outputs=outputs,
            metadata=metadata,
            opset=OPSET,
            ir_version=IR_VERSION,
        )
