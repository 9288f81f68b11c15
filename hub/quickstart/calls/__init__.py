"""What a tour calls: a module for each model, which makes real calls and shows what came back."""

from collections.abc import Callable, Mapping

from hub.quickstart.calls import credit, demand, fraud, pricing, recommendations, sentiment
from hub.quickstart.calls.place import Place
from hub.quickstart.steps import Steps

# By what trains the model.
CALLS: Mapping[str, Callable[[Place, Steps], None]] = {
    "team3/credit_scoring": credit.show,
    "team3/fraud_detection": fraud.show,
    "team1/product_recommendation": recommendations.show,
    "team2/demand_forecasting": demand.show,
    "team4/dynamic_pricing": pricing.show,
    "team6/sentiment_analysis": sentiment.show,
}
