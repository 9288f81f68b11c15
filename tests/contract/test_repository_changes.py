"""What Triton says of models that are broken, retired or decoupled; the gateway passes on what its node says."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.cases import ROW, Case, infer
from tests.contract.conftest import Published
from tests.contract.targets import Target
from tests.contract.test_control import control

PIECES = """
class TritonPythonModel:
    def execute(self, requests):
        return [None for _ in requests]
"""
TENSORS = 'input [{ name: "X" data_type: TYPE_FP32 dims: 1 }] output [{ name: "Y" data_type: TYPE_FP32 dims: 1 }]'
GROUP = "instance_group [{ kind: KIND_CPU count: 1 }]"


@pytest.fixture
def repository(contract_models: Published) -> Path:
    """Returns the folder that all serve from."""
    return contract_models.repository


@pytest.fixture
def broken(repository: Path) -> Iterator[str]:
    """Writes a model that does not load."""
    (repository / "broken/1").mkdir(parents=True)
    (repository / "broken/1/model.onnx").write_bytes(b"no graph")
    (repository / "broken/config.pbtxt").write_text(
        f'name: "broken" backend: "onnxruntime" max_batch_size: 8 {TENSORS} {GROUP}'
    )
    yield "broken"
    shutil.rmtree(repository / "broken")


def test_a_failed_load_is_told(direct: Target, over_triton: Target, broken: str) -> None:
    expected, got = control(direct, "Load", broken), control(over_triton, "Load", broken)
    told = f"load failed for model '{broken}': version 1 is at UNAVAILABLE state: "
    assert (expected.code, got.code) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT")
    assert expected.message.startswith(told)
    assert got.message.startswith(told)
    asked = direct.ask(Case("", "ModelInfer", infer(broken)))
    assert (asked.code, asked.message) == (
        "NOT_FOUND",
        f"Request for unknown model: '{broken}' has no available versions",
    )


def test_a_retired_version_is_told(direct: Target, repository: Path) -> None:
    config = repository / "versions/config.pbtxt"
    before = config.read_text()
    pinned = infer("versions", ("X", "FP32", [1, 2], ROW[:8]), model_version="1")
    assert "versions: 1" in before
    config.write_text(before.replace("versions: 1\n", ""))
    try:
        assert control(direct, "Load", "versions").code == "OK"
        got = direct.ask(Case("", "ModelInfer", pinned))
    finally:
        config.write_text(before)
        assert control(direct, "Load", "versions").code == "OK"
    assert got.code == "UNAVAILABLE"
    assert got.message == "Request for unknown model: 'versions' version 1 is not at ready state"


def test_a_decoupled_model_answers_streams_alone(direct: Target, repository: Path) -> None:
    (repository / "pieces/1").mkdir(parents=True)
    (repository / "pieces/1/model.py").write_text(PIECES)
    (repository / "pieces/config.pbtxt").write_text(
        f'name: "pieces" backend: "python" model_transaction_policy {{ decoupled: true }} {TENSORS} {GROUP}'
    )
    try:
        assert control(direct, "Load", "pieces").code == "OK"
        got = direct.ask(Case("", "ModelInfer", infer("pieces", ("X", "FP32", [1], ROW[:4]))))
        assert control(direct, "Unload", "pieces").code == "OK"
    finally:
        shutil.rmtree(repository / "pieces")
    assert (got.code, got.message) == (
        "UNIMPLEMENTED",
        "ModelInfer RPC doesn't support models with decoupled transaction policy",
    )
