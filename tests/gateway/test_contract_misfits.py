"""What does not fit is refused when the catalog is read, with the reason; and disturbs nothing else."""

from pathlib import Path

import pytest
from gapura_features.schema import Column, FeatureType

from gateway.contracts.compilation import compile_methods
from gateway.contracts.descriptors import link
from gateway.decisions import DECISIONS
from gateway.edge.status import status_of
from gateway.errors import ContractError
from gateway.types import TensorSpec
from tests.gateway.contract_source import REQUIRED, SCORE, bound, compile_contract, fed, service
from tests.gateway.feature_contract import entity, view
from tests.gateway.models import credit_model, credit_views, live, version

SINGLE, BATCH = (f"/erpml.finance.v1.CreditService/{name}" for name in ("ScoreCredit", "BatchScoreCredit"))
X, Y = f"optional double x1 = 1 [{fed('x1')}];", f"optional double x2 = 2 [{fed('x2')}];"


@pytest.mark.parametrize(
    ("request_fields", "response_fields", "datatype", "problem"),
    [
        (X, SCORE, "FP32", "no request field feeds the model's column 'x2'"),
        (X + Y + f"double x3 = 3 [{fed('x3')}];", SCORE, "FP32", "feeds 'x3', which is not a column"),
        (X + f"string x2 = 2 [{fed('x2')}];", SCORE, "FP32", "'x2' cannot be a FP32"),
        (X + Y, SCORE, "INT64", "cannot be a INT64"),
        (X + f"double x2 = 2 [{REQUIRED}, {fed('x2')}];", SCORE, "FP32", "declare it `optional`"),
        (X.replace("double", "int32") + Y.replace("double", "int32"), SCORE, "INT32", "INT32 has no missing value"),
        (X + Y, SCORE + "string why = 2;", "FP32", "nobody fills why"),
        (X + Y, SCORE.replace("'y'", "'z'"), "FP32", "no output 'z'"),
        (X + Y, SCORE.replace("element: 1", "element: 2"), "FP32", "has no element 2"),
        (X + Y, SCORE.replace("double", "int32"), "FP32", "cannot hold an element"),
        (X + Y.replace("optional", "repeated"), SCORE, "FP32", "'x2' must be one number, string or bool"),
        (X + f"bytes x2 = 2 [{fed('x2')}];", SCORE, "BYTES", "'x2' must be one number, string or bool"),
        (X + Y + f"double x3 = 3 [{fed('x1')}];", SCORE, "FP32", "both feed 'x1'"),
        (X + Y + f"int32 n = 3 [{REQUIRED}];", SCORE, "FP32", "'n' is required: declare it `optional`"),
        (X + Y, SCORE.replace("score", "class"), "FP32", "'class' is a keyword of Python"),
        (
            X + Y,
            "Level level = 2 [(erpml.annotations.v1.band) = { of: 'score' bounds: [0.5] }];",
            "FP32",
            "no output fills",
        ),
    ],
)
def test_a_contract_that_does_not_fit_its_model_is_refused_with_the_reason(
    tmp_path: Path, request_fields: str, response_fields: str, datatype: str, problem: str
) -> None:
    served = version((TensorSpec("x", datatype, (2,), ("x1", "x2")),))
    with pytest.raises(ContractError) as refused:
        bound(tmp_path, service(request_fields, response_fields), served)
    assert problem in refused.value.message


def test_a_descriptor_set_that_does_not_fit_is_left_out_and_the_others_stay(tmp_path: Path) -> None:
    good = compile_contract(tmp_path, service(X + Y, SCORE))
    clash = compile_contract(tmp_path, service(X + Y, SCORE)).replace(b"contract.proto", b"elsewhere.prot")
    linked = link({"good": good, "clash": clash, "none": b"\xff", "again": good})
    assert sorted(linked.faults) == ["clash", "none"]
    assert "erpml.team5.v1.LeadService.ScoreLead" in [method.full_name for method in linked.methods]
    assert len(linked.methods) == len(link({}).methods) + 1


