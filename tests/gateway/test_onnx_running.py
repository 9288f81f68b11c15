"""The embedded backend runs what is asked for, and packs what comes out."""

import struct
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from gateway.backends.onnx.backend import OnnxBackend
from gateway.backends.onnx.codec import SMALL_BYTES, decode, encode
from gateway.errors import ModelFailed
from gateway.tensors import NUMPY_TYPES
from gateway.types import ModelVersion, Tensors, Terms
from tests.gateway.onnx_models import row, write_model


@pytest.fixture
async def backend(tmp_path: Path) -> OnnxBackend:
    """Has one thread."""
    return OnnxBackend(tmp_path, 1)


@pytest.fixture
async def version(tmp_path: Path, backend: OnnxBackend) -> ModelVersion:
    """Loads a model with the outputs x + 1, x + 2 and, for an x of 0 only, 1."""
    numbers = [numpy_helper.from_array(np.array([value], np.float32), f"plus{value}") for value in (1, 2)]
    nodes = [
        helper.make_node("Add", ["x", "plus1"], ["one"]),
        helper.make_node("Add", ["x", "plus2"], ["two"]),
        helper.make_node("Cast", ["x"], ["position"], to=TensorProto.INT64),
        helper.make_node("Gather", ["plus1", "position"], ["picky"]),
    ]
    version = write_model(tmp_path, "team9_three", nodes, outputs=("one", "two", "picky"), constants=numbers)
    await backend.load(version)
    return version


def floats(outputs: Tensors) -> list[float]:
    """Reads outputs of one float each."""
    return [struct.unpack("<f", data)[0] for data in outputs.data]


async def test_all_outputs_come_unless_some_are_named(backend: OnnxBackend, version: ModelVersion) -> None:
    outputs = await backend.infer(version, row(0), None)
    assert floats(outputs) == [1, 2, 1]
    assert outputs.shapes == ((1,),) * 3
    assert outputs.terms == Terms()


@pytest.mark.parametrize(("positions", "values"), [((0,), [1]), ((1,), [2]), ((0, 1), [1, 2]), ((1, 2), [2, 1])])
async def test_named_outputs_come_alone_and_in_order(
    backend: OnnxBackend, version: ModelVersion, positions: tuple[int, ...], values: list[float]
) -> None:
    outputs = await backend.infer(version, row(0, Terms(positions)), None)
    assert floats(outputs) == values
    assert outputs.shapes == ((1,),) * len(values)
    assert outputs.terms == Terms(positions)


async def test_a_batch_that_fails_says_why(backend: OnnxBackend, version: ModelVersion) -> None:
    with pytest.raises(ModelFailed, match="out of data bounds"):
        await backend.infer(version, row(5), None)


async def test_parameters_are_ignored_and_not_answered(backend: OnnxBackend, version: ModelVersion) -> None:
    outputs = await backend.infer(version, row(0, Terms((0,), b"anything")), None)
    assert floats(outputs) == [1]
    assert outputs.terms == Terms((0,))


@pytest.mark.parametrize(("axis", "shape"), [(0, r"\[2, 1\]"), (1, r"\[1, 2\]")])
async def test_a_model_that_answers_another_shape_than_it_says_fails(
    backend: OnnxBackend, tmp_path: Path, axis: int, shape: str
) -> None:
    nodes = [helper.make_node("Concat", ["x", "x"], ["y"], axis=axis)]
    version = write_model(tmp_path, "team9_twice", nodes)
    await backend.load(version)
    with pytest.raises(ModelFailed, match=rf"answered 'y' of shape {shape} for 1 rows of \[1\]"):
        await backend.infer(version, row(1), None)


@pytest.mark.parametrize("datatype", NUMPY_TYPES)
@pytest.mark.parametrize("count", [0, 1, 3, SMALL_BYTES + 1])
def test_numbers_come_out_as_they_went_in(datatype: str, count: int) -> None:
    data = bytes([0, 1] * 4) * count
    width = np.dtype(NUMPY_TYPES[datatype]).itemsize
    array = decode(data, datatype, (len(data) // width, 1))
    assert array.dtype == np.dtype(NUMPY_TYPES[datatype])
    packed = encode(array, datatype)
    assert packed == data
    assert packed[:8] == data[:8]  # lanes cut it by bytes


def test_many_numbers_are_not_copied() -> None:
    array = np.zeros(SMALL_BYTES, np.float32)
    packed = encode(array, "FP32")
    array[0] = 1
    assert packed[:4] == struct.pack("<f", 1)


def test_numbers_that_lie_otherwise_are_packed_row_major() -> None:
    array = np.arange(6_000, dtype=">f8").reshape(2, 3_000)
    assert encode(array.T, "FP64") == array.T.astype("<f8").tobytes()
    assert encode(array[:, :2].T, "INT32") == np.array([0, 3000, 1, 3001], "<i4").tobytes()


def test_texts_come_out_as_they_went_in() -> None:
    data = b"\x03\0\0\0abc\0\0\0\0"
    assert encode(decode(data, "BYTES", (2, 1)), "BYTES") == data
