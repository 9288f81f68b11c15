"""The embedded backend refuses at load what ONNX Runtime by itself cannot do."""

from pathlib import Path

import pytest

from gateway.backends.repository import read_config
from gateway.errors import CatalogError
from tests.gateway.models import version

CONFIG = """
    name: "team9_test"
    backend: "onnxruntime"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: 2 }
"""


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("sequence_batching {}", "state along a sequence, which only Triton does"),
        ("model_transaction_policy { decoupled: true }", "several responses to a request, which only Triton does"),
    ],
)
def test_a_model_that_needs_a_tritonserver_is_refused(tmp_path: Path, more: str, told: str) -> None:
    served = version()
    (tmp_path / served.model).mkdir()
    (tmp_path / served.model / "config.pbtxt").write_text(CONFIG)
    assert read_config(tmp_path, served)
    (tmp_path / served.model / "config.pbtxt").write_text(CONFIG + more)
    with pytest.raises(CatalogError, match=told):
        read_config(tmp_path, served)
