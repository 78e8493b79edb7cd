"""ONNX messages: our bytes are those that the `onnx` package writes and reads."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from facehub.model import wire


def test_node_equals_that_of_the_onnx_package() -> None:
    attributes = {"axis": -1, "epsilon": 1e-5, "pads": [0, 1, 300, -(2**31)]}
    node = onnx.NodeProto.FromString(wire.node("Op", ["a", "b"], ["c"], attributes))
    assert node == helper.make_node("Op", ["a", "b"], ["c"], **attributes)


@pytest.mark.parametrize("dtype", ["f4", "f2", "u1", "i1", "i4", "i8"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 4)], ids=str)
def test_tensor_equals_that_of_the_onnx_package(dtype: str, shape: tuple[int, ...]) -> None:
    value = np.random.default_rng(0).integers(-100, 100, shape).astype(dtype)
    tensor = onnx.TensorProto.FromString(wire.tensor("w", value))
    expected = numpy_helper.from_array(value, "w")
    assert tensor == expected
    np.testing.assert_array_equal(numpy_helper.to_array(tensor), value)


def test_tensor_bytes_do_not_depend_on_memory_layout() -> None:
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    for layout in (np.asfortranarray(value), value.astype(">f4"), value[::-1][::-1]):
        assert wire.tensor("w", layout) == wire.tensor("w", value)


def test_tensor_of_unsupported_type_raises_key_error() -> None:
    with pytest.raises(KeyError):
        wire.tensor("w", np.zeros(1))


@pytest.mark.parametrize("shape", [None, ["faces", 112, 96, 3], [1]], ids=str)
def test_value_info_equals_that_of_the_onnx_package(shape: list[int | str] | None) -> None:
    found = onnx.ValueInfoProto.FromString(wire.value_info("x", wire.UINT8, shape))
    assert found == helper.make_tensor_value_info("x", TensorProto.UINT8, shape)


def test_model_passes_the_checker_and_runs() -> None:
    content = wire.model(
        nodes=[wire.node("Add", ["x", "w"], ["y"], {})],
        weights=[wire.tensor("w", np.array([1.5], np.float32))],
        inputs=[wire.value_info("x", wire.FLOAT, ["n"])],
        outputs=[wire.value_info("y", wire.FLOAT, ["n"])],
        metadata={"name": "na\u00efve", "empty": ""},
        opset=17,
        ir_version=8,
    )
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert {p.key: p.value for p in model.metadata_props} == {"name": "na\u00efve", "empty": ""}
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": np.array([1, 2], np.float32)})
    assert found.tolist() == [2.5, 3.5]
