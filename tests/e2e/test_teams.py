"""All teams: `gapura bench teams` verifies the models that `make run` has trained; then they answer behind the edge."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import gapura_client
import grpc
import pytest
from erpml.crm.v1 import sentiment_service_pb2 as crm
from erpml.crm.v1.sentiment_service_pb2_grpc import SentimentServiceStub
from erpml.logistics.v1 import demand_service_pb2 as logistics
from erpml.logistics.v1.demand_service_pb2_grpc import DemandServiceStub
from erpml.online_sales.v1 import pricing_service_pb2 as online_sales
from erpml.online_sales.v1.pricing_service_pb2_grpc import PricingServiceStub
from erpml.sales_mobile.v1 import recommendation_service_pb2 as sales_mobile
from erpml.sales_mobile.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from erpml.types.v1.prediction_info_pb2 import FEATURE_STATUS_DEFAULT, FEATURE_STATUS_FRESH

from tests.conftest import ROOT, published_in
from tests.e2e.deployments import Deployment, share_triton, started
from tests.e2e.newcomer import visit
from tests.e2e.serving import COMMAND, free_port, own_ports, scratch_environment
from tests.sharing import made_once

pytestmark = pytest.mark.timeout(
    600
)  # whoever comes first trains and publishes six models, on a machine that may be busy

MODELS = {
    "team1_product_recommendation",
    "team2_demand_forecasting",
    "team3_credit_scoring",
    "team3_fraud_detection",
    "team4_dynamic_pricing",
    "team6_sentiment_analysis",
}
ROWS = 40
MOST_DIFFERENCE = 1e-5
EXAMPLES = {
    "recommend_products": r"for this customer\n(  \d+  0\.\d{3}  RECOMMENDATION_REASON_\w+\n){3}",
    "forecast_demand": r"(day \d: \d+ pieces, in four of five cases \d+ to \d+\n){7}",
    "score_transaction": r"fraud 0\.\d{3}, FRAUD_RISK_LEVEL_\w+, \w+\n(  \w+ +[+-]\d+\.\d\d log-odds\n){3}",
    "optimize_price": r"\d+ prices scored: from \d\.\d\d to \d\.\d\d USD \(.+ %\), demand .+ %, profit .+ a week\n",
    "analyze_sentiment": r"(SENTIMENT_\w+ +sure to [01]\.\d\d  .+\n){8}"
    r"overall SENTIMENT_\w+, 0\.\d\d\nTREND_\w+, .+; \w.+\n",
}
CUSTOMER, PRODUCTS = "01104905", ("4710018004605", "4710018004704", "4711271000014")
STOCK_ITEM = {"store_id": "2", "product_id": "tropicana-premium-64oz"}


@dataclass(frozen=True, slots=True)
class Bench:
    """What `gapura bench teams` has left.

    Attributes:
        folder: Where it worked, with `var` in it, as examples expect it.
        environment: With which commands work there.
        ended: How it ended, and what it printed.
        results: What it found.
    """

    folder: Path
    environment: Mapping[str, str]
    ended: "subprocess.CompletedProcess[str]"
    results: Mapping[str, Any]


@pytest.fixture(scope="module")
def bench(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Runs the command over two Triton nodes, on a copy of what a newcomer has trained and published."""
    folder = tmp_path_factory.mktemp("teams")
    var, clone = folder / "var", made_once(run_folder / "newcomer", visit)
    ignored = shutil.ignore_patterns("artifacts", "home", "run", "telemetry", "triton")  # the registry names artifacts
    shutil.copytree(clone / "var", var, ignore=ignored)
    shutil.copytree(clone / "model_repository", var / "model_repository", dirs_exist_ok=True)
    share_triton(var)
    environment = scratch_environment(published_in(var).environment, CONTRACTS=str(var / "catalog/contracts"))
    environment |= own_ports()
    results = var / "teams.json"
    options = ["--no-train", f"--rows={ROWS}", f"--listen=127.0.0.1:{free_port()}", f"--results={results}"]
    command = [*COMMAND, "bench", "teams", *options]
    ended = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert results.exists(), ended.stdout + ended.stderr
    return Bench(folder, environment, ended, json.loads(results.read_text()))


