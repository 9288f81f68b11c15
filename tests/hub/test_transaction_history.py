"""What was known of customers and merchants at any time is of the past alone."""

import pandas as pd
import pytest

from hub.training.transaction_history import CUSTOMERS, MERCHANTS, customer_history, merchant_history, with_history

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2019-01-01", tz="UTC")


@pytest.fixture
def transactions() -> pd.DataFrame:
    """Three transactions of one card, at days 0, 2 and 8, and one of another, at day 9."""
    table = pd.DataFrame(
        {
            "customer_id": ["a", "a", "a", "b"],
            "merchant_id": ["x", "x", "y", "x"],
            "event_time": [START, START + 2 * DAY, START + 8 * DAY, START + 9 * DAY],
            "amount_minor": [100, 300, 500, 700],
            "card_present": [False, False, True, True],
            "country": ["DE", "FR", "DE", "NA"],
            "fraud": [True, False, False, False],
        }
    )
    return table.astype({"event_time": "datetime64[us, UTC]"})


def known(transactions: pd.DataFrame) -> pd.DataFrame:
    """Returns what was known of the customer at each transaction."""
    return with_history(transactions, customer_history(transactions), CUSTOMERS)


def test_a_transaction_does_not_meet_itself(transactions: pd.DataFrame) -> None:
    assert known(transactions)["customer_transactions"].tolist() == [0, 1, 2, 0]


def test_a_first_transaction_has_counts_of_zero_and_nothing_else(transactions: pd.DataFrame) -> None:
    first = known(transactions)[list(CUSTOMERS.features)].iloc[0]
    assert first[list(CUSTOMERS.counts)].tolist() == [0, 0]
    assert first.drop(list(CUSTOMERS.counts)).isna().all()


def test_amounts_and_shares_are_those_of_what_came_before(transactions: pd.DataFrame) -> None:
    third = known(transactions).iloc[2]
    assert third["customer_mean_amount_minor"] == 200
    assert third["customer_largest_amount_minor"] == 300
    assert third["customer_foreign_share"] == 0.5


def test_fraud_is_known_after_seven_days(transactions: pd.DataFrame) -> None:
    rows = known(transactions)
    assert rows["customer_settled_transactions"].tolist() == [0, 0, 1, 0]
    assert rows["customer_fraud_share"].iloc[2] == 1.0
    assert rows["customer_fraud_share"].drop(2).isna().all()


def test_what_comes_later_changes_nothing_that_came_before(transactions: pd.DataFrame) -> None:
    early = transactions[:2]
    pd.testing.assert_frame_equal(known(early), known(transactions)[:2])


def test_a_merchant_has_the_transactions_of_all_customers(transactions: pd.DataFrame) -> None:
    last = with_history(transactions, merchant_history(transactions), MERCHANTS).iloc[3]
    assert last["merchant_transactions"] == 2
    assert last["merchant_card_absent_share"] == 1.0
    assert last["merchant_settled_transactions"] == 1
    assert last["merchant_fraud_share"] == 1.0


def test_a_history_has_a_row_for_every_moment_at_which_something_became_known(transactions: pd.DataFrame) -> None:
    history = customer_history(transactions).set_index("customer_id").loc["a"]
    moments = [START + days * DAY + pd.Timedelta(milliseconds=1) for days in (0, 2, 7, 8, 9, 15)]
    assert history["event_time"].tolist() == moments
    assert history["customer_settled_transactions"].tolist() == [0, 0, 1, 1, 2, 3]


def test_two_events_of_one_moment_are_one_row(transactions: pd.DataFrame) -> None:
    transactions.loc[1, "event_time"] = START
    history = customer_history(transactions).set_index("customer_id").loc["a"]
    assert history["event_time"].is_unique
    assert history["customer_transactions"].iloc[0] == 2
