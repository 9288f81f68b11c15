"""A team that joins a gateway while it serves: its contract, its model, its tenant, and the callers of another team."""

import json
import subprocess
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gapura_client
import grpc
import numpy as np
import pandas as pd
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceStub
from sklearn.linear_model import LogisticRegression

from gateway.contracts.descriptors import AnnotatedMethod, link
from hub.registry import ModelRegistry
from tests.e2e.applicants import GOOD
from tests.e2e.kinds import Kind, register
from tests.e2e.serving import COMMAND
from tests.gateway.contract_source import REQUIRED, fed

TEAM, MODEL = "team5", "shelf_refill"
SERVICE = "erpml.team5.v1.RefillService"
PATH = f"/{SERVICE}/PredictRefill"
REST_PATH = "/api/ml/shelf-refill"

CONTRACT = f"""
import "google/api/annotations.proto";
// Says which shelves have to be refilled.
service RefillService {{
  // Says of one shelf whether it is empty tomorrow.
  rpc PredictRefill(PredictRefillRequest) returns (PredictRefillResponse) {{
    option idempotency_level = NO_SIDE_EFFECTS;
    option (erpml.annotations.v1.serving) = {{ model: "{TEAM}_{MODEL}" unit: "shelf_id" }};
    option (google.api.http) = {{ post: "{REST_PATH}" body: "*" }};
  }}
}}
message PredictRefillRequest {{
  string shelf_id = 1;
  optional double stock = 2 [{fed("stock")}, {REQUIRED}];
  optional double daily_sales = 3 [{fed("daily_sales")}, {REQUIRED}];
}}
enum Urgency {{ URGENCY_UNSPECIFIED = 0; URGENCY_LOW = 1; URGENCY_HIGH = 2; }}
message PredictRefillResponse {{
  double empty_probability = 1 [(erpml.annotations.v1.output) = {{ tensor: "probabilities" element: 1 }}];
  Urgency urgency = 2 [(erpml.annotations.v1.band) = {{ of: "empty_probability" bounds: [0.5] }}];
  erpml.types.v1.PredictionInfo prediction = 3;
}}
"""


def shelves() -> pd.DataFrame:
    """Returns 200 shelves, always the same."""
    random = np.random.default_rng(5)
    return pd.DataFrame({"stock": random.uniform(0, 50, 200), "daily_sales": random.uniform(0, 50, 200)})


def train() -> Kind:
    """Trains the model: a shelf is empty tomorrow if more is sold a day than there is."""
    table = shelves()
    model = LogisticRegression().fit(table / 10, table["daily_sales"] > table["stock"])
    model.coef_ /= 10  # it takes pieces, and is trained on tens of them
    model.feature_names_in_ = np.array(table.columns, dtype=object)
    return Kind("sklearn", model, {}, {}, taken=table)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway runs that a team joins.

    Attributes:
        environment: Of commands.
        contracts: The folder of descriptor sets.
        telemetry: Where the gateway tells of calls.
        address: Where it listens.
        keys: Keys of tenants, by their names.
    """

    environment: Mapping[str, str]
    contracts: Path
    telemetry: Path
    address: str
    keys: Mapping[str, str]

    def lay(self, content: bytes, name: str = TEAM) -> None:
        """Lays a descriptor set into the folder."""
        (self.contracts / f"{name}.binpb").write_bytes(content)

    def publish(self, kind: Kind) -> None:
        """Registers the model as its team does, and publishes it."""
        registry = ModelRegistry(self.environment["GAPURA_MLFLOW_URI"])
        artifacts = Path(self.environment["GAPURA_VAR"]) / "team5_artifacts"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries warn themselves of their own deprecations
            register(registry, MODEL, kind, registry.open_experiment(TEAM, artifacts.as_uri()), TEAM)
        subprocess.run([*COMMAND, "publish"], env=self.environment, check=True, capture_output=True)

    def ask(self, content: bytes, tenant: str = TEAM, *metadata: tuple[str, str], **fields: Any) -> Any:
        """Calls the method by gRPC, with messages that are made of the descriptor set.

        Raises:
            GapuraError: The call failed.
        """
        method = method_of(content)
        with gapura_client.connect(self.address, api_key=self.keys[tenant], timeout_seconds=20) as channel:
            call = channel.unary_unary(PATH, method.request.SerializeToString, method.response.FromString)
            return call(method.request(**fields), metadata=metadata)

    def code(self, content: bytes, tenant: str = TEAM) -> str:
        """Calls the method; returns the code."""
        try:
            self.ask(content, tenant, stock=1.0, daily_sales=1.0)
        except gapura_client.GapuraError as error:
            return str(error.code().name)
        return "OK"

    def traces(self) -> list[dict[str, Any]]:
        """Returns the kept traces of all calls."""
        lines = (line for path in self.telemetry.glob("*.traces.jsonl") for line in path.read_text().splitlines())
        return [json.loads(line) for line in lines]


def method_of(content: bytes) -> AnnotatedMethod:
    """Returns the method of the team's contract, and its message classes."""
    return next(method for method in link({"team5": content}).methods if method.path == PATH)


@contextmanager
def credit_calls(place: Place) -> Iterator[Counter[str]]:
    """Lets another team call all the while; yields what becomes of its calls."""
    outcomes, over = Counter[str](), threading.Event()

    def call() -> None:
        options = [("grpc.enable_retries", 0)]
        with gapura_client.connect(place.address, api_key=place.keys["team3"], options=options) as channel:
            stub = CreditServiceStub(channel)
            while not over.wait(0.01):
                try:
                    stub.ScoreCredit(GOOD, timeout=20)
                    outcomes["OK"] += 1
                except grpc.RpcError as error:
                    outcomes[str(error)] += 1

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield outcomes
    finally:
        over.set()
        thread.join()
