"""Reads a model repository in Triton's layout: `<model>/config.pbtxt` and `<model>/<version>/model.onnx`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from gateway.errors import CatalogError
from gateway.traits import read_traits
from gateway.types import ModelVersion, TensorSpec

CONFIG = "config.pbtxt"
MODEL = "model.onnx"
PLATFORMS = {"onnxruntime": "onnxruntime_onnx"}


def model_file(repository: Path, version: ModelVersion) -> Path:
    """Returns where the version's ONNX file lies."""
    return repository / version.model / str(version.number) / MODEL


def read_config(repository: Path, version: ModelVersion) -> bytes:
    """Returns the model's serialised `inference.ModelConfig`.

    Raises:
        CatalogError: The configuration is missing, broken, disagrees with the catalog, or needs a tritonserver.
    """
    path = repository / version.model / CONFIG
    try:
        config = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    except OSError as error:
        raise CatalogError(f"cannot read {path}: {error.strerror}; publish again") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path} is not a model configuration: {error}") from error
    if told := misfit(version, config):
        raise CatalogError(f"{path} has {told}; publish again")
    serialised = bytes(with_defaults(config).SerializeToString())
    if told := needs_triton(serialised):
        raise CatalogError(
            f"{path} asks for {told}, which only Triton does: set GAPURA_BACKEND=triton and GAPURA_NODES"
        )
    return serialised


def misfit(version: ModelVersion, config: Any) -> str:
    """Returns what an `inference.ModelConfig` has otherwise than the catalog, or nothing."""
    if described(config.input) != expected(version.signature.inputs):
        return "other inputs than the catalog says"
    if config.max_batch_size != version.max_batch_size:
        return "another max_batch_size than the catalog says"
    return ""


def needs_triton(config: bytes) -> str:
    """Returns what a serialised `inference.ModelConfig` asks for that ONNX Runtime by itself cannot do, or nothing."""
    traits = read_traits(config)
    if traits.keeps_state:
        return "state along a sequence"
    return "several responses to a request" if traits.decoupled else ""


def with_defaults(config: Any) -> Any:
    """Returns a copy of a configuration with what Triton fills in where nothing is said."""
    filled = model_config_pb2.ModelConfig()
    filled.CopyFrom(config)
    filled.platform = filled.platform or PLATFORMS.get(filled.backend, "")
    filled.default_model_filename = filled.default_model_filename or MODEL
    if not filled.HasField("version_policy"):
        filled.version_policy.latest.num_versions = 1
    if not filled.instance_group:
        filled.instance_group.add(kind=model_config_pb2.ModelInstanceGroup.KIND_CPU)
    for position, group in enumerate(filled.instance_group):
        group.name = group.name or f"{filled.name}_{position}"
        group.count = group.count or 1
    for memory in ("input_pinned_memory", "output_pinned_memory"):
        if not filled.optimization.HasField(memory):
            getattr(filled.optimization, memory).enable = True
    return filled


def described(tensors: Iterable[Any]) -> set[tuple[str, str, tuple[int, ...]]]:
    """Returns name, datatype and dims of tensors in a configuration."""
    names = model_config_pb2.DataType
    return {
        (tensor.name, names.Name(tensor.data_type).removeprefix("TYPE_").replace("STRING", "BYTES"), tuple(tensor.dims))
        for tensor in tensors
    }


def expected(specs: Iterable[TensorSpec]) -> set[tuple[str, str, tuple[int, ...]]]:
    """Returns name, datatype and dims of tensors in the catalog."""
    return {(spec.name, spec.datatype, spec.dims) for spec in specs}
