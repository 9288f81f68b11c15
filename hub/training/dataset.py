"""Keeps data sets as Parquet files that are either whole or not there."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd


def read_or_create(path: Path, create: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Reads a data set; creates it the first time."""
    if not path.exists():
        write_parquet(path, create())
    return pd.read_parquet(path)


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Replaces a data set in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        table.to_parquet(temporary, index=False)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
