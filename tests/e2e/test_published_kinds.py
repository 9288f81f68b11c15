"""What converters make is really served: by a Triton node, by a gateway before it, and by one that needs none.

All models are registered as teams do, and published in one go; each way answers as the model itself does.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gapura_client
import mlflow
import numpy as np
import pytest

from gateway.contracts.descriptors import link
from hub.conversions import Workshop
from hub.publication import open_publisher
from hub.publishing.outcome import Outcome, Result
from hub.registry import ModelRegistry
from hub.settings import HubSettings
from tests.e2e.foreign_kinds import FOREIGN, UNSERVABLE
from tests.e2e.kinds import TEAM, Arrays, Kind, Kinds, register
from tests.e2e.trained_kinds import GROWERS, ODD_NAMES, TRAINED, mixed
from tests.e2e.ways import Way, open_ways
from tests.gateway.contract_source import REQUIRED, compile_contract, fed
from tests.triton.nodes import running_node

SERVED: Kinds = {**TRAINED, **FOREIGN}
REFUSED: Mapping[str, tuple[Callable[[], Kind], str]] = {
    **UNSERVABLE,
    "nameless_column": (partial(mixed, {"region": ""}), "a column of the signature has no name"),
}
EVERY: Kinds = {**SERVED, **{name: make for name, (make, _) in REFUSED.items()}}

pytestmark = pytest.mark.timeout(600)  # some 20 models are trained and published first, on a machine that may be busy

CHURN = f"""
service ChurnService {{
  rpc ScoreChurn(ScoreChurnRequest) returns (ScoreChurnResponse) {{
    option (erpml.annotations.v1.serving) = {{ model: "{TEAM}_mixed_table" }};
  }}
}}
message ScoreChurnRequest {{
  optional double monthly_amount = 1 [{fed(ODD_NAMES["monthly_amount"])}, {REQUIRED}];
  int64 months = 2 [{fed("months")}];
  string contract = 3 [{fed("contract")}];
  string region = 4 [{fed(ODD_NAMES["region"])}];
  bool paperless = 5 [{fed("paperless")}];
  optional double usage = 6 [{fed("usage")}];
}}
message ScoreChurnResponse {{
  double churn = 1 [(erpml.annotations.v1.output) = {{ tensor: 'probabilities' element: 1 }}];
  erpml.types.v1.PredictionInfo info = 15;
}}
"""


@dataclass(frozen=True, slots=True)
class Published:
    """All kinds after they were published.

    Attributes:
        kinds: The models that are served, by name.
        outcomes: What the publisher said, by registered name.
        ways: Ways to call them, by name.
        settings: Of the hub.
    """

    kinds: Mapping[str, Kind]
    outcomes: Mapping[str, Outcome]
    ways: Mapping[str, Way]
    settings: HubSettings


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    root = tmp_path_factory.mktemp("kinds")
    (root / "repository").mkdir()
    (root / "contracts").mkdir()
    compile_contract(root / "contracts", CHURN)
    with ExitStack() as stack:
        node = stack.enter_context(running_node(root / "repository", root / "node")).address
        settings = settings_in(root, node)
        workshop = stack.enter_context(Workshop())
        workshop.start()  # takes seconds, while models are trained
        kinds = register_all(ModelRegistry(settings.registry_uri), root / "artifacts")
        with open_publisher(settings, workshop=workshop) as publisher:
            outcomes = {outcome.name: outcome for outcome in publisher.publish(lambda _: None)}
        yield Published(kinds, outcomes, stack.enter_context(open_ways(settings)), settings)


def settings_in(root: Path, node: str) -> HubSettings:
    return HubSettings(
        var=root,
        repository=root / "repository",
        catalog=root / "catalog.binpb",
        contracts=root / "contracts",
        tenants=root / "tenants.yaml",
        freeze=root / "freeze.yaml",
        mlflow_uri=f"sqlite:///{root}/mlflow.db",
        nodes=(node,),
        handover_seconds=0,
    )


def register_all(registry: ModelRegistry, artifacts: Path) -> dict[str, Kind]:
    """Trains and registers every model; returns those that are to be served."""
    experiment = registry.open_experiment(TEAM, artifacts.as_uri())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries warn themselves of their own deprecations
        kinds = {name: make() for name, make in EVERY.items()}
        for name, kind in kinds.items():
            register(registry, name, kind, experiment)
    return {name: kinds[name] for name in SERVED}


@pytest.mark.parametrize("name", SERVED)
async def test_every_way_answers_as_the_model_itself(published: Published, name: str) -> None:
    outcome, kind = published.outcomes[f"{TEAM}_{name}"], published.kinds[name]
    assert outcome.result is Result.LIVE, outcome.detail
    answers = [(await way.ask(name, kind.inputs))[0] for way in published.ways.values()]
    require_agreement(answers[0], kind.answers, kind.tolerance)
    for other in answers[1:]:
        require_same(other, answers[0])


def require_agreement(answer: Arrays, own: Arrays, tolerance: float) -> None:
    """The outputs are the model's own, within the tolerance."""
    assert answer.keys() == own.keys()
    for name, expected in own.items():
        assert answer[name].shape == expected.shape
        if expected.dtype == object:
            assert [text.decode() for text in answer[name].ravel()] == expected.ravel().tolist()
        else:
            served = answer[name].astype(np.float64)
            np.testing.assert_allclose(served, expected.astype(np.float64), tolerance, tolerance)


