"""Keeps data sets as Parquet files that are either whole or not there."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from hub.errors import HubError


def read_or_create(path: Path, create: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Reads a data set; creates it the first time.

    Raises:
        HubError: The file is damaged.
    """
    if not path.exists():
        write_parquet(path, create())
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # what pyarrow raises of a damaged file is one of them
        raise HubError(f"{path} is damaged ({error}): remove it and try again") from error


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Replaces a data set in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        table.to_parquet(temporary, index=False)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
