"""What was known of stock items when their price of the next week was chosen: features of the past alone."""

import numpy as np
import pandas as pd

from hub.training.orange_juice import DEMAND, ITEM, WEEK

TIME = "event_time"
RECENT_WEEKS = 8
# What is known of a week before it begins: what the seller decides, and the prices of others.
DECIDED = ("competitor_lowest_price_minor", "competitor_mean_price_minor", "on_deal", "featured_share")
# What is known of the weeks before.
KNOWN = (
    "current_price_minor",
    "unit_cost_minor",
    "last_week_demand",
    "recent_demand",
    "usual_demand",
    "recent_price_minor",
    "usual_price_minor",
)
FEATURES = ("price_minor", *DECIDED, *KNOWN)

_FIRST_WEEK = pd.Timestamp("1989-09-14", tz="UTC")  # when week 1 of Dominick's begins
_WEEK = pd.Timedelta(days=7)


def item_history(weeks: pd.DataFrame) -> pd.DataFrame:
    """Returns what the feature view `product_pricing` is materialised from: a row for each item and week.

    Columns: `stock_item_id`, `event_time`, the end of the week, and the features of the view; what is decided for the
    week to come is stored as it was in the week before.

    Args:
        weeks: What `read_weeks` returned.
    """
    groups = weeks.groupby(ITEM)
    logs = np.log(weeks[DEMAND]).groupby(weeks[ITEM])
    history = weeks[[ITEM]].assign(
        **{TIME: (_FIRST_WEEK + weeks[WEEK] * _WEEK).astype("datetime64[us, UTC]")},
        **{name: weeks[name] for name in DECIDED},
        current_price_minor=weeks["price_minor"],
        unit_cost_minor=weeks["unit_cost_minor"],
        last_week_demand=weeks[DEMAND],
        recent_demand=np.exp(_recent(logs)),
        usual_demand=np.exp(_usual(logs)),
        recent_price_minor=_recent(groups["price_minor"]),
        usual_price_minor=_usual(groups["price_minor"]),
    )
    return history[[ITEM, TIME, *DECIDED, *KNOWN]]


def with_history(weeks: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Returns the weeks with what was known before them; the first of an item, before which nothing was, is left out.

    Args:
        weeks: What `read_weeks` returned.
        history: What `item_history` made of them, row by row.
    """
    before = history.groupby(ITEM)[list(KNOWN)].shift()
    rows = weeks.drop(columns="unit_cost_minor").join(before)
    return rows[rows["current_price_minor"].notna()].astype(dict.fromkeys(FEATURES, "float64"))


def _recent(groups: "pd.api.typing.SeriesGroupBy") -> pd.Series:
    """Means over the last weeks of each item, that of the row included."""
    return groups.rolling(RECENT_WEEKS, min_periods=1).mean().droplevel(0).sort_index()


def _usual(groups: "pd.api.typing.SeriesGroupBy") -> pd.Series:
    """Means over all weeks of each item up to that of the row."""
    return groups.expanding().mean().droplevel(0).sort_index()
