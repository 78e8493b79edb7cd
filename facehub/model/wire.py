"""Serialise ONNX messages in Protocol Buffers' wire format.

Inference writes one small graph at each start. The `onnx` package could do it too, at a cost of
34 MB and a tenth of a second. The tests read every graph back with it and run its checker.

Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

Attribute = int | float | Sequence[int]

FLOAT, UINT8, INT8, INT32, INT64, FLOAT16 = 1, 2, 3, 6, 7, 10  # TensorProto.DataType
_TYPES = {"f4": FLOAT, "u1": UINT8, "i1": INT8, "i4": INT32, "i8": INT64, "f2": FLOAT16}


def node(
    operator: str,
    inputs: Iterable[str],
    outputs: Iterable[str],
    attributes: Mapping[str, Attribute],
) -> bytes:
    """Serialise a NodeProto."""
    parts = [_text(1, name) for name in inputs] + [_text(2, name) for name in outputs]
    parts.append(_text(4, operator))
    parts += [_message(5, _attribute(name, value)) for name, value in attributes.items()]
    return b"".join(parts)


def tensor(name: str, value: np.ndarray) -> bytes:
    """Serialise a TensorProto."""
    value = value.astype(value.dtype.newbyteorder("<"), copy=False)
    parts = [_number(1, size) for size in value.shape]
    parts += [_number(2, _TYPES[value.dtype.str[1:]]), _text(8, name)]
    return b"".join(parts) + _message(9, value.tobytes())


def value_info(name: str, kind: int, shape: Sequence[int | str] | None) -> bytes:
    """Serialise a tensor's ValueInfoProto; a string in a shape names a dynamic size."""
    tensor_type = _number(1, kind)
    if shape is not None:
        sizes = [_text(2, s) if isinstance(s, str) else _number(1, s) for s in shape]
        tensor_type += _message(2, b"".join(_message(1, size) for size in sizes))
    return _text(1, name) + _message(2, _message(1, tensor_type))


def model(
    *,
    nodes: Iterable[bytes],
    weights: Iterable[bytes],
    inputs: Iterable[bytes],
    outputs: Iterable[bytes],
    metadata: Mapping[str, str],
    opset: int,
    ir_version: int,
) -> bytes:
    """Serialise a ModelProto: the content of an `.onnx` file.

    Args:
        nodes: from `node`, in topological order.
        weights: from `tensor`.
        inputs, outputs: from `value_info`.
        metadata: `metadata_props`.
        opset: version of the operators.
        ir_version: version of the format.
    """
    graph = [_message(1, each) for each in nodes]
    graph.append(_text(2, "facehub"))
    graph += [_message(5, each) for each in weights]
    graph += [_message(11, each) for each in inputs] + [_message(12, each) for each in outputs]
    parts = [_number(1, ir_version), _text(2, "facehub"), _message(7, b"".join(graph))]
    parts.append(_message(8, _text(1, "") + _number(2, opset)))
    parts += [_message(14, _text(1, key) + _text(2, value)) for key, value in metadata.items()]
    return b"".join(parts)


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        content = _key(2, 5) + struct.pack("<f", value) + _number(20, 1)
    elif isinstance(value, int):
        content = _number(3, value) + _number(20, 2)
    else:
        content = b"".join(_number(8, each) for each in value) + _number(20, 7)
    return _text(1, name) + content


def _message(field: int, content: bytes) -> bytes:
    return _key(field, 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _number(field: int, value: int) -> bytes:
    return _key(field, 0) + _varint(value)


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _varint(value: int) -> bytes:
    value &= 2**64 - 1  # negative numbers in two's complement
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)
