"""The two files of the bakery belong together line by line, and dates say which day it was."""

import pandas as pd

from hub.training.bakery import parse

DAYS = b"""date,weekday,is_holiday,store,product
2016-01-02,FRI,0,10,101
2016-01-03,SAT,1,10,101
2016-01-02,FRI,0,2,110
2016-01-03,SAT,1,2,110
"""
DEMAND = b"demand\n254.0\n538.0\n0.0\n7.0\n"


def test_lines_of_both_files_are_joined_in_the_order_of_items_and_days() -> None:
    sold = parse(DAYS, DEMAND)
    assert sold["stock_item_id"].tolist() == ["10/101", "10/101", "2/110", "2/110"]
    assert sold["demand"].tolist() == [254, 538, 0, 7]
    assert sold["holiday"].tolist() == [False, True, False, True]


def test_a_day_is_what_its_date_says() -> None:
    """The file calls the Saturday a Friday."""
    assert parse(DAYS, DEMAND)["date"].iloc[0] == pd.Timestamp("2016-01-02")
    assert parse(DAYS, DEMAND)["date"].dt.day_name().iloc[0] == "Saturday"
    assert "weekday" not in parse(DAYS, DEMAND)
