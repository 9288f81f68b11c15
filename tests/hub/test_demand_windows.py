"""A window knows the past of its item and the calendar of the days after, and nothing of what those sold."""

import numpy as np
import pandas as pd
import pytest

from hub.training.demand_windows import (
    CALENDAR,
    FEATURES,
    HISTORY,
    HOLIDAYS,
    HORIZON,
    PAST,
    TARGETS,
    Panel,
    aimed_at,
    windows,
)

DAYS = pd.date_range("2018-01-01", periods=120)  # a Monday is the first
DAY = pd.Timedelta(days=1)
HOLIDAY = DAYS[70]


@pytest.fixture(scope="module")
def sold() -> pd.DataFrame:
    """Two items: one sells the number of the day, the other a thousand more."""
    numbers = np.arange(len(DAYS))
    items = [
        pd.DataFrame({"stock_item_id": name, "date": DAYS, "demand": numbers + more, "holiday": DAYS == HOLIDAY})
        for name, more in (("1/a", 0), ("1/b", 1000))
    ]
    return pd.concat(items, ignore_index=True)


@pytest.fixture(scope="module")
def panel(sold: pd.DataFrame) -> Panel:
    return Panel.of(sold, later_holidays=("2018-05-03",))


def window(panel: Panel, number: int, item: str = "1/a") -> pd.Series:
    """Returns the window whose last day has a number."""
    found = windows(panel, DAYS[number], DAYS[number])
    return found[found["stock_item_id"] == item].iloc[0]


def test_the_history_of_an_item_ends_at_the_event_time_and_its_targets_begin_there(panel: Panel) -> None:
    for item, more in (("1/a", 0), ("1/b", 1000)):
        row = window(panel, 60, item)
        assert row["event_time"] == pd.Timestamp(DAYS[61], tz="UTC")
        assert row["demand_1"] == 60 + more
        assert row[list(PAST)].tolist() == [number + more for number in range(60 - HISTORY + 1, 61)]
        assert row[list(TARGETS)].tolist() == [number + more for number in range(61, 61 + HORIZON)]


def test_no_feature_changes_with_what_is_sold_later(sold: pd.DataFrame, panel: Panel) -> None:
    changed = sold.assign(demand=sold["demand"].where(sold["date"] <= DAYS[80], 5))
    expected = windows(panel, DAYS[60], DAYS[80])[list(FEATURES)]
    pd.testing.assert_frame_equal(windows(Panel.of(changed), DAYS[60], DAYS[80])[list(FEATURES)], expected)


def test_the_calendar_is_that_of_the_first_day_to_forecast(panel: Panel) -> None:
    row = window(panel, 63)  # a Monday
    assert row[list(CALENDAR)].tolist() == [1, 65]
    assert [name for name in HOLIDAYS if row[name]] == ["holiday_7"]


def test_after_the_last_day_holidays_are_known_and_sales_are_not(panel: Panel) -> None:
    row = window(panel, len(DAYS) - 1)
    assert [name for name in HOLIDAYS if row[name]] == ["holiday_3"]
    assert row[list(TARGETS)].isna().all()


def test_periods_that_follow_each_other_share_no_target_and_lose_none(panel: Panel) -> None:
    """Each day is forecast from every distance that history allows, once."""
    border = DAYS[90]
    early, late = aimed_at(panel, DAYS[0], border - DAY), aimed_at(panel, border, DAYS[-1])
    whole = aimed_at(panel, DAYS[0], DAYS[-1])
    counts = [frame[list(TARGETS)].notna().to_numpy().sum() for frame in (early, late, whole)]
    assert counts[0] + counts[1] == counts[2]
    assert early[list(TARGETS)].max(axis=None) == 1000 + 89
    assert late.loc[late["stock_item_id"] == "1/a", list(TARGETS)].min(axis=None) == 90


def test_a_missing_day_is_refused(sold: pd.DataFrame) -> None:
    for lacking in (sold.drop(index=5), sold[sold["date"] != DAYS[5]]):
        with pytest.raises(ValueError, match="lacks days of demand"):
            Panel.of(lacking)
