"""What was known of customers and merchants at any time: features of the past alone.

An entity has a row for every moment at which something became known of it: its transactions, and seven days after each
whether that was fraud. A row counts from a millisecond after its moment, so that a transaction never meets itself.
"""

from dataclasses import dataclass

import pandas as pd

from hub.training.transactions import CUSTOMER, MERCHANT, TARGET, TIME

SETTLED_AFTER = pd.Timedelta(days=7)
_KNOWN_AFTER = pd.Timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Subject:
    """What has a history.

    Attributes:
        view: The feature view of it.
        entity: Column with the ids.
        kind: What the names of its features begin with.
        share: Which share of its transactions is a feature: the end of the feature's name.
    """

    view: str
    entity: str
    kind: str
    share: str

    @property
    def counts(self) -> tuple[str, str]:
        """Features that are counts: they are 0 where nothing is known."""
        return (f"{self.kind}_transactions", f"{self.kind}_settled_transactions")

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        amounts = (f"{self.kind}_mean_amount_minor", f"{self.kind}_largest_amount_minor")
        transactions, settled = self.counts
        return (transactions, *amounts, f"{self.kind}_{self.share}", settled, f"{self.kind}_fraud_share")


CUSTOMERS = Subject("customer_fraud", CUSTOMER, "customer", "foreign_share")
MERCHANTS = Subject("merchant_fraud", MERCHANT, "merchant", "card_absent_share")


def customer_history(transactions: pd.DataFrame) -> pd.DataFrame:
    """Returns the history of customers; foreign is another country than that of the customer's first transaction."""
    first = transactions.groupby(CUSTOMER)["country"].transform("first")
    return _history(transactions, CUSTOMERS, transactions["country"] != first)


def merchant_history(transactions: pd.DataFrame) -> pd.DataFrame:
    """Returns the history of merchants."""
    return _history(transactions, MERCHANTS, ~transactions["card_present"])


def with_history(transactions: pd.DataFrame, history: pd.DataFrame, subject: Subject) -> pd.DataFrame:
    """Returns the transactions with what was known of their subject at the time."""
    joined = pd.merge_asof(transactions, history.sort_values(TIME, kind="stable"), on=TIME, by=subject.entity)
    return joined.fillna(dict.fromkeys(subject.counts, 0))


def _history(transactions: pd.DataFrame, subject: Subject, flagged: pd.Series) -> pd.DataFrame:
    """Returns `event_time`, the id and the features, in the order of times: counts as int32, the others as float32."""
    made = transactions[[subject.entity, TIME]].assign(
        count=1, amount=transactions["amount_minor"], flagged=flagged.astype(int), settled=0, fraud=0
    )
    settled = transactions[[subject.entity]].assign(
        **{TIME: transactions[TIME] + SETTLED_AFTER},
        count=0,
        amount=0,
        flagged=0,
        settled=1,
        fraud=transactions[TARGET].astype(int),
    )
    events = pd.concat([made, settled]).sort_values(TIME, kind="stable", ignore_index=True)
    groups = events.groupby(subject.entity)
    sums = groups[["count", "amount", "flagged", "settled", "fraud"]].cumsum()
    features = (
        sums["count"].astype("int32"),
        (sums["amount"] / sums["count"]).astype("float32"),
        groups["amount"].cummax().astype("float32"),
        (sums["flagged"] / sums["count"]).astype("float32"),
        sums["settled"].astype("int32"),
        (sums["fraud"] / sums["settled"]).astype("float32"),
    )
    history = events[[subject.entity, TIME]].assign(**dict(zip(subject.features, features, strict=True)))
    history[TIME] += _KNOWN_AFTER
    return history.drop_duplicates([subject.entity, TIME], keep="last", ignore_index=True)