@pytest.fixture(scope="module")
def deployment(bench: Bench) -> Iterator[Deployment]:
    """Starts what was trained and stored behind Envoy, where workers compute themselves."""
    with started(bench.environment, "--edge=envoy", "--workers=1", "--with=valkey") as deployment:
        yield deployment


@pytest.fixture(scope="module")
def key(bench: Bench) -> str:
    return (bench.folder / "var/api-key").read_text().strip()


@pytest.fixture(scope="module")
def channel(deployment: Deployment, key: str) -> Iterator[grpc.Channel]:
    with gapura_client.connect(deployment.listen, api_key=key, timeout_seconds=30) as opened:
        yield opened


def recommend(channel: grpc.Channel, *products: str, **fields: Any) -> sales_mobile.RecommendProductsResponse:
    """Lets products be ranked for a customer, who is known unless the fields say another."""
    candidates = [sales_mobile.ProductCandidate(product_id=product) for product in products]
    request = sales_mobile.RecommendProductsRequest(**{"customer_id": CUSTOMER, "candidates": candidates, **fields})
    return RecommendationServiceStub(channel).RecommendProducts(request)


def forecast(channel: grpc.Channel, **fields: Any) -> logistics.ForecastDemandResponse:
    """Forecasts a product that is stored, unless the fields say another."""
    request = logistics.ForecastDemandRequest(**{"warehouse_id": "2", "product_id": "101", **fields})
    return DemandServiceStub(channel).ForecastDemand(request)


def optimize(channel: grpc.Channel, **fields: Any) -> online_sales.OptimizePriceResponse:
    """Finds the price of a product that is stored, unless the fields say another."""
    return PricingServiceStub(channel).OptimizePrice(online_sales.OptimizePriceRequest(**{**STOCK_ITEM, **fields}))


def analyze(channel: grpc.Channel, *texts: str) -> crm.AnalyzeSentimentResponse:
    """Reads the sentiment of texts."""
    request = crm.AnalyzeSentimentRequest(feedback=[crm.Feedback(text=text) for text in texts])
    return SentimentServiceStub(channel).AnalyzeSentiment(request)


def test_all_models_reach_their_baselines_and_the_status_is_0(bench: Bench) -> None:
    assert bench.ended.returncode == 0, bench.ended.stdout + bench.ended.stderr
    methods = bench.results["methods"]
    assert {method["model"] for method in methods} == MODELS
    assert len(methods) == len(MODELS)
    assert all(method["scores"] and all(score["reached"] for score in method["scores"]) for method in methods)
    assert re.search(r"^6 methods in \d+ s, backend triton$", bench.ended.stdout, re.MULTILINE)


def test_every_method_answers_as_the_trained_model_and_over_rest_as_over_grpc(bench: Bench) -> None:
    for method in bench.results["methods"]:
        verified = method["verified"]
        assert (verified["rows"], verified["rest"]) == (ROWS, ROWS), method["method"]
        assert 0 <= verified["difference"] <= MOST_DIFFERENCE, method["method"]


def test_thousands_of_candidates_are_one_batch(bench: Bench) -> None:
    assert bench.results["candidates"]["batches"] == 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_it_was_answered(name: str, bench: Bench, deployment: Deployment) -> None:
    environment = {**bench.environment, "GAPURA_TARGET": deployment.listen}
    command = [sys.executable, str(ROOT / f"examples/{name}.py")]
    done = subprocess.run(command, env=environment, cwd=bench.folder, capture_output=True, text=True, check=False)
    assert re.fullmatch(EXAMPLES[name], done.stdout), done.stdout + done.stderr


def test_products_are_ranked_for_a_customer_who_is_known(channel: grpc.Channel) -> None:
    answer = recommend(channel, *PRODUCTS)
    assert answer.personalized
    assert answer.prediction.feature_status == FEATURE_STATUS_FRESH
    scores = [product.score for product in answer.products]
    assert scores == sorted(scores, reverse=True)
    assert {product.product_id for product in answer.products} == set(PRODUCTS)


def test_a_new_customer_is_offered_what_is_popular_and_told_so(channel: grpc.Channel) -> None:
    answer = recommend(channel, *PRODUCTS, customer_id="nobody")
    assert not answer.personalized
    assert answer.prediction.feature_status == FEATURE_STATUS_DEFAULT
    popular = {sales_mobile.RECOMMENDATION_REASON_POPULAR, sales_mobile.RECOMMENDATION_REASON_UNSPECIFIED}
    assert {product.reason for product in answer.products} <= popular


