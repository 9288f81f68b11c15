"""A hub of one's own in a folder, and teams that register small models there."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from erpml.catalog.v1 import catalog_pb2
from google.protobuf import text_format
from sklearn.linear_model import LogisticRegression
from tritonclient.grpc import model_config_pb2

from hub.catalog import read_catalog
from hub.conversions import ConversionCache, Workshop
from hub.live_catalog import LiveCatalog
from hub.nodes.fleet import Fleet
from hub.nodes.node import Node
from hub.publishing.outcome import Outcome
from hub.publishing.preparation import Preparation
from hub.publishing.publisher import Publisher
from hub.registry import ModelRegistry
from hub.registry.records import CHAMPION, RegisteredVersion
from hub.repository import Repository
from hub.training.run import register
from hub.training.trained import DataSource, TrainedModel

COLUMNS = ["income", "age"]
WORKSHOP = Workshop(60.0)  # its server takes seconds to start, and ends with the tests


def draw_table() -> pd.DataFrame:
    """Draws 300 rows of two columns."""
    return pd.DataFrame(np.random.default_rng(0).normal(size=(300, 2)), columns=COLUMNS)


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a registry, a repository and a catalog lie together.

    Attributes:
        root: The folder.
        kept: Where conversions are kept that several workplaces share; None keeps them in the folder.
    """

    root: Path
    kept: Path | None = None

    @property
    def database(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def repository(self) -> Path:
        return self.root / "model_repository"

    @property
    def catalog_file(self) -> Path:
        return self.root / "catalog/catalog.binpb"

    def open_registry(self) -> ModelRegistry:
        return ModelRegistry(f"sqlite:///{self.database}")

    def register(self, name: str, model: Any = None, table: pd.DataFrame | None = None) -> int:
        """Registers a fitted model as champion; by default a logistic regression. Returns its version."""
        rows = draw_table() if table is None else table
        estimator = model or LogisticRegression().fit(rows, rows["income"] > 0)
        trained = TrainedModel(
            name=name,
            team=name.partition("_")[0],
            model_type=type(estimator).__name__,
            purpose="Tests.",
            estimator=estimator,
            params={},
            metrics={},
            features=rows,
            optional=frozenset(),
            training_scores=pd.Series(np.zeros(len(rows))),
            parity_sample=rows,
            source=DataSource("drawn", "From a random generator.", "None needed."),
        )
        return register(trained, self.open_registry(), (self.root / "artifacts").as_uri())

    @property
    def conversions(self) -> Path:
        return self.kept or self.root / "conversions"

    def publisher(self, *nodes: Node, gpu: tuple[Node, ...] = (), **options: Any) -> Publisher:
        """Returns a publisher, to nodes where there are any."""
        preparation = Preparation(self.open_registry(), ConversionCache(self.conversions), WORKSHOP)
        repository, catalog = Repository(self.repository), LiveCatalog(self.catalog_file)
        return Publisher(preparation, repository, catalog, fleet=Fleet(nodes, gpu), lock_seconds=0.0, **options)

    def publish(
        self, *nodes: Node, gpu: tuple[Node, ...] = (), pause: Callable[[float], None] = time.sleep, seconds: float = 0
    ) -> dict[str, Outcome]:
        """Publishes, to nodes where there are any; returns the last outcome of each model."""
        publisher = self.publisher(*nodes, gpu=gpu, handover_seconds=seconds, pause=pause)
        return {outcome.name: outcome for outcome in publisher.publish(lambda _: None)}

    def point(self, name: str, alias: str, version: int | None) -> None:
        """Moves an alias as somebody does in MLflow's own pages."""
        if version is None:
            self.client().delete_registered_model_alias(name, alias)
        else:
            self.client().set_registered_model_alias(name, alias, str(version))

    def catalog(self) -> catalog_pb2.Catalog:
        return read_catalog(self.catalog_file)

    def champion(self, name: str) -> RegisteredVersion:
        return self.open_registry().models()[name].versions[CHAMPION]

    def client(self) -> mlflow.MlflowClient:
        uri = f"sqlite:///{self.database}"
        return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)

    def version_tags(self, name: str, version: int) -> dict[str, str]:
        tags: dict[str, str] = self.client().get_model_version(name, str(version)).tags
        return tags

    def artifacts(self, name: str) -> Path:
        """The folder of the champion's artifacts."""
        return self.root / "artifacts/models" / self.champion(name).source.removeprefix("models:/") / "artifacts"

    def config(self, name: str) -> model_config_pb2.ModelConfig:
        text = (self.repository / name / "config.pbtxt").read_text()
        return text_format.Parse(text, model_config_pb2.ModelConfig())

    def require_whole(self) -> None:
        """Every version that the catalog names is intact, and every configuration loads and names what is there."""
        for model in self.catalog().models:
            for version in model.versions:
                content = (self.repository / model.name / str(version.number) / "model.onnx").read_bytes()
                assert hashlib.sha256(content).hexdigest() == version.sha256
            config = self.config(model.name)
            assert config.name == model.name
            for number in config.version_policy.specific.versions:
                assert (self.repository / model.name / str(number) / "model.onnx").exists()

    def require_settled(self) -> None:
        """Besides, nothing lies there that the catalog does not name."""
        self.require_whole()
        models = {model.name: model for model in self.catalog().models}
        assert {folder.name for folder in self.repository.iterdir()} == models.keys()
        for name, model in models.items():
            numbers = [version.number for version in model.versions]
            assert self.config(name).version_policy.specific.versions == numbers
            files = {path.name for path in (self.repository / name).iterdir()}
            labels = {output.label_filename for output in self.config(name).output} - {""}
            assert files == {"config.pbtxt", *labels, *map(str, numbers)}
