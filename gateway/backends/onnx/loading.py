"""Loads a version from the repository into a session of ONNX Runtime."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import onnxruntime

from gateway.backends.onnx.running import Runner
from gateway.backends.onnx.warming import warm_up
from gateway.backends.repository import model_file, read_config
from gateway.errors import CatalogError
from gateway.types import ModelVersion


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version in memory.

    Attributes:
        runner: Runs it; None while an operator has unloaded the model.
        config: Serialised `inference.ModelConfig`.
    """

    runner: Runner | None
    config: bytes


def load_version(repository: Path, version: ModelVersion) -> Loaded:
    """Loads a version whose file has the digest that the catalog names, and warms it up.

    Raises:
        CatalogError: The file is missing, differs, or is not a model that ONNX Runtime can run.
    """
    path = model_file(repository, version)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CatalogError(f"cannot read {path}: {error.strerror}; publish the model again") from error
    if hashlib.sha256(content).hexdigest() != version.sha256:
        raise CatalogError(f"{path} is not the file that was published; publish the model again")
    config = read_config(repository, version)
    try:
        session = onnxruntime.InferenceSession(content, session_options(), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise CatalogError(f"ONNX Runtime cannot load {path}: {error}") from error
    runner = Runner(session, version)
    warm_up(runner, version)
    return Loaded(runner, config)


@cache
def session_options() -> Any:
    """Options measured for small models (ONNX Runtime 1.31, two cores).

    One thread runs a batch: a second one leaves one row of 100 trees at 8.6 µs, makes 256 rows of a small neural
    network slower (91 µs for 60) and takes the core from the event loop. None spins while it waits. Without arena and
    memory pattern a run takes 0.2 to 0.3 µs less of 5.7, larger ones take the same, and a large batch leaves nothing
    behind. Two steps at a time (`ORT_PARALLEL`) add 3 to 7 µs. What the graph's optimisations take makes no difference
    to small models; the default stays.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options
