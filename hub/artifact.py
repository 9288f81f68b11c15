"""Fetches a model version: the trained object, its columns, and real rows to prove it on."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from converters import InputSpec, require_flavor
from hub.champion import Champion
from hub.chatter import without_warnings
from hub.errors import ModelRefusedError
from hub.registry import ModelRegistry

PARITY_SAMPLE = "parity_sample.parquet"
_DATATYPES = {
    "boolean": "BOOL",
    "double": "FP64",
    "float": "FP32",
    "integer": "INT32",
    "long": "INT64",
    "string": "BYTES",
}


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model version as its team logged it.

    Attributes:
        model: The trained object.
        flavor: Library that it belongs to, by its MLflow name.
        inputs: Columns of its signature.
        sample: `[rows, columns]` real rows.
        digest: SHA-256 over all artifact files and their names.
    """

    model: Any
    flavor: str
    inputs: InputSpec
    sample: NDArray[np.float64]
    digest: str


def fetch(registry: ModelRegistry, champion: Champion) -> Artifact:
    """Downloads and loads a version. Loading runs the team's own code.

    Raises:
        ModelRefusedError: An artifact is missing or damaged; the message says which.
        ConversionError: Models of this flavor cannot be served.
    """
    with without_warnings(), tempfile.TemporaryDirectory(prefix="gapura-") as name:
        folder = registry.download_model(champion, _subfolder(name, "model"))
        description = _describe(folder)
        flavor = next((flavor for flavor in description.flavors if flavor != "python_function"), "python_function")
        require_flavor(flavor)
        inputs = _inputs_of(description)
        sample = _read_sample(
            registry.download_from_run(champion, PARITY_SAMPLE, _subfolder(name, "run")), inputs.columns
        )
        return Artifact(_load(folder, flavor), flavor, inputs, sample, _digest(folder))


def fetch_sample(registry: ModelRegistry, champion: Champion, columns: Sequence[str]) -> NDArray[np.float64]:
    """Downloads the real rows to prove a version on, and runs nobody's code; `[rows, columns]`.

    Raises:
        ModelRefusedError: They are missing, or lack a column.
    """
    with without_warnings(), tempfile.TemporaryDirectory(prefix="gapura-") as name:
        return _read_sample(registry.download_from_run(champion, PARITY_SAMPLE, Path(name)), columns)


def _subfolder(parent: str, name: str) -> Path:
    folder = Path(parent) / name
    folder.mkdir()
    return folder


def _describe(folder: Path) -> Any:
    try:
        return mlflow.models.Model.load(str(folder))
    except Exception as error:  # a damaged MLmodel file fails in as many ways as there are damages
        raise ModelRefusedError(f"the MLmodel file cannot be read: {error}; log the model again") from error


def _inputs_of(description: Any) -> InputSpec:
    schema = description.signature.inputs if description.signature else None
    if schema is None or schema.is_tensor_spec():
        raise ModelRefusedError("the model has no signature with named columns: log it with signature=...")
    names = tuple(str(name) for name in schema.input_names())
    kinds = [str(getattr(kind, "name", kind)) for kind in schema.input_types()]
    return InputSpec(names, tuple(_DATATYPES.get(kind, kind) for kind in kinds))


def _read_sample(path: Path, columns: Sequence[str]) -> NDArray[np.float64]:
    try:
        frame = pd.read_parquet(path, columns=list(columns))
        return np.asarray(frame.to_numpy(dtype=np.float64))
    except Exception as error:  # pandas and pyarrow raise what they like
        raise ModelRefusedError(f"{PARITY_SAMPLE} does not hold the signature's columns: {error}") from error


def _load(folder: Path, flavor: str) -> Any:
    try:
        return getattr(mlflow, flavor).load_model(str(folder))
    except Exception as error:  # unpickling runs foreign code
        raise ModelRefusedError(
            f"the {flavor} model cannot be loaded ({type(error).__name__}: {error}); log it again"
        ) from error


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
