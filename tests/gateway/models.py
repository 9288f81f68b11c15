"""Models as a catalog describes them, for tests that need no real one."""

from erpml.catalog.v1 import catalog_pb2
from erpml.types.v1 import feature_view_pb2
from gapura_features.schema import FeatureType, message_of

from gateway.contracts.columns import FLOAT_FIELDS, annotated_columns
from gateway.contracts.descriptors import link
from gateway.feature_views import FeatureView
from gateway.types import Arm, Model, ModelVersion, Signature, TensorSpec

CREDIT = next(method for method in link({}).methods if method.name == "ScoreCredit")
COLUMNS = tuple(column.name for column in annotated_columns(CREDIT))
CREDIT_INPUTS = (TensorSpec("input", "FP64", (10,), COLUMNS),)
CREDIT_OUTPUTS = (TensorSpec("label", "INT64", (1,)), TensorSpec("probabilities", "FP32", (2,)))


def version(
    inputs: tuple[TensorSpec, ...] = (TensorSpec("x", "FP32", (2,)),),
    outputs: tuple[TensorSpec, ...] = (TensorSpec("y", "FP32", (2,)),),
    *,
    model: str = "team9_test",
    number: int = 1,
    max_batch_size: int = 8,
) -> ModelVersion:
    """Returns a version; by default one of two floats in, two floats out, eight rows a batch."""
    return ModelVersion(model, number, Signature(inputs, outputs), max_batch_size, "")


def always(version: ModelVersion) -> bool:  # noqa: ARG001 - the same for all
    """Says that a node can answer for a version."""
    return True


def live(version: ModelVersion, policy: dict[str, tuple[float, ...]] | None = None) -> Model:
    """Returns a model whose champion is the version."""
    return Model(version.model, {version.number: version}, (Arm("champion", version),), policy or {})


def credit_model(policy: dict[str, tuple[float, ...]] | None = None) -> Model:
    """Returns the credit model."""
    return live(version(CREDIT_INPUTS, CREDIT_OUTPUTS, model="team3_credit_scoring", max_batch_size=1024), policy)


def credit_view_message() -> feature_view_pb2.FeatureView:
    """Returns the view that the credit contract looks up; nothing is known of a customer who is not stored."""
    view = feature_view_pb2.FeatureView(
        name="customer_credit",
        team="team3",
        entity="customer",
        freshness_ms=86_400_000,
        degrade=feature_view_pb2.DEGRADE_DEFAULT,
    )
    for column in annotated_columns(CREDIT):
        type_ = FeatureType.FLOAT64 if column.cpp_type in FLOAT_FIELDS else FeatureType.INT32
        view.columns.add(name=column.name, type=type_.value, default_value=message_of(type_, None))
    return view


def credit_views() -> dict[str, FeatureView]:
    """Returns the views that the credit contract looks up, by name."""
    view = FeatureView.read(credit_view_message())
    return {view.name: view}


def catalog_message(generation: int = 1, *, weight: int = 10_000, arm_version: int = 1) -> catalog_pb2.Catalog:
    """Returns a catalog with one model."""
    return catalog_pb2.Catalog(
        generation=generation,
        models=[
            catalog_pb2.Model(
                name="team9_test",
                team="team9",
                versions=[
                    catalog_pb2.Version(
                        number=1,
                        max_batch_size=8,
                        sha256="00",
                        signature=catalog_pb2.Signature(
                            inputs=[catalog_pb2.Tensor(name="x", datatype="FP32", dims=[2])],
                            outputs=[catalog_pb2.Tensor(name="y", datatype="FP32", dims=[2])],
                        ),
                    )
                ],
                arms=[catalog_pb2.Arm(name="champion", version=arm_version, weight_basis_points=weight)],
                policy={"bounds": catalog_pb2.PolicyValue(values=[0.1, 0.2])},
            )
        ],
    )
