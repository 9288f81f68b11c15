"""Forecasts what a store will sell of a product: `make run`, then `python examples/forecast_demand.py`."""

import os
from pathlib import Path

import gapura_client
from erpml.logistics.v1 import demand_service_pb2 as demand
from erpml.logistics.v1.demand_service_pb2_grpc import DemandServiceStub

key_file = Path("var/api-key")  # written by `make run`
api_key = os.environ.get("GAPURA_API_KEY") or (key_file.read_text().strip() if key_file.exists() else None)
request = demand.ForecastDemandRequest(warehouse_id="2", product_id="101", periods=7)
with gapura_client.connect(os.environ.get("GAPURA_TARGET", "127.0.0.1:9003"), api_key=api_key) as channel:
    try:
        answer = DemandServiceStub(channel).ForecastDemand(request)
    except gapura_client.Unavailable as error:
        raise SystemExit(f"{error}\nStart a gateway first: make run") from error
    except gapura_client.GapuraError as error:
        raise SystemExit(str(error)) from error
    for day in answer.forecasts:
        print(
            f"day {day.days_ahead}: {day.expected_quantity:.0f} pieces, in four of five cases"
            f" {day.lower_quantity:.0f} to {day.upper_quantity:.0f}"
        )
