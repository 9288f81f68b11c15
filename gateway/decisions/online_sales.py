"""Decisions of the online sales team."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil, floor, inf
from typing import Literal

from erpml.online_sales.v1.pricing_service_pb2 import (
    DemandPoint,
    OptimizePriceRequest,
    OptimizePriceResponse,
    PriceImpact,
    PricePoint,
)

from gateway.decisions.currencies import read_currency
from gateway.errors import InvalidFields
from gateway.types import Policy

LOWEST_PRICE_MINOR = 1
FEWEST_GRID_POINTS = 2
EXACT_DIGITS = 6  # of a bound in minor units: what lies behind them is an error of doubles

NEEDED: Sequence[Literal["current_price_minor", "unit_cost_minor"]] = ("current_price_minor", "unit_cost_minor")
BOUNDS: Sequence[Literal["min_price_minor", "max_price_minor"]] = ("min_price_minor", "max_price_minor")

# A request -> the prices in minor units that may be chosen; raises InvalidFields.
AllowedPrices = Callable[[OptimizePriceRequest], range]


def price_grid(policy: Policy) -> Callable[[OptimizePriceRequest], Sequence[PricePoint]]:
    """Makes the prices of a request that names none: evenly between its bounds, in whole minor units, rising.

    The current price is among them, even where it may not be chosen: the others are held against it.

    Args:
        policy: `grid_points`, a whole number of prices from 2; and what `allowed_prices` takes.

    Raises:
        KeyError: A value is missing.
        ValueError: A value does not make sense.

    The returned function raises InvalidFields as that of `allowed_prices` does.
    """
    (points,) = policy["grid_points"]
    if not FEWEST_GRID_POINTS <= points < inf or points % 1:
        raise ValueError(f"grid_points must be a whole number from {FEWEST_GRID_POINTS}, got {points:g}")
    steps, allowed = int(points) - 1, allowed_prices(policy)

    def lay(request: OptimizePriceRequest) -> Sequence[PricePoint]:
        prices = allowed(request)
        width = prices[-1] - prices[0]
        grid = {prices[0] + round(width * step / steps) for step in range(steps + 1)}
        return [PricePoint(price_minor=price) for price in sorted(grid | {request.current_price_minor})]

    return lay


def best_price(policy: Policy) -> Callable[[OptimizePriceRequest, OptimizePriceResponse], Mapping[str, object]]:
    """Chooses the price with the most profit: the margin of a pack times what is sold, the demand within the stock.

    Of several, the one nearest to the current price is chosen, and of two such the lower.

    Args:
        policy: What `allowed_prices` takes.

    Raises:
        KeyError: A value is missing.
        ValueError: A value does not make sense.

    The returned function raises InvalidFields when the currency is not a code, when bounds contradict each other, or
    when no price that was scored lies within them.
    """
    allowed = allowed_prices(policy)

    def choose(request: OptimizePriceRequest, response: OptimizePriceResponse) -> Mapping[str, object]:
        currency, prices = read_currency(request), allowed(request)
        current = request.current_price_minor
        points = [point for point in response.curve if point.price_minor in prices]
        if not points:
            told = f"must have a price from {prices[0]} to {prices[-1]}, the bounds that the other fields leave"
            raise InvalidFields([("candidate_prices", told)])
        best = max(
            points,
            key=lambda point: (profit(request, point), -abs(point.price_minor - current), -point.price_minor),
        )
        return {
            "current_price_minor": current,
            "optimal_price_minor": best.price_minor,
            "change_percent": 100 * (best.price_minor - current) / current,
            "expected_demand": best.expected_demand,
            "expected_sales": sales(request, best),
            "expected_profit_minor": round(profit(request, best)),
            "expected_impact": compare(request, response, best),
            "currency_code": currency,
        }

    return choose


def allowed_prices(policy: Policy) -> AllowedPrices:
    """Returns what says which prices of a request may be chosen; a price at a bound may.

    Args:
        policy: `min_margin`, the smallest share of the price over its cost, from 0 to below 1; and `max_change`, the
            widest change as a share of the current price, in [0, 1]. A request may say its own.

    Raises:
        KeyError: A value is missing.
        ValueError: A value does not make sense.

    The returned function raises InvalidFields when a field is missing or out of range, or when bounds contradict each
    other.
    """
    (margin,), (change,) = policy["min_margin"], policy["max_change"]
    if not 0 <= margin < 1 or not 0 <= change <= 1:
        raise ValueError(
            f"min_margin must be from 0 to below 1 and max_change from 0 to 1, got {margin:g} and {change:g}"
        )

    def find(request: OptimizePriceRequest) -> range:
        faults = list(find_faults(request))
        if faults:
            raise InvalidFields(faults)
        least = request.min_margin if request.HasField("min_margin") else margin
        widest = request.max_change if request.HasField("max_change") else change
        current = request.current_price_minor
        low, lower, relax = max(
            (request.min_price_minor or LOWEST_PRICE_MINOR, "min_price_minor", "lower"),
            (ceil(round(request.unit_cost_minor / (1 - least), EXACT_DIGITS)), "min_margin", "lower"),
            (ceil(round(current * (1 - widest), EXACT_DIGITS)), "max_change", "raise"),
        )
        high, upper = min(
            (request.max_price_minor or inf, "max_price_minor"),
            (floor(round(current * (1 + widest), EXACT_DIGITS)), "max_change"),
        )
        if low > high:
            told = f"it leaves no price below {low}, and {upper} none above {high}"
            raise InvalidFields(
                [
                    (lower, f"contradicts {upper}: {told}; {relax} it, or raise {upper}"),
                    (upper, f"contradicts {lower}: raise it, or {relax} {lower}"),
                ]
            )
        return range(low, int(high) + 1)

    return find


def find_faults(request: OptimizePriceRequest) -> Iterator[tuple[str, str]]:
    """Yields the fields that need something else, and what."""
    for known in NEEDED:
        if not request.HasField(known):
            yield known, "is required where no stored features say it"
    for bound in BOUNDS:
        value = getattr(request, bound)
        if request.HasField(bound) and value < LOWEST_PRICE_MINOR:
            yield bound, f"must be at least {LOWEST_PRICE_MINOR}, got {value}"
    if not 0 <= request.min_margin < 1:
        yield "min_margin", f"must be at least 0 and below 1, got {request.min_margin:g}"
    if not 0 <= request.max_change <= 1:
        yield "max_change", f"must be at least 0 and at most 1, got {request.max_change:g}"
    if request.stock_units < 0:
        yield "stock_units", f"must be at least 0, got {request.stock_units}"


def sales(request: OptimizePriceRequest, point: DemandPoint) -> float:
    """Returns the packs that are sold at a price."""
    stock = request.stock_units if request.HasField("stock_units") else inf
    return min(point.expected_demand, stock)


def profit(request: OptimizePriceRequest, point: DemandPoint) -> float:
    """Returns the profit at a price, in minor units."""
    return (point.price_minor - request.unit_cost_minor) * sales(request, point)


def compare(request: OptimizePriceRequest, response: OptimizePriceResponse, best: DemandPoint) -> PriceImpact:
    """Holds the best price against the current one; says nothing where that was not scored."""
    impact = PriceImpact()
    now = next((point for point in response.curve if point.price_minor == request.current_price_minor), None)
    if now is None:
        return impact
    impact.profit_change_minor = round(profit(request, best)) - round(profit(request, now))
    if now.expected_demand > 0:
        impact.demand_change_percent = 100 * (best.expected_demand / now.expected_demand - 1)
    return impact
