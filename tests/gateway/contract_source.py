"""Compiles contracts that tests write, as a new team would: with protoc, into a descriptor set."""

import importlib.resources
from pathlib import Path

from google.api import http_pb2
from grpc_tools import protoc

from gateway.contracts.batches import BatchMethod
from gateway.contracts.bindings import TypedMethod
from gateway.contracts.compilation import Compiled, compile_methods
from gateway.contracts.descriptors import link
from gateway.edge.status import status_of
from gateway.feature_views import FeatureView
from gateway.types import ModelVersion
from tests.gateway.models import live

PROTOS = Path(__file__).parents[2] / "protos"

HEAD = """
syntax = "proto3";
package erpml.team5.v1;
import "erpml/annotations/v1/annotations.proto";
import "erpml/types/v1/prediction_info.proto";
import "google/api/field_behavior.proto";
import "google/rpc/status.proto";
"""


def compile_contract(folder: Path, body: str) -> bytes:
    """Returns the descriptor set of a proto file, imports included."""
    (folder / "contract.proto").write_text(HEAD + body)
    arguments = [
        "protoc",
        f"-I{folder}",
        f"-I{PROTOS}",
        f"-I{importlib.resources.files('grpc_tools') / '_proto'}",
        f"-I{Path(http_pb2.__file__).parents[2]}",
        "--include_imports",
        f"--descriptor_set_out={folder / 'contract.binpb'}",
        "contract.proto",
    ]
    assert protoc.main(arguments) == 0
    return (folder / "contract.binpb").read_bytes()


def service(request: str, response: str, *, policy: str = "") -> str:
    """Returns a service `LeadService.ScoreLead` answered by `team9_test`, with the given fields."""
    return f"""
service LeadService {{
  rpc ScoreLead(ScoreLeadRequest) returns (ScoreLeadResponse) {{
    option (erpml.annotations.v1.serving) = {{ model: "team9_test" {policy} }};
  }}
}}
enum Level {{ LEVEL_UNSPECIFIED = 0; LEVEL_LOW = 1; LEVEL_HIGH = 2; }}
message ScoreLeadRequest {{ {request} }}
message ScoreLeadResponse {{ {response} erpml.types.v1.PredictionInfo info = 15; }}
"""


def fed(column: str, rest: str = "") -> str:
    """Returns the annotation of a request field."""
    return f"(erpml.annotations.v1.input) = {{ column: '{column}' {rest} }}"


REQUIRED = "(google.api.field_behavior) = REQUIRED"
SCORE = "double score = 1 [(erpml.annotations.v1.output) = { tensor: 'y' element: 1 }];"


def compiled(folder: Path, body: str, served: ModelVersion, *views: FeatureView) -> Compiled:
    """Compiles the methods of a contract for a version, and feature views."""
    methods = link({"team5": compile_contract(folder, body)}).methods
    own = [each for each in methods if "team5" in each.service]
    model = live(served)
    return compile_methods(own, {model.name: model}, {view.name: view for view in views}, {}, status_of)


def bound(folder: Path, body: str, served: ModelVersion, *views: FeatureView) -> TypedMethod:
    """Binds the `ScoreLead` of a contract to a version.

    Raises:
        ContractError: They do not fit.
    """
    found = compiled(folder, body, served, *views)
    for error in found.refused.values():
        raise error
    method = found.methods["/erpml.team5.v1.LeadService/ScoreLead"]
    assert not isinstance(method, BatchMethod)
    return method
