"""Reads a model folder as MLflow writes it: an `MLmodel` file, the model's own, perhaps an example of its input."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.errors import ConversionError
from converters.flavors import require_flavor
from converters.schema import read_schema
from converters.signature import InputSpec

if TYPE_CHECKING:
    from mlflow.models import Model

MLMODEL = "MLmodel"
_ASKED_AS = "registered_model_meta"
PARITY_SAMPLE = "parity_sample.parquet"
_GENERIC = "python_function"
_SMALLEST_ROWS = 1


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model of a folder.

    Attributes:
        model: The trained object.
        flavor: Library that it belongs to, by its MLflow name.
        signature: What it takes; None where the model itself says so, as an ONNX graph does.
        digest: SHA-256 over all files and their names.
        metadata: What its owner says of it beside, as `log_model(metadata=…)` takes it.
    """

    model: Any
    flavor: str
    signature: InputSpec | None
    digest: str
    metadata: Mapping[str, Any]


def load(folder: Path) -> Loaded:
    """Loads the model of a folder. Loading runs the team's own code.

    Raises:
        ConversionError: The folder is damaged, has no signature, or holds what cannot be served; the message says
            what to change.
    """
    described = describe(folder)
    flavor = flavor_in(described)
    require_flavor(flavor)
    schema = described.signature.inputs if described.signature else None
    signature = None if flavor == "onnx" else read_schema(schema)
    return Loaded(_load(folder, flavor), flavor, signature, digest_of(folder), described.metadata or {})


def describe(folder: Path) -> "Model":
    """Reads the `MLmodel` file.

    Raises:
        ConversionError: It is missing or damaged.
    """
    import mlflow.models  # noqa: PLC0415 - takes a second, which objects at hand need not wait for

    try:
        return mlflow.models.Model.load(str(folder))
    except Exception as error:  # a damaged file fails in as many ways as there are damages
        reason = " ".join(str(error).split())
        raise ConversionError(f"the {MLMODEL} file cannot be read: {reason}; log the model again") from error


def flavor_in(described: "Model") -> str:
    """Returns the flavor that a model was logged with, rather than the generic one that MLflow adds."""
    return next((flavor for flavor in described.flavors if flavor != _GENERIC), _GENERIC)


def digest_of(folder: Path) -> str:
    """Returns the SHA-256 over all files of a model and their names, in hexadecimal.

    What MLflow adds to a copy, which says as which version it was asked for, is no part of the model.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _ASKED_AS):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read_sample(path: Path) -> Any:
    """Reads real rows from a Parquet, CSV or NumPy file: a DataFrame, an array, or arrays by name.

    Raises:
        ConversionError: It is none of these, damaged, or empty.
    """
    import numpy as np  # noqa: PLC0415 - beside the next, which takes half a second
    import pandas as pd  # noqa: PLC0415

    readers: Mapping[str, Any] = {".parquet": pd.read_parquet, ".csv": pd.read_csv, ".npy": np.load, ".npz": np.load}
    reader = readers.get(path.suffix)
    if reader is None:
        raise ConversionError(f"{path.name} is no sample: give a .parquet, .csv, .npy or .npz file")
    try:
        sample = reader(path)
        sample = dict(sample) if path.suffix == ".npz" else sample
    except Exception as error:  # the libraries raise what they like
        raise ConversionError(f"{path.name} cannot be read: {error}") from error
    rows = min(map(len, sample.values())) if isinstance(sample, dict) else len(sample)
    if rows < _SMALLEST_ROWS:
        raise ConversionError(f"{path.name} has no rows: real rows to prove the model on belong there")
    return sample


def example_in(folder: Path) -> Any:
    """Returns real rows that lie in a model's folder: its parity sample, else the logged input example, else None.

    Raises:
        ConversionError: The sample is there and cannot be read.
    """
    sample = folder / PARITY_SAMPLE
    if sample.exists():
        return read_sample(sample)
    described = describe(folder)
    try:
        return described.load_input_example(str(folder)) if described.saved_input_example_info else None
    except Exception as error:  # an example may have been made by another release
        raise ConversionError(f"the input example cannot be read ({error}): log the model again") from error


def _load(folder: Path, flavor: str) -> Any:
    if flavor == "onnx":  # with the weights that may lie beside it, while they do
        from converters.from_onnx import read_graph  # noqa: PLC0415 - other flavors need none of it

        return read_graph(_onnx_file(folder))
    try:
        module = getattr(__import__(f"mlflow.{flavor}"), flavor)
        return module.load_model(str(folder))
    except Exception as error:  # unpickling runs foreign code
        missing = getattr(error, "name", None) if isinstance(error, ImportError) else None
        advice = f"install {missing} beside gapura" if missing else "log it again"
        raise ConversionError(
            f"the {flavor} model cannot be loaded ({type(error).__name__}: {error}); {advice}"
        ) from error


def _onnx_file(folder: Path) -> Path:
    path = folder / str(describe(folder).flavors["onnx"].get("data", "model.onnx"))
    return path if path.is_file() else next(iter(sorted(path.glob("*.onnx"))), path)
