"""`gapura convert`: converts one model, shows the proof, and writes what a server needs.

Everything heavy is imported when the command runs, so that `gapura --help` answers at once.
"""

import os
import re
from pathlib import Path

import click

_OWN = "converters"
_REGISTRY = "GAPURA_MLFLOW_URI"
_DEFAULT_REGISTRY = "sqlite:///var/mlflow.db"


@click.command()
@click.argument("uri")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder.  [default: the model's name]")
@click.option(
    "--sample", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Real rows to prove it on."
)
def convert(*, uri: str, output: Path | None, sample: Path | None) -> None:
    """Convert the model at URI to ONNX and show the proof that it answers alike.

    URI is models:/NAME/VERSION, models:/NAME@ALIAS, runs:/RUN/model, a folder with an MLmodel file, or an .onnx file.
    Real rows are those that its run logged, unless --sample names a .parquet, .csv, .npy or .npz file. The registry is
    GAPURA_MLFLOW_URI.
    """
    try:
        _convert(uri, output or Path(name_of(uri)), sample)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == _OWN:
            raise
        raise click.ClickException(f"{error.name} is not installed: pip install 'gapura[hub]'") from error
    except OSError as error:  # a full disk names the file
        raise click.ClickException(str(error)) from error


def name_of(uri: str) -> str:
    """Returns a folder's name for a model: `models:/team3_credit_scoring/7` gives `team3_credit_scoring-7`."""
    if Path(uri).exists():
        return Path(uri).resolve().stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", uri.partition(":/")[2]).strip("-") or "model"


def _convert(uri: str, folder: Path, sample: Path | None) -> None:
    from converters.conversion import convert as convert_model
    from converters.errors import ConversionError
    from converters.mlmodel import read_sample
    from converters.proof_table import show_proof, show_refusal
    from converters.report import ParityError

    _choose_registry(uri)
    try:
        conversion = convert_model(uri, sample=None if sample is None else read_sample(sample))
    except ConversionError as error:
        if isinstance(error, ParityError):
            show_refusal(error.report)
        raise click.ClickException(str(error)) from error
    show_proof(uri, conversion)
    folder.mkdir(parents=True, exist_ok=True)
    files = conversion.to_files()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    click.echo(f"wrote {', '.join(files)} to {folder}")


def _choose_registry(uri: str) -> None:
    """Points MLflow at the registry of the hub; files need none."""
    if Path(uri).exists():
        return
    from converters.quiet import quietly

    with quietly():
        import mlflow

        registry = os.environ.get(_REGISTRY, _DEFAULT_REGISTRY)
        mlflow.set_tracking_uri(registry)
        mlflow.set_registry_uri(registry)
