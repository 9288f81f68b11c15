"""Models that benchmarks serve: what the catalog says of each, its graph, and how they get into a repository."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2
from erpml.types.v1 import feature_view_pb2
from onnx import TensorProto, helper

from hub.composition import compose_model
from hub.triton_config import compose_files

ECHO = "team9_echo"
MAX_BATCH_SIZE = 256
OPSET, IR_VERSION = 21, 10

Views = Sequence[feature_view_pb2.FeatureView]


@dataclass(frozen=True, slots=True)
class BenchModel:
    """A model of one version.

    Attributes:
        name: Registered name.
        graph: Content of `model.onnx`.
        signature: Inputs and outputs.
        max_batch_size: Most rows of one batch.
        more_config: Appended to `config.pbtxt`.
    """

    name: str
    graph: bytes
    signature: catalog_pb2.Signature
    max_batch_size: int = MAX_BATCH_SIZE
    more_config: str = ""

    def described(self) -> catalog_pb2.Model:
        """Returns the model as the catalog has it."""
        version = catalog_pb2.Version(
            number=1,
            signature=self.signature,
            max_batch_size=self.max_batch_size,
            sha256=hashlib.sha256(self.graph).hexdigest(),
        )
        return compose_model(self.name, self.name.partition("_")[0], {"champion": version}, policy={})


def echo_model() -> BenchModel:
    """Returns a model that answers with its input, rows of float32 of any width."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], ECHO, ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    tensors = [catalog_pb2.Tensor(name=name, datatype="FP32", dims=[-1]) for name in ("x", "y")]
    return BenchModel(ECHO, model.SerializeToString(), catalog_pb2.Signature(inputs=tensors[:1], outputs=tensors[1:]))


def write_models(models: Sequence[BenchModel], repository: Path, catalog: Path, views: Views = ()) -> None:
    """Writes the models in Triton's layout, and a catalog in which they are live, with feature views."""
    for model in models:
        home = repository / model.name
        (home / "1").mkdir(parents=True)
        (home / "1/model.onnx").write_bytes(model.graph)
        for name, content in compose_files(model.described()).items():
            (home / name).write_bytes(content)
        with (home / "config.pbtxt").open("a") as config:
            config.write(model.more_config)
    write_catalog(models, catalog, views)


def write_catalog(models: Sequence[BenchModel], catalog: Path, views: Views = (), generation: int = 1) -> None:
    """Writes a catalog in which models of the repository are live; a gateway takes it up if its generation is newer."""
    described = sorted((model.described() for model in models), key=lambda each: each.name)
    whole = catalog_pb2.Catalog(generation=generation, models=described, feature_views=views)
    scratch = catalog.with_suffix(".new")
    scratch.write_bytes(whole.SerializeToString())
    scratch.replace(catalog)
