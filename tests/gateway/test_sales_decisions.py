"""Whether recommendations were made for the customer is said by policy."""

import pytest
from erpml.sales_mobile.v1.recommendation_service_pb2 import (
    ProductCandidate,
    RecommendProductsRequest,
    RecommendProductsResponse,
)

from gateway.decisions.sales_mobile import personalization
from gateway.types import Policy

ONE_TRIP: Policy = {"personalized_from_trips": (1.0,)}
FIVE_TRIPS: Policy = {"personalized_from_trips": (5.0,)}


def judge(policy: Policy, shopping_trips: int | None = None) -> object:
    candidates = [ProductCandidate(product_id="p")]
    request = RecommendProductsRequest(customer_id="c", candidates=candidates, shopping_trips=shopping_trips)
    return personalization(policy)(request, RecommendProductsResponse())["personalized"]


def test_a_customer_of_whom_nothing_is_known_is_new() -> None:
    assert judge(ONE_TRIP) is False
    assert judge(ONE_TRIP, shopping_trips=0) is False


def test_the_bound_itself_is_enough() -> None:
    assert judge(ONE_TRIP, shopping_trips=1) is True
    assert judge(FIVE_TRIPS, shopping_trips=4) is False
    assert judge(FIVE_TRIPS, shopping_trips=5) is True


def test_the_response_stays_as_it_is() -> None:
    response = RecommendProductsResponse()
    personalization(ONE_TRIP)(RecommendProductsRequest(shopping_trips=3), response)
    assert response == RecommendProductsResponse()


@pytest.mark.parametrize("trips", [0.0, -1.0, 0.5])
def test_a_bound_that_new_customers_reach_is_refused(trips: float) -> None:
    with pytest.raises(ValueError, match="personalized_from_trips must be at least 1"):
        personalization({"personalized_from_trips": (trips,)})


def test_a_missing_bound_is_refused() -> None:
    with pytest.raises(KeyError):
        personalization({})
