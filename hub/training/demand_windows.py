"""Cuts demand into windows: what was known of a stock item when a day had ended, and what the 28 days after it sold.

A window is true from the midnight that ends its last day, in UTC. Later days are none of its inputs, but for the public
holidays among them, which everybody knows in advance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hub.training.bakery import DATE, DEMAND, HOLIDAY, ITEM

TIME = "event_time"
HISTORY = 56  # days: whole weeks
HORIZON = 28  # days: whole weeks
PAST = tuple(f"demand_{number}" for number in range(HISTORY, 0, -1))
HOLIDAYS = tuple(f"holiday_{number}" for number in range(1, HORIZON + 1))
CALENDAR = ("weekday", "day_of_year")
FEATURES = (*PAST, *HOLIDAYS, *CALENDAR)  # in the order of time
TARGETS = tuple(f"sold_{number}" for number in range(1, HORIZON + 1))

_DAY = pd.Timedelta(days=1)
_UTC = "datetime64[us, UTC]"


@dataclass(frozen=True, slots=True)
class Panel:
    """Demand of all items, side by side.

    Attributes:
        items: Their ids.
        days: Days without a gap.
        demand: Shape [items, days].
        holiday: Whether a day is a public holiday, shape [days] and 28 days more.
    """

    items: tuple[str, ...]
    days: pd.DatetimeIndex
    demand: NDArray[np.float32]
    holiday: NDArray[np.bool_]

    @classmethod
    def of(cls, sold: pd.DataFrame, later_holidays: tuple[str, ...] = ()) -> "Panel":
        """Lays rows out.

        Args:
            sold: What `read_demand` returned.
            later_holidays: Public holidays in the 28 days after its last, as `2019-05-01`.

        Raises:
            ValueError: An item lacks a day.
        """
        table = sold.pivot_table(DEMAND, ITEM, DATE)
        days = pd.DatetimeIndex(table.columns)
        if table.isna().any(axis=None) or len(days) != (days[-1] - days[0]).days + 1:
            raise ValueError("an item lacks days of demand: fill them with 0 where nothing was sold")
        known = {*sold.loc[sold[HOLIDAY], DATE], *map(pd.Timestamp, later_holidays)}
        calendar = pd.date_range(days[0], periods=len(days) + HORIZON)
        return cls(tuple(table.index), days, table.to_numpy(np.float32), np.isin(calendar, list(known)))


def windows(panel: Panel, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Returns the windows of all items whose last day lies between two: id, `event_time`, features and targets.

    Targets of days that are not known yet are NaN. Windows come in the order of their last days, then of items.

    Args:
        panel: Demand of all items.
        first: The first last day; it has a history.
        last: The last last day; the panel has it.
    """
    ends = np.arange(panel.days.get_loc(first), panel.days.get_loc(last) + 1)
    begins = pd.DatetimeIndex(np.repeat(panel.days[ends] + _DAY, len(panel.items)))
    future = np.pad(panel.demand, [(0, 0), (0, HORIZON)], constant_values=np.nan)
    past = _of_items(sliding_window_view(panel.demand, HISTORY, axis=1)[:, ends - HISTORY + 1])
    sold = _of_items(sliding_window_view(future, HORIZON, axis=1)[:, ends + 1])
    holidays = np.repeat(sliding_window_view(panel.holiday, HORIZON)[ends + 1], len(panel.items), axis=0)
    columns: Mapping[str, Any] = {
        ITEM: np.tile(panel.items, len(ends)),
        TIME: begins.tz_localize("UTC").astype(_UTC),
        **dict(zip(PAST, past.T, strict=True)),
        **dict(zip(HOLIDAYS, holidays.T, strict=True)),
        "weekday": begins.day_of_week.astype("int32"),
        "day_of_year": begins.day_of_year.astype("int32"),
        **dict(zip(TARGETS, sold.T, strict=True)),
    }
    return pd.DataFrame(columns)


def aimed_at(panel: Panel, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Returns all windows with targets between two days; targets before and after those are NaN.

    So periods can follow each other: no two of them share a target, though a later one's history is the earlier one.

    Args:
        panel: Demand of all items.
        first: The first day that is a target.
        last: The last day that is one.
    """
    earliest = max(first - HORIZON * _DAY, panel.days[HISTORY - 1])
    found = windows(panel, earliest, last - _DAY)
    begins = found[TIME].dt.tz_localize(None)
    for number, target in enumerate(TARGETS):
        found[target] = found[target].where((begins + number * _DAY).between(first, last))
    return found


def _of_items(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Brings [items, ends, days] into rows, end after end."""
    return np.ascontiguousarray(values.transpose(1, 0, 2)).reshape(-1, values.shape[2])
