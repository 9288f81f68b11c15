"""Finds the best price of a product."""

import pandas as pd
from erpml.online_sales.v1 import pricing_service_pb2 as pricing
from erpml.online_sales.v1.pricing_service_pb2_grpc import PricingServiceStub

from hub.quickstart.calls.place import Place
from hub.quickstart.steps import Steps

_SHOWN = 3


def show(place: Place, steps: Steps) -> None:
    """Lets policy lay a grid of prices around the current ones of a few stock items."""
    with steps.step("find prices") as say:
        if not place.stored:
            say("left out: no features are stored")
            return
        items = pd.read_parquet(place.features / "product_pricing.parquet")["stock_item_id"].unique()[:_SHOWN]
        for item in items:
            store, product = item.split("/")
            request = pricing.OptimizePriceRequest(store_id=store, product_id=product)
            answer = PricingServiceStub(place.channel).OptimizePrice(request)
            say(
                f"{item}: {answer.current_price_minor / 100:.2f} to {answer.optimal_price_minor / 100:.2f} "
                f"{answer.currency_code} ({answer.change_percent:+.1f} %), demand "
                f"{answer.expected_impact.demand_change_percent:+.1f} %, of {len(answer.curve)} prices in one batch"
            )
