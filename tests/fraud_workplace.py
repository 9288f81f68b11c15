"""A folder in which the real commands train and publish the fraud model."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tests.conftest import copy_archives
from tests.sharing import copy_without_artifacts, made_once

VIEWS = ("customer_fraud", "merchant_fraud")


@dataclass(frozen=True, slots=True)
class Workplace:
    """A working directory of the commands.

    Attributes:
        folder: The directory, with `var` and `model_repository` in it.
    """

    folder: Path

    @property
    def mlflow_uri(self) -> str:
        """The registry."""
        return f"sqlite:///{self.folder}/var/mlflow.db"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make commands work there, wherever they are started."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GAPURA_")}
        return inherited | {
            "GAPURA_VAR": f"{self.folder}/var",
            "GAPURA_REPOSITORY": f"{self.folder}/model_repository",
            "GAPURA_CATALOG": f"{self.folder}/var/catalog/catalog.binpb",
            "GAPURA_TENANTS": f"{self.folder}/var/tenants.yaml",
            "GAPURA_USAGE": f"{self.folder}/var/usage",
            "GAPURA_MLFLOW_URI": self.mlflow_uri,
            "GAPURA_FEATURES_BUDGET_MS": "2000",  # a busy machine may take longer than usual
        }

    @property
    def held_out(self) -> pd.DataFrame:
        """The transactions that training never saw, with the features of their time."""
        return pd.read_parquet(self.folder / "var/data/fraud_detection/held_out.parquet")

    def history(self, view: str) -> pd.DataFrame:
        """Returns what a view is materialised from."""
        return pd.read_parquet(self.folder / f"var/features/{view}.parquet")

    def run(self, *arguments: str, **variables: str) -> None:
        """Runs a command of `gapura` in the folder, where declared sources lie."""
        command = [sys.executable, "-m", "gateway", *arguments]
        subprocess.run(command, cwd=self.folder, env=self.environment | variables, check=True)


def trained_and_published(run_folder: Path, folder: Path) -> Workplace:
    """Copies what is trained and published once for all test runs that share a folder."""
    copy_without_artifacts(made_once(run_folder / "fraud", _train_and_publish), folder)
    return Workplace(folder)


def _train_and_publish(folder: Path) -> None:
    """Trains and publishes."""
    copy_archives(folder / "var/data")
    workplace = Workplace(folder)
    workplace.run("train", "team3/fraud_detection")
    workplace.run("publish")
