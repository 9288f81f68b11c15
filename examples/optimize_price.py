"""Finds the best price of one product over a running gateway: `make run`, then `python examples/optimize_price.py`."""

import os
from pathlib import Path

import gapura_client
from erpml.online_sales.v1 import pricing_service_pb2 as pricing
from erpml.online_sales.v1.pricing_service_pb2_grpc import PricingServiceStub

key_file = Path("var/api-key")  # written by `make run`
api_key = os.environ.get("GAPURA_API_KEY") or (key_file.read_text().strip() if key_file.exists() else None)
request = pricing.OptimizePriceRequest(
    store_id="2",
    product_id="tropicana-premium-64oz",  # its price, cost and demand are stored
    competitor_lowest_price_minor=179,  # what competitors ask today
    min_margin=0.1,
    max_change=0.15,
    stock_units=400,
)
with gapura_client.connect(os.environ.get("GAPURA_TARGET", "127.0.0.1:9003"), api_key=api_key) as channel:
    try:
        answer = PricingServiceStub(channel).OptimizePrice(request)
    except gapura_client.Unavailable as error:
        raise SystemExit(f"{error}\nStart a gateway first: make run") from error
    except gapura_client.GapuraError as error:
        raise SystemExit(str(error)) from error
    print(
        f"{len(answer.curve)} prices scored: from {answer.current_price_minor / 100:.2f}"
        f" to {answer.optimal_price_minor / 100:.2f} {answer.currency_code} ({answer.change_percent:+.1f} %),"
        f" demand {answer.expected_impact.demand_change_percent:+.1f} %,"
        f" profit {answer.expected_impact.profit_change_minor / 100:+.2f} a week"
    )
