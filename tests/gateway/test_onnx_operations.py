"""Operators load and unload models of the embedded backend, whatever happened to the files since."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from onnx import TensorProto, helper
from tritonclient.grpc import service_pb2

from gateway.backends.onnx.backend import OnnxBackend
from gateway.errors import InvalidRequest, NotFound
from gateway.types import ModelVersion, Signature, Tensors, TensorSpec

MODEL = "team9_echo"
CONFIG = """
name: "team9_echo" backend: "onnxruntime" max_batch_size: 8
input [{ name: "x" data_type: TYPE_FP32 dims: [-1] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [-1] }]
"""
LOAD = service_pb2.RepositoryModelLoadRequest(model_name=MODEL).SerializeToString()
UNLOAD = service_pb2.RepositoryModelUnloadRequest(model_name=MODEL).SerializeToString()
ROW = Tensors(1, ((1,),), (b"\0\0\x80\x3f",))


@pytest.fixture
def version(tmp_path: Path) -> ModelVersion:
    """Writes a model that answers with its input."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], MODEL, ports[:1], ports[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    content = made.SerializeToString()
    (tmp_path / MODEL / "1").mkdir(parents=True)
    (tmp_path / MODEL / "1/model.onnx").write_bytes(content)
    (tmp_path / MODEL / "config.pbtxt").write_text(CONFIG)
    signature = Signature((TensorSpec("x", "FP32", (-1,)),), (TensorSpec("y", "FP32", (-1,)),))
    return ModelVersion(MODEL, 1, signature, 8, hashlib.sha256(content).hexdigest())


@pytest.fixture
async def backend(tmp_path: Path, version: ModelVersion) -> OnnxBackend:
    """Loads it."""
    backend = OnnxBackend(tmp_path, 1)
    await backend.load(version)
    return backend


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("1/model.onnx", b"no graph", "is not the file that was published"),
        ("1/model.onnx", None, "cannot read .*model.onnx"),
        ("config.pbtxt", b"name: 7", "is not a model configuration"),
        ("config.pbtxt", CONFIG.replace("FP32", "FP64").encode(), "has other inputs than the catalog says"),
        ("config.pbtxt", CONFIG.replace(": 8", ": 9").encode(), "has another max_batch_size than the catalog says"),
    ],
)
async def test_what_cannot_be_loaded_again_is_told_and_stays_unloaded(  # noqa: PLR0913, PLR0917 - a row of the table
    backend: OnnxBackend, version: ModelVersion, tmp_path: Path, file: str, content: bytes | None, problem: str
) -> None:
    await backend.operate("RepositoryModelUnload", UNLOAD)
    before = (tmp_path / MODEL / file).read_bytes()
    (tmp_path / MODEL / file).unlink() if content is None else (tmp_path / MODEL / file).write_bytes(content)
    told = f"^load failed for model '{MODEL}': version 1 is at UNAVAILABLE state: .*{problem}"
    with pytest.raises(InvalidRequest, match=told):
        await backend.operate("RepositoryModelLoad", LOAD)
    with pytest.raises(NotFound, match="has no available versions"):
        await backend.infer(version, ROW, None)
    (tmp_path / MODEL / file).write_bytes(before)
    await backend.operate("RepositoryModelLoad", LOAD)
    assert bytes((await backend.infer(version, ROW, None)).data[0]) == ROW.data[0]


async def test_a_model_that_cannot_be_loaded_again_goes_on_if_it_was_loaded(
    backend: OnnxBackend, version: ModelVersion, tmp_path: Path
) -> None:
    (tmp_path / MODEL / "1/model.onnx").write_bytes(b"no graph")
    with pytest.raises(InvalidRequest, match="load failed"):
        await backend.operate("RepositoryModelLoad", LOAD)
    assert backend.ready(version)


async def test_a_version_that_the_catalog_drops_during_a_load_does_not_come_back(
    backend: OnnxBackend, version: ModelVersion
) -> None:
    loading = asyncio.create_task(backend.operate("RepositoryModelLoad", LOAD))
    await asyncio.sleep(0)  # its thread is at work now
    await backend.unload(version)
    await loading
    assert not backend.ready(version)
    with pytest.raises(NotFound):
        await backend.infer(version, ROW, None)
