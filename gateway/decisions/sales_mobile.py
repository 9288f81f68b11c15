"""Decisions of the mobile sales team."""

from collections.abc import Callable, Mapping

from erpml.sales_mobile.v1.recommendation_service_pb2 import RecommendProductsRequest, RecommendProductsResponse

from gateway.types import Policy


def personalization(
    policy: Policy,
) -> Callable[[RecommendProductsRequest, RecommendProductsResponse], Mapping[str, object]]:
    """Says whether products were ranked for the customer, or by popularity alone.

    Args:
        policy: `personalized_from_trips`, shopping trips from which a customer counts as known.

    Raises:
        KeyError: A value is missing.
        ValueError: A value does not make sense.
    """
    (trips,) = policy["personalized_from_trips"]
    if trips < 1:
        raise ValueError(f"personalized_from_trips must be at least 1, got {trips:g}: a new customer has no purchases")

    def judge(
        request: RecommendProductsRequest,
        response: RecommendProductsResponse,  # noqa: ARG001 - what is known of the customer is in the request
    ) -> Mapping[str, object]:
        return {"personalized": request.shopping_trips >= trips}

    return judge