def test_a_contract_that_does_not_fit_disturbs_no_other(tmp_path: Path) -> None:
    """Nested messages, a model without inputs, a stream, a batch without its items: each is set aside by itself."""
    body = """
    service OddService {
      rpc Nested(Outer.Request) returns (Outer.Response) {
        option (erpml.annotations.v1.serving) = { model: "team9_test" };
      }
      rpc Streams(stream Outer.Request) returns (Outer.Response) {
        option (erpml.annotations.v1.serving) = { model: "team9_test" };
      }
      rpc Batch(Outer.Request) returns (Outer.Response) {
        option (erpml.annotations.v1.serving) = { batch_of: "Missing" };
      }
    }
    message Outer { message Request {} message Response { erpml.types.v1.PredictionInfo info = 1; } }
    """
    models = {"team9_test": live(version(inputs=())), "team3_credit_scoring": credit_model()}
    contracts = link({"odd": compile_contract(tmp_path, body)})
    compiled = compile_methods(contracts.methods, models, credit_views(), DECISIONS, status_of)
    assert {path for path in compiled.methods if "Credit" in path} == {SINGLE, BATCH}
    reasons = {path.rpartition("/")[2]: error.message for path, error in compiled.refused.items()}
    assert "the model has no inputs" in reasons["Nested"]
    assert "annotated methods are unary" in reasons["Streams"]
    assert "there is no method Missing" in reasons["Batch"]


V, LONE = Column("x1", FeatureType.FLOAT32, 0.5), f"string id = 5 [{entity('v')}];"


@pytest.mark.parametrize(
    ("fields", "columns", "datatype", "problem"),
    [
        (
            f"string id = 5 [{entity('w')}];",
            (V,),
            "FP32",
            "feature view 'w' is not declared; apply it with gapura",
        ),
        (f"int64 id = 5 [{entity('v')}];", (V,), "FP32", "'id' must be one string to be the id of an entity"),
        (f"repeated string id = 5 [{entity('v')}];", (V,), "FP32", "'id' must be one string to be the id of an entity"),
        (f"string class = 5 [{entity('v')}];", (V,), "FP32", "'class' has the name of a keyword of Python"),
        (f"string id = 5 [{entity('v', 'p_')}];", (V,), "FP32", "no column of feature view 'v' behind the prefix 'p_'"),
        (LONE, (Column("z", FeatureType.FLOAT32),), "FP32", "no column of feature view 'v', which field 'id' looks up"),
        (LONE + LONE.replace("id = 5", "other = 6"), (V,), "FP32", "two entities look up 'x1': give each a prefix"),
        (LONE, (Column("x1", FeatureType.STRING, ""),), "FP32", "a STRING, does not fit into a FP32"),
        (LONE, (Column("x1", FeatureType.FLOAT32, 0.0),), "BYTES", "a FLOAT32, does not fit into a BYTES"),
        (LONE, (Column("x1", FeatureType.FLOAT32, 0.0),), "INT32", "a FLOAT32, does not fit into a INT32"),
        (LONE, (Column("x1", FeatureType.INT64, 0),), "INT32", "a INT64, does not fit into a INT32"),
        (LONE, (Column("x1", FeatureType.INT32, 0),), "UINT64", "a INT32, does not fit into a UINT64"),
        (
            LONE,
            (Column("x1", FeatureType.INT32),),
            "INT32",
            "may be null, and INT32 has no missing value: give it",
        ),
        (LONE, (Column("x1", FeatureType.STRING),), "BYTES", "may be null, and BYTES has no missing value: give it a"),
        (
            LONE,
            (Column("x1", FeatureType.FLOAT64, 1e39),),
            "FP32",
            "the default of column 'x1' of view 'v' must be at",
        ),
        (LONE + X.replace("optional ", ""), (V,), "FP32", "'x1' can come from column 'x1' of view 'v': declare it"),
        (LONE + X.replace("[", f"[{REQUIRED}, "), (V,), "FP32", "declare it `optional`, and not REQUIRED"),
        (LONE + X.replace("double", "int32"), (V,), "FP32", "field 'x1' cannot hold column 'x1' of view 'v', a F"),
        (LONE + X.replace("double", "bool"), (Column("x1", FeatureType.INT32, 0),), "FP32", "'x1' cannot hold column"),
        (
            LONE + X.replace("' ", "' minimum: 1 "),
            (V,),
            "FP32",
            "the default of column 'x1' of view 'v' must be",
        ),
    ],
)
def test_a_contract_that_does_not_fit_its_feature_view_is_refused_with_what_to_change(
    tmp_path: Path, fields: str, columns: tuple[Column, ...], datatype: str, problem: str
) -> None:
    served = version((TensorSpec("x", datatype, (1,), ("x1",)),))
    with pytest.raises(ContractError) as refused:
        bound(tmp_path, service(fields, SCORE), served, view("v", *columns))
    assert problem in refused.value.message
