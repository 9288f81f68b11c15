"""A contract of two entities, the views that it looks up, and a model that answers it, for tests."""

from erpml.types.v1 import feature_view_pb2
from gapura_features.schema import Column, FeatureType, Schema, Value

from gateway.feature_views import Degrade, Features, FeatureStatus, FeatureView, fill
from gateway.types import ModelVersion, TensorSpec
from tests.gateway.contract_source import REQUIRED, SCORE, fed
from tests.gateway.models import version

BATCH = "/erpml.team5.v1.LeadService/BatchScoreLead"
SINGLE = "/erpml.team5.v1.LeadService/ScoreLead"

# Features of a customer: a count, a number that may be unknown, a text, and one that no request field feeds.
CUSTOMER = (
    Column("visits", FeatureType.INT32, 1),
    Column("income", FeatureType.FLOAT64),
    Column("segment", FeatureType.STRING, "none"),
    Column("trend", FeatureType.FLOAT32, 0.5),
    Column("unused", FeatureType.BOOL),
)
RISK = (Column("risk", FeatureType.FLOAT32, 0.25), Column("unused", FeatureType.FLOAT32, 0.0))


def view(name: str, *columns: Column, degrade: Degrade = Degrade.DEFAULT) -> FeatureView:
    """Returns a view."""
    return FeatureView(name, "customer", Schema.of(columns), 1_000, 2_000, degrade)


def entity(name: str, prefix: str = "") -> str:
    """Returns the annotation of an entity field."""
    return f"(erpml.annotations.v1.entity) = {{ view: '{name}' prefix: '{prefix}' }}"


def lead(fields: str, response: str = SCORE) -> str:
    """Returns a service with `ScoreLead` and `BatchScoreLead`, whose requests have the given fields."""
    return f"""
service LeadService {{
  rpc ScoreLead(ScoreLeadRequest) returns (ScoreLeadResponse) {{
    option (erpml.annotations.v1.serving) = {{ model: "team9_test" }};
  }}
  rpc BatchScoreLead(BatchScoreLeadRequest) returns (BatchScoreLeadResponse) {{
    option (erpml.annotations.v1.serving) = {{ batch_of: "ScoreLead" }};
  }}
}}
message ScoreLeadRequest {{ {fields} }}
message ScoreLeadResponse {{ {response} erpml.types.v1.PredictionInfo info = 15; }}
message BatchScoreLeadRequest {{ repeated ScoreLeadRequest items = 1; }}
message BatchScoreLeadResponse {{ repeated Result results = 1; }}
message Result {{ oneof result {{ ScoreLeadResponse response = 1; google.rpc.Status error = 2; }} }}
"""


VISITS = f"optional int32 visits = 2 [{fed('visits', 'minimum: 0 maximum: 100')}];"
INCOME = f"optional double income = 3 [{fed('income', 'minimum: 0')}];"
SEGMENT = f"optional string segment = 4 [{fed('segment')}];"

# One entity; every column has a request field.
CUSTOMER_ONLY = f"string customer_id = 1 [{REQUIRED}, {entity('leads')}];" + VISITS + INCOME + SEGMENT

# Two entities: a merchant need not be named if its risk is said.
BOTH = CUSTOMER_ONLY + f"string shop_id = 5 [{entity('shops', 'shop_')}]; optional float x = 6 [{fed('shop_risk')}];"

NUMBERS = TensorSpec("numbers", "FP64", (2,), ("income", "visits"))
TEXT = TensorSpec("segment", "BYTES", (1,))
TREND = TensorSpec("trend", "FP32", (1,))
SHOP = TensorSpec("shop_risk", "FP32", (1,))

LEADS, SHOPS = view("leads", *CUSTOMER), view("shops", *RISK)


def served(*inputs: TensorSpec) -> ModelVersion:
    """Returns a version with these inputs."""
    return version(inputs, max_batch_size=4)


def features(
    view: FeatureView, *values: Value, status: FeatureStatus = FeatureStatus.FRESH, event_time_ms: int = 0
) -> Features:
    """Returns the features of an entity."""
    return Features(values, fill(view, values), status, event_time_ms)


def view_message(name: str = "leads", **fields: object) -> feature_view_pb2.FeatureView:
    """Returns a declared view of one column, `x1`."""
    column = feature_view_pb2.FeatureColumn(
        name="x1",
        type=feature_view_pb2.FEATURE_TYPE_FLOAT32,
        default_value=feature_view_pb2.FeatureValue(number=0.5),
    )
    declared: dict[str, object] = {"degrade": feature_view_pb2.DEGRADE_DEFAULT, "freshness_ms": 1000, **fields}
    return feature_view_pb2.FeatureView(name=name, entity="lead", columns=[column], **declared)  # type: ignore[arg-type]
