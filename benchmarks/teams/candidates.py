"""Thousands of candidates in one call: how long they take beside the model itself, and what they cost small calls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from threading import Event, Thread
from time import perf_counter
from typing import Any

import pandas as pd
import tritonclient.grpc as triton
from erpml.sales_mobile.v1 import recommendation_service_pb2 as sales
from erpml.sales_mobile.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from gapura_deployment.nodes import NAMES
from gapura_supervisor.state import Place

from benchmarks.teams.verification import Caller
from hub.settings import HubSettings

MODEL = "team1_product_recommendation"
CANDIDATES, PART, BEST = 5_000, 500, 10
LARGE_CALLS, SMALL_CALLS = 30, 200
NS_IN_MS = 1e6


@dataclass(frozen=True, slots=True)
class Candidates:
    """What was found out; times in milliseconds.

    Attributes:
        batches: Batches that the backend has computed for each large call.
        p50_ms: Median of a large call.
        model_ms: What of it is the model's own time, on average.
        small_idle_ms: 99th percentile of calls with one candidate, by themselves.
        small_beside_ms: The same beside large calls that follow each other.
    """

    batches: float
    p50_ms: float
    model_ms: float
    small_idle_ms: float
    small_beside_ms: float

    def __str__(self) -> str:
        more = (self.small_beside_ms - self.small_idle_ms) / self.p50_ms
        return (
            f"{CANDIDATES:,} candidates: {self.batches:.2f} batches a call, p50 {self.p50_ms:.1f} ms, "
            f"of which the model {self.model_ms:.1f} ms\n"
            f"one candidate: p99 {self.small_idle_ms:.1f} ms idle, {self.small_beside_ms:.1f} ms beside such calls: "
            f"{more:.2f} of one more"
        )


def measure(settings: HubSettings, caller: Caller) -> Candidates:
    """Verifies and times large calls, and small ones beside them.

    Raises:
        AssertionError: The best of all are not the best of parts.
    """
    products = pd.read_parquet(settings.features / "product_profile.parquet")["product_id"].unique()[:CANDIDATES]
    customers = pd.read_parquet(settings.features / "customer_taste.parquet")["customer_id"].unique()[:SMALL_CALLS]
    stub = RecommendationServiceStub(caller.channel)
    large = ask(customers[0], products)
    require_best(stub, large, products)
    before = computed(settings, caller)
    p50_ms = median(timed(lambda: stub.RecommendProducts(large)) for _ in range(LARGE_CALLS))
    after = computed(settings, caller)
    batches = after[0] - before[0]
    small = [ask(customer, products[:1]) for customer in customers]
    idle = p99(stub.RecommendProducts, small)
    with_large = beside(lambda: stub.RecommendProducts(large), lambda: p99(stub.RecommendProducts, small))
    return Candidates(batches / LARGE_CALLS, p50_ms, (after[1] - before[1]) / batches, idle, with_large)


def ask(customer: str, products: Sequence[str]) -> sales.RecommendProductsRequest:
    """Returns a request for the best of products."""
    candidates = [sales.ProductCandidate(product_id=product) for product in products]
    return sales.RecommendProductsRequest(customer_id=customer, candidates=candidates, max_results=BEST)


def require_best(stub: Any, large: sales.RecommendProductsRequest, products: Sequence[str]) -> None:
    """Makes sure that the best of all candidates are the best of those of their parts, with the same scores.

    Raises:
        AssertionError: They are not.
    """
    parts = [
        product
        for start in range(0, len(products), PART)
        for product in stub.RecommendProducts(ask(large.customer_id, products[start : start + PART])).products
    ]
    wanted = sorted((product.score for product in parts), reverse=True)[:BEST]
    told = [product.score for product in stub.RecommendProducts(large).products]
    assert max(abs(one - other) for one, other in zip(told, wanted, strict=True)) < 1e-6, (told, wanted)  # noqa: PLR2004 - of float32


def computed(settings: HubSettings, caller: Caller) -> tuple[int, float]:
    """Returns how many batches of the model all nodes have computed, and how long that took, in milliseconds."""
    batches, nanoseconds = 0, 0
    for address in nodes_of(settings) or [caller.target]:
        with triton.InferenceServerClient(address) as client:
            told = client.get_inference_statistics(MODEL, headers={"x-api-key": caller.key})
        batches += told.model_stats[-1].execution_count
        nanoseconds += told.model_stats[-1].inference_stats.compute_infer.ns
    return batches, nanoseconds / NS_IN_MS


def nodes_of(settings: HubSettings) -> list[str]:
    """Returns the addresses of the Triton nodes of the deployment; none where workers compute themselves."""
    state = Place((settings.var / "run").absolute()).read()
    return [part.address for part in state.parts if part.name in NAMES] if state else []


def timed(call: Callable[[], Any]) -> float:
    """Returns how long a call takes, in milliseconds."""
    started = perf_counter()
    call()
    return (perf_counter() - started) * 1000


def p99(call: Callable[[Any], Any], requests: Sequence[Any]) -> float:
    """Returns the 99th percentile of the times of calls that follow each other, in milliseconds."""
    times = sorted(timed(lambda request=request: call(request)) for request in requests)  # type: ignore[misc]
    return times[int(len(times) * 0.99) - 1]


def beside(load: Callable[[], Any], work: Callable[[], float]) -> float:
    """Returns what some work returns while another thread repeats a call."""
    over = Event()

    def repeat() -> None:
        while not over.is_set():
            load()

    thread = Thread(target=repeat)
    thread.start()
    try:
        return work()
    finally:
        over.set()
        thread.join()
