"""The repository's files, as Triton and a gateway read them."""

from pathlib import Path

from erpml.catalog.v1 import catalog_pb2
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from hub.catalog import compose_model
from hub.repository import Repository
from hub.triton_config import compose_config

NAME = "team1_model"
GRAPH = b"graph"


def model_of(number: int, columns: int = 3) -> catalog_pb2.Model:
    signature = catalog_pb2.Signature(
        inputs=[catalog_pb2.Tensor(name="input", datatype="FP64", dims=[columns])],
        outputs=[
            catalog_pb2.Tensor(name="label", datatype="INT64", dims=[1]),
            catalog_pb2.Tensor(name="word", datatype="BYTES", dims=[1]),
        ],
    )
    return compose_model(
        NAME, "team1", catalog_pb2.Version(number=number, signature=signature, max_batch_size=1024), {}
    )


def read_config(root: Path) -> model_config_pb2.ModelConfig:
    return text_format.Parse((root / NAME / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def test_a_configuration_has_the_real_tensors_without_the_batch() -> None:
    config = text_format.Parse(compose_config(model_of(7)), model_config_pb2.ModelConfig())
    assert (config.name, config.backend, config.max_batch_size) == (NAME, "onnxruntime", 1024)
    assert [(each.name, each.data_type, list(each.dims)) for each in config.input] == [
        ("input", model_config_pb2.TYPE_FP64, [3])
    ]
    assert [(each.name, each.data_type, list(each.dims)) for each in config.output] == [
        ("label", model_config_pb2.TYPE_INT64, [1]),
        ("word", model_config_pb2.TYPE_STRING, [1]),
    ]
    assert list(config.version_policy.specific.versions) == [7]
    assert not config.HasField("dynamic_batching")


def test_old_and_new_are_loadable_until_the_catalog_moves(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.install(model_of(1), None, GRAPH, "{}")
    repository.install(model_of(2), model_of(1), GRAPH, "{}")
    assert list(read_config(tmp_path).version_policy.specific.versions) == [1, 2]
    repository.settle(catalog_pb2.Catalog(models=[model_of(2)]))
    assert list(read_config(tmp_path).version_policy.specific.versions) == [2]
    assert sorted(path.name for path in (tmp_path / NAME).iterdir()) == ["2", "config.pbtxt"]


def test_a_version_with_other_tensors_waits_for_the_catalog(tmp_path: Path) -> None:
    """One configuration cannot describe both; until the catalog moves it describes what is live."""
    repository = Repository(tmp_path)
    repository.install(model_of(1), None, GRAPH, "{}")
    repository.install(model_of(2, columns=4), model_of(1), GRAPH, "{}")
    assert list(read_config(tmp_path).version_policy.specific.versions) == [1]
    repository.settle(catalog_pb2.Catalog(models=[model_of(2, columns=4)]))
    assert read_config(tmp_path).input[0].dims == [4]


def test_what_others_put_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "theirs/1").mkdir(parents=True)
    (tmp_path / "theirs/1/model.onnx").touch()
    (tmp_path / "README.md").touch()
    repository = Repository(tmp_path)
    repository.install(model_of(1), None, GRAPH, "{}")
    repository.settle(catalog_pb2.Catalog())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "theirs"]


def test_a_configuration_that_was_changed_by_hand_is_restored(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.install(model_of(1), None, GRAPH, "{}")
    (tmp_path / NAME / "config.pbtxt").write_text("name: 'other'")
    repository.settle(catalog_pb2.Catalog(models=[model_of(1)]))
    assert read_config(tmp_path).name == NAME