def test_one_candidate_has_the_score_that_it_has_among_others(channel: grpc.Channel) -> None:
    among = {product.product_id: product.score for product in recommend(channel, *PRODUCTS).products}
    (alone,) = recommend(channel, PRODUCTS[1]).products
    assert alone.score == pytest.approx(among[PRODUCTS[1]], abs=1e-6)


def test_products_that_nobody_knows_rank_behind_those_that_are_bought(channel: grpc.Channel) -> None:
    ranked = [product.product_id for product in recommend(channel, "unheard-of", *PRODUCTS, "new").products]
    assert set(ranked[-2:]) == {"unheard-of", "new"}


def test_a_forecast_is_as_long_as_asked_and_within_its_interval(channel: grpc.Channel) -> None:
    for periods, days in ((0, 28), (1, 1), (28, 28)):
        forecasts = forecast(channel, periods=periods).forecasts
        assert [day.days_ahead for day in forecasts] == list(range(1, days + 1))
        assert all(0 <= day.lower_quantity <= day.expected_quantity <= day.upper_quantity for day in forecasts)


def test_without_stock_nothing_is_sold_and_the_price_stays(channel: grpc.Channel) -> None:
    answer = optimize(channel, stock_units=0)
    assert answer.optimal_price_minor == answer.current_price_minor
    assert (answer.expected_sales, answer.expected_profit_minor, answer.change_percent) == (0, 0, 0)
    assert answer.expected_demand > 0


def test_a_text_of_a_megabyte_and_one_that_is_not_ascii_are_read_among_others(channel: grpc.Channel) -> None:
    texts = ("I love it, great!", "très déçu 😀 大変", "terrible waste of money, " * 42_000)
    positive, foreign, negative = analyze(channel, *texts).results
    assert len(texts[2]) > 1_000_000
    assert positive.sentiment == crm.SENTIMENT_POSITIVE
    assert negative.sentiment == crm.SENTIMENT_NEGATIVE
    assert foreign.positive_probability == analyze(channel, texts[1]).results[0].positive_probability


@pytest.mark.parametrize(("ask", "view"), [(forecast, "product_demand"), (optimize, "product_pricing")])
def test_a_product_of_which_nothing_is_stored_is_refused(
    ask: Callable[..., Any], view: str, channel: grpc.Channel
) -> None:
    with pytest.raises(gapura_client.NotFound) as refused:
        ask(channel, product_id="unheard-of")
    assert (refused.value.reason, refused.value.metadata["view"]) == ("ENTITY_UNKNOWN", view)


REFUSED: Mapping[str, tuple[Callable[..., Any], Mapping[str, Any], list[str]]] = {
    "no candidates": (recommend, {}, ["candidates"]),
    "too many results": (recommend, {"candidates": [{"product_id": "1"}], "max_results": 101}, ["max_results"]),
    "too many days": (forecast, {"periods": 29}, ["periods"]),
    "bounds that contradict": (
        optimize,
        {"min_price_minor": 900, "max_price_minor": 100},
        ["min_price_minor", "max_price_minor"],
    ),
    "no texts": (analyze, {}, ["feedback"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_answered_is_refused_by_the_names_of_its_fields(case: str, channel: grpc.Channel) -> None:
    ask, fields, named = REFUSED[case]
    with pytest.raises(gapura_client.InvalidArgument) as refused:
        ask(channel, **fields)
    assert [violation.field for violation in refused.value.violations] == named
    assert all(violation.description for violation in refused.value.violations)


def test_rest_names_the_fields_too(deployment: Deployment, key: str) -> None:
    connection = HTTPConnection(deployment.listen, timeout=30)
    content = json.dumps({"customer_id": CUSTOMER, "candidates": []})
    headers = {"x-api-key": key, "content-type": "application/json"}
    connection.request("POST", "/api/ml/recommendations", content, headers)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    assert answer.status == HTTPStatus.BAD_REQUEST
    violations = [each for detail in told["details"] for each in detail.get("field_violations", ())]
    assert [violation["field"] for violation in violations] == ["candidates"]
