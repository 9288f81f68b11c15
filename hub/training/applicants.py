"""The GiveMeSomeCredit applicants, and the fifth of them that training never sees."""

import gzip
import io
from datetime import datetime
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

from hub.training.carriers import Carrier, Member, read_member
from hub.training.dataset import read_or_create
from hub.training.pipelines import Say

ID = "id"
TARGET = "SeriousDlqin2yrs"
FEATURES = (
    "RevolvingUtilizationOfUnsecuredLines",
    "age",
    "NumberOfTime30-59DaysPastDueNotWorse",
    "DebtRatio",
    "MonthlyIncome",
    "NumberOfOpenCreditLinesAndLoans",
    "NumberOfTimes90DaysLate",
    "NumberRealEstateLoansOrLines",
    "NumberOfTime60-89DaysPastDueNotWorse",
    "NumberOfDependents",
)

_HELD_OUT_SHARE = 0.2
_SEED = 0
_CARRIER = Carrier(
    requirement="empulse==0.13.1",
    file="empulse-0.13.1-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    target=(
        *("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"),
        *("--platform", "manylinux_2_28_x86_64"),
    ),
    sha256="a6bcc778300558f788c7a2e0ecb0fdfd7d6adf7e68fc37d8990c7b638f89aae9",
    megabytes=14,
)
_APPLICANTS = Member(
    carrier=_CARRIER,
    path="empulse/datasets/data/creditscoring1.csv.gz",
    sha256="e30933f25e242a244fdd2cf41d0784416f60cefff39842738a77bd3d2ee22b3f",
)


def read_applicants(folder: Path, say: Say) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the applicants to train on and those held out: `id`, the features as doubles, and the target.

    Args:
        folder: Where data is kept; the held-out applicants lie there as `credit_scoring/held_out.parquet`.
        say: Takes progress lines.

    Raises:
        HubError: The data has to be downloaded and cannot be.
    """
    applicants = read_or_create(
        folder / "credit_scoring/applicants.parquet", lambda: _parse(read_member(_APPLICANTS, folder, say))
    )
    training, held_out = train_test_split(
        applicants, test_size=_HELD_OUT_SHARE, stratify=applicants[TARGET], random_state=_SEED
    )
    return training, read_or_create(folder / "credit_scoring/held_out.parquet", lambda: held_out)


def customer_rows(applicants: pd.DataFrame, moment: datetime) -> pd.DataFrame:
    """Returns what the feature view `customer_credit` is materialised from: `customer_id`, `event_time`, the features.

    Args:
        applicants: What `read_applicants` returned.
        moment: What counts as the time of all rows; the data has none.
    """
    rows = applicants[list(FEATURES)].copy()
    rows.insert(0, "customer_id", "applicant-" + applicants[ID].astype(str))
    rows.insert(1, "event_time", pd.Timestamp(moment))
    return rows


def _parse(content: bytes) -> pd.DataFrame:
    """Reads the applicants: `id`, the target, and every feature as a double."""
    table = pd.read_csv(io.BytesIO(gzip.decompress(content)), usecols=[ID, TARGET, *FEATURES])
    return table.astype(dict.fromkeys(FEATURES, "float64"))[[ID, *FEATURES, TARGET]]
