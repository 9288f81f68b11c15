"""Recommends products to customers, one of them new."""

import pandas as pd
from erpml.sales_mobile.v1 import recommendation_service_pb2 as sales
from erpml.sales_mobile.v1.recommendation_service_pb2_grpc import RecommendationServiceStub

from hub.quickstart.calls.place import Place
from hub.quickstart.steps import Steps

_CANDIDATES, _SHOWN = 5_000, 3
_NEW = "a-new-customer"


def show(place: Place, steps: Steps) -> None:
    """Ranks thousands of products in one call for a customer who is known, and for one who is not."""
    with steps.step("recommend products") as say:
        if not place.stored:
            say("left out: no features are stored")
            return
        customer = pd.read_parquet(place.features / "customer_taste.parquet")["customer_id"].iloc[-1]
        products = pd.read_parquet(place.features / "product_profile.parquet")["product_id"].unique()[:_CANDIDATES]
        candidates = [sales.ProductCandidate(product_id=product) for product in products]
        stub = RecommendationServiceStub(place.channel)
        for name in (customer, _NEW):
            request = sales.RecommendProductsRequest(customer_id=name, candidates=candidates, max_results=_SHOWN)
            answer = stub.RecommendProducts(request)
            best = ", ".join(
                f"{product.product_id} ({reason_of(product)}, {product.score:.3f})" for product in answer.products
            )
            say(f"{name}, {'personalized' if answer.personalized else 'by popularity'}: {best}")
        say(f"each of {len(candidates):,} candidates, in one batch")


def reason_of(product: sales.RecommendedProduct) -> str:
    """Returns why a product is recommended."""
    name = sales.RecommendationReason.Name(product.reason)
    return name.removeprefix("RECOMMENDATION_REASON_").lower().replace("_", " ")
