"""The repository's files, as Triton and a gateway read them."""

from pathlib import Path

import pytest
from erpml.catalog.v1 import catalog_pb2
from google.protobuf import text_format
from sklearn.linear_model import LogisticRegression
from tritonclient.grpc import model_config_pb2

from converters import Conversion, convert
from hub.composition import compose_model
from hub.placement import Placement
from hub.publishing.handover import describe_models, plan_handover
from hub.repository import Repository
from hub.triton_config import compose_config
from tests.hub.workplace import draw_table

NAME = "team1_model"


def model_of(number: int, columns: int = 3) -> catalog_pb2.Model:
    signature = catalog_pb2.Signature(
        inputs=[catalog_pb2.Tensor(name="input", datatype="FP64", dims=[columns])],
        outputs=[
            catalog_pb2.Tensor(name="label", datatype="INT64", dims=[1]),
            catalog_pb2.Tensor(name="word", datatype="BYTES", dims=[1]),
        ],
    )
    version = catalog_pb2.Version(number=number, signature=signature, max_batch_size=1024)
    return compose_model(NAME, "team1", {"champion": version}, policy={})


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


@pytest.fixture(scope="module")
def converted() -> Conversion:
    rows = draw_table()
    return convert(LogisticRegression().fit(rows, rows["income"] > 0), sample=rows)


def settle(repository: Repository, *models: catalog_pb2.Model) -> None:
    described = describe_models(catalog_pb2.Catalog(models=models), [])
    repository.configure(described)
    repository.clear({model.name: {version.number for version in model.versions} for model in models}, described)


def test_old_and_new_are_loadable_until_the_catalog_moves(tmp_path: Path, converted: Conversion) -> None:
    repository = Repository(tmp_path)
    repository.install(model_of(1), 1, converted)
    repository.install(plan_handover(model_of(2), model_of(1), [], 0).described, 2, converted)
    assert list(read_config(tmp_path).version_policy.specific.versions) == [1, 2]
    settle(repository, model_of(2))
    assert list(read_config(tmp_path).version_policy.specific.versions) == [2]
    assert sorted(path.name for path in (tmp_path / NAME).iterdir()) == ["2", "config.pbtxt"]


def test_class_names_lie_beside_the_configuration_that_names_their_file(tmp_path: Path, converted: Conversion) -> None:
    repository, named = Repository(tmp_path), model_of(1)
    named.versions[0].signature.outputs[0].columns.extend(["low", "high"])
    repository.install(named, 1, converted)
    assert [output.label_filename for output in read_config(tmp_path).output] == ["label_labels.txt", ""]
    labels = tmp_path / NAME / "label_labels.txt"
    assert labels.read_text() == "low\nhigh\n"
    labels.unlink()
    settle(repository, named)
    assert labels.exists()
    settle(repository, model_of(1))
    assert not labels.exists()
    assert read_config(tmp_path).output[0].label_filename == ""


@pytest.mark.parametrize(
    ("placement", "kind"),
    [
        (catalog_pb2.PLACEMENT_UNSPECIFIED, model_config_pb2.ModelInstanceGroup.KIND_CPU),
        (catalog_pb2.PLACEMENT_CPU, model_config_pb2.ModelInstanceGroup.KIND_CPU),
        (catalog_pb2.PLACEMENT_GPU, model_config_pb2.ModelInstanceGroup.KIND_GPU),
    ],
)
def test_the_placement_is_the_kind_of_instance(placement: Placement, kind: int) -> None:
    model = model_of(1)
    model.placement = placement
    config = text_format.Parse(compose_config(model), model_config_pb2.ModelConfig())
    assert [group.kind for group in config.instance_group] == [kind]


def test_what_others_put_there_is_left_alone(tmp_path: Path, converted: Conversion) -> None:
    (tmp_path / "theirs/1").mkdir(parents=True)
    (tmp_path / "theirs/1/model.onnx").touch()
    (tmp_path / "README.md").touch()
    repository = Repository(tmp_path)
    repository.install(model_of(1), 1, converted)
    settle(repository)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "theirs"]


def test_a_configuration_that_was_changed_by_hand_is_restored(tmp_path: Path, converted: Conversion) -> None:
    repository = Repository(tmp_path)
    repository.install(model_of(1), 1, converted)
    (tmp_path / NAME / "config.pbtxt").write_text("name: 'other'")
    settle(repository, model_of(1))
    assert read_config(tmp_path).name == NAME
