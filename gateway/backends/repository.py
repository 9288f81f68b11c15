"""Reads a model repository in Triton's layout: `<model>/config.pbtxt` and `<model>/<version>/model.onnx`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from gateway.errors import CatalogError
from gateway.types import ModelVersion, TensorSpec

CONFIG = "config.pbtxt"
MODEL = "model.onnx"


def model_file(repository: Path, version: ModelVersion) -> Path:
    """Returns where the version's ONNX file lies."""
    return repository / version.model / str(version.number) / MODEL


def read_config(repository: Path, version: ModelVersion) -> bytes:
    """Returns the model's serialised `inference.ModelConfig`.

    Raises:
        CatalogError: The configuration is missing, broken, or disagrees with the catalog.
    """
    path = repository / version.model / CONFIG
    try:
        config = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    except OSError as error:
        raise CatalogError(f"cannot read {path}: {error.strerror}; publish again") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path} is not a model configuration: {error}") from error
    if described(config.input) != expected(version.signature.inputs) or config.max_batch_size != version.max_batch_size:
        raise CatalogError(f"{path} and the catalog describe different inputs; publish again")
    return bytes(config.SerializeToString())


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