def require_same(one: Arrays, other: Arrays) -> None:
    """The outputs are the same to the bit, but for the payload of a NaN."""
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], strict=True)


@pytest.mark.parametrize("name", ["mixed_table", "reviews", "text_labels", "wide", "halves", "keras"])
async def test_callers_at_the_same_time_get_their_own_rows(published: Published, name: str) -> None:
    kind = published.kinds[name]
    rows = len(next(iter(kind.inputs.values())))
    calls = [rows_of(kind.inputs, start) for start in range(rows)] * 2
    for way in published.ways.values():
        for start, answer in enumerate(await way.ask(name, *calls)):
            require_agreement(answer, rows_of(kind.answers, start % rows), kind.tolerance)


def rows_of(arrays: Arrays, start: int) -> Arrays:
    """Returns three rows, or what is left of them."""
    return {name: array[start : start + 3] for name, array in arrays.items()}


async def test_rows_of_any_width_meet(published: Published) -> None:
    calls = [{"x": np.full((2, width), width, np.float32)} for width in (1, 7, 3, 1, 0, 7)]
    for way in published.ways.values():
        answers = await way.ask("wide", *calls)
        assert [answer["y"].shape for answer in answers] == [(2, 2 * call["x"].shape[1]) for call in calls]
        assert [set(answer["y"].ravel()) for answer in answers] == [set(call["x"].ravel()) for call in calls]


async def test_classes_have_their_names_everywhere(published: Published) -> None:
    """Triton reads names from a file, a line for each: one of two lines would shift all that follow."""
    kind = published.kinds["text_labels"]
    classes = [(await way.ask("text_labels", kind.inputs, classes=3))[0] for way in published.ways.values()]
    require_same(classes[1], classes[0])
    require_same(classes[2], classes[0])
    best = [text.decode().split(":", 2)[2] for text in classes[0]["probabilities"][:, 0]]
    assert best == [str(label).replace("\n", " ") for label in kind.answers["label"].ravel()]
    assert len(set(best)) == len(GROWERS)


@pytest.mark.parametrize("way", ["triton", "onnx"])
def test_a_typed_call_feeds_a_column_each(published: Published, way: str, tmp_path: Path) -> None:
    (method,) = (each for each in link({"team5": compile_contract(tmp_path, CHURN)}).methods if "team5" in each.service)
    kind = published.kinds["mixed_table"]
    table = kind.taken.head(20)
    requests = table.rename(columns={odd: plain for plain, odd in ODD_NAMES.items()})
    with gapura_client.connect(published.ways[way].address, api_key=published.ways[way].key) as channel:
        score = channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        answers = [score(method.request(**row[row.notna()])) for _, row in requests.iterrows()]
    assert table["usage"].isna().any()
    own = kind.model.predict_proba(table)[:, 1]
    np.testing.assert_allclose([answer.churn for answer in answers], own, 0, kind.tolerance)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_served_says_so_on_its_version(published: Published, name: str) -> None:
    tags = mlflow.MlflowClient(published.settings.registry_uri).get_model_version(f"{TEAM}_{name}", "1").tags
    assert tags["serving.status"] == "refused"
    assert REFUSED[name][1] in tags["serving.reason"]
    assert not (published.settings.repository / f"{TEAM}_{name}").exists()
