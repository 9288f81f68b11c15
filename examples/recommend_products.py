"""Recommends products over a running gateway: `make run`, then `python examples/recommend_products.py`."""

import os
from pathlib import Path

import gapura_client
from erpml.sales_mobile.v1 import recommendation_service_pb2 as recommendation
from erpml.sales_mobile.v1.recommendation_service_pb2_grpc import RecommendationServiceStub

key_file = Path("var/api-key")  # written by `make run`
api_key = os.environ.get("GAPURA_API_KEY") or (key_file.read_text().strip() if key_file.exists() else None)
offered = ("4710018004605", "4710018004704", "4711271000014", "4714981010038", "4710467112418")
request = recommendation.RecommendProductsRequest(  # what is known of all three is looked up by their ids
    customer_id="01104905",
    location="115",
    candidates=[recommendation.ProductCandidate(product_id=product_id) for product_id in offered],
    max_results=3,
)
with gapura_client.connect(os.environ.get("GAPURA_TARGET", "127.0.0.1:9003"), api_key=api_key) as channel:
    try:
        answer = RecommendationServiceStub(channel).RecommendProducts(request)
    except gapura_client.Unavailable as error:
        raise SystemExit(f"{error}\nStart a gateway first: make run") from error
    except gapura_client.GapuraError as error:
        raise SystemExit(str(error)) from error
    print("for this customer" if answer.personalized else "by popularity, since the customer is new")
    for product in answer.products:
        reason = recommendation.RecommendationReason.Name(product.reason)
        print(f"  {product.product_id}  {product.score:.3f}  {reason}")
