"""Forecasts the demand for a product."""

import pandas as pd
from erpml.logistics.v1 import demand_service_pb2 as demand
from erpml.logistics.v1.demand_service_pb2_grpc import DemandServiceStub

from hub.quickstart.calls.place import Place
from hub.quickstart.steps import Steps

_DAYS, _SHOWN = 28, 3


def show(place: Place, steps: Steps) -> None:
    """Forecasts four weeks of a stock item, and shows the first days."""
    with steps.step("forecast demand") as say:
        if not place.stored:
            say("left out: no features are stored")
            return
        item = pd.read_parquet(place.features / "product_demand.parquet")["stock_item_id"].iloc[0]
        warehouse, product = item.split("/")
        request = demand.ForecastDemandRequest(warehouse_id=warehouse, product_id=product, periods=_DAYS)
        answer = DemandServiceStub(place.channel).ForecastDemand(request)
        for day in answer.forecasts[:_SHOWN]:
            say(
                f"{item} in {day.days_ahead} days: {day.expected_quantity:.0f} "
                f"({day.lower_quantity:.0f} to {day.upper_quantity:.0f})"
            )
        say(f"and so on for {len(answer.forecasts)} days")
