"""Finds what is to be converted: a trained object, a folder, a file, or an address in MLflow."""

import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converters.errors import ConversionError
from converters.flavors import flavor_of, require_flavor
from converters.mlmodel import MLMODEL, PARITY_SAMPLE, describe, example_in, load, read_sample
from converters.signature import InputSpec

_GRAPH_FILE = ".onnx"


@dataclass(frozen=True, slots=True)
class Source:
    """A model with what is known of it.

    Attributes:
        model: The trained object.
        flavor: Its flavor.
        signature: What it takes, where that is known.
        sample: Real rows, where there are some.
        metadata: What its owner says of it beside.
        batched: Whether the first dimension of its tensors is the batch; else a row is a whole request.
    """

    model: Any
    flavor: str
    signature: InputSpec | None
    sample: Any
    metadata: Mapping[str, Any]
    batched: bool = True


def open_source(
    model: Any, signature: InputSpec | None, sample: Any, flavor: str | None, metadata: Mapping[str, Any] | None
) -> Source:
    """Returns a model with its flavor, signature, sample and metadata; what is given wins over what was logged.

    Raises:
        ConversionError: The model cannot be found, loaded or served.
    """
    if not isinstance(model, str | Path):
        return _of(model, flavor or flavor_of(model), signature, sample, metadata or {})
    path = Path(model)
    if path.suffix == _GRAPH_FILE and path.is_file():
        return _of(path, "onnx", signature, sample, metadata or {})
    with _folder_of(str(model)) as name:
        folder = Path(name)
        loaded = load(folder)
        found = sample if sample is not None else _sample_of(folder)
        said = loaded.metadata if metadata is None else metadata
        return _of(loaded.model, flavor or loaded.flavor, signature or loaded.signature, found, said)


def _of(model: Any, flavor: str, signature: InputSpec | None, sample: Any, metadata: Mapping[str, Any]) -> Source:
    """An ONNX graph itself says what it takes."""
    require_flavor(flavor)
    if flavor != "onnx":
        return Source(model, flavor, signature, sample, metadata)
    from converters.from_onnx import take_over  # noqa: PLC0415 - other flavors need none of it

    graph, spec, batched = take_over(model)
    return Source(graph, flavor, spec, _stack(sample, spec) if not batched else sample, metadata, batched)


def _stack(sample: Any, spec: InputSpec) -> Any:
    """Requests without batches, of which a sample may hold one, lie behind each other."""
    if not isinstance(sample, Mapping):
        return sample
    arrays = {name: np.asarray(array) for name, array in sample.items()}
    shapes = dict(zip(spec.columns, spec.shapes, strict=True))
    single = all(arrays[name].ndim == len(shape) for name, shape in shapes.items() if name in arrays)
    return {name: array[np.newaxis] for name, array in arrays.items()} if single else arrays


def _folder_of(uri: str) -> AbstractContextManager[str]:
    path = Path(uri)
    if path.is_dir():
        if not (path / MLMODEL).is_file():
            raise ConversionError(f"{uri} has no {MLMODEL} file: give the folder that holds it")
        return nullcontext(uri)
    return _Download(uri)


class _Download(tempfile.TemporaryDirectory[str]):
    """A folder with a model's artifacts, for as long as it is open."""

    def __init__(self, uri: str) -> None:
        super().__init__(prefix="gapura-")
        self._uri = uri

    def __enter__(self) -> str:
        import mlflow  # noqa: PLC0415 - takes seconds, and folders need none of it

        target = super().__enter__()
        try:
            return str(mlflow.artifacts.download_artifacts(artifact_uri=self._uri, dst_path=target))
        except Exception as error:  # stores raise what their transports raise
            self.cleanup()
            raise ConversionError(f"{self._uri} cannot be fetched: {error}") from error


def _sample_of(folder: Path) -> Any:
    """Real rows of the run that trained the model, else what lies in its folder."""
    import mlflow  # noqa: PLC0415 - as above

    run = describe(folder).run_id
    if run and not (folder / PARITY_SAMPLE).exists():
        with tempfile.TemporaryDirectory(prefix="gapura-") as name:
            try:
                path = mlflow.artifacts.download_artifacts(run_id=run, artifact_path=PARITY_SAMPLE, dst_path=name)
            except Exception:  # noqa: BLE001 - the run has none, or is not of this registry
                return example_in(folder)
            return read_sample(Path(path))
    return example_in(folder)
