"""Trains team 6's sentiment analysis on 3,000 English reviews.

What a text is made into has to come out alike in Python and in the graph that is served, whatever the text:

- No letter is lowered, since runtimes lower some otherwise than Python does (İ, and Σ at the end of a word). The model
  is trained on each review in several writings instead.
- A word is of letters that are named one by one, and of combining accents: classes of letters change with each
  version of Unicode. Those of other alphabets would make words that no review has, which say nothing.
- Apostrophes part words, straight ones and typographic ones alike.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

from hub.training.dataset import read_or_create
from hub.training.pipelines import Say
from hub.training.reviews import FOLDS, TARGET, TEXT, folds, read_reviews
from hub.training.scores import measure
from hub.training.trained import Baseline, DataSource, TrainedModel

MODEL = "team6_sentiment_analysis"

_SEED = 0
_EVEN = 0.5
_MOST_TEXTS = 1024
_LETTERS = "A-Za-z0-9_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"  # Latin ones
_ACCENTS = "\u0300-\u036f"  # behind the letter that they belong to
_WORD = f"[{_LETTERS}{_ACCENTS}]+"


def _capitalise(text: str) -> str:
    """Writes each word with a capital letter, and leaves the rest as it is."""
    return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))


_WRITINGS: tuple[Callable[[str], str], ...] = (str, str.lower, _capitalise, str.upper)
_FAST_WRITINGS = _WRITINGS[:2]
_PARAMS: dict[str, Any] = {"C": 10, "solver": "liblinear", "random_state": _SEED}
_QUICK = "logistic regression on TF-IDF of words and pairs as they come, over the same ten folds"
_BASELINES = (Baseline("accuracy", 0.816, _QUICK), Baseline("roc_auc", 0.895, _QUICK))
_SOURCE = DataSource(
    title="3,000 sentences of reviews from Amazon, Yelp and IMDb, as many positive as negative ones",
    origin='D. Kotzias et al., "From Group to Individual Labels using Deep Features", KDD 2015 (UCI: Sentiment Labelled'
    " Sentences); read from the npm package sentiment 5.0.2 (MIT), members package/test/fixtures/*.json. English, of"
    " 2015 and before.",
    licence="CC BY 4.0 at UCI; the package states none for it: not redistributed, downloaded when training.",
)


def train(folder: Path, say: Say, *, fast: bool) -> TrainedModel:
    """Measures over ten folds, each review held out once, and returns the model of the last, which nine tenths trained.

    Args:
        folder: Where data is kept; the reviews of the last fold lie there as `sentiment_analysis/held_out.parquet`.
        say: Takes progress lines.
        fast: Whether two writings of each review will do.
    """
    reviews = read_reviews(folder, say)
    writings = _FAST_WRITINGS if fast else _WRITINGS
    scores, truths = list[np.ndarray](), list[pd.Series]()
    started = time.perf_counter()
    with threadpool_limits(1):
        for training, held_out in folds(reviews):
            estimator = fit(training, writings)
            scores.append(estimator.predict_proba(held_out[TEXT])[:, 1])
            truths.append(held_out[TARGET])
        training_scores = estimator.predict_proba(training[TEXT])[:, 1]
    say(f"trained {FOLDS} times on {len(training):,} reviews in {time.perf_counter() - started:.1f} s")
    truth, score = pd.concat(truths), np.concatenate(scores)
    held_out = read_or_create(folder / "sentiment_analysis/held_out.parquet", lambda: held_out)
    return TrainedModel(
        name=MODEL,
        team="team6",
        model_type="sklearn.LogisticRegression",
        purpose="Probability that an English text is positive rather than negative.",
        estimator=estimator,
        params=_PARAMS | {"writings": len(writings)},
        metrics={"accuracy": float(accuracy_score(truth, score > _EVEN))} | measure(truth, score),
        features=training[[TEXT]],
        optional=frozenset(),
        training_scores=pd.Series(training_scores),
        parity_sample=held_out[[TEXT]],
        source=_SOURCE,
        baselines=_BASELINES,
        metadata={"max_batch_size": _MOST_TEXTS},
    )


def fit(reviews: pd.DataFrame, writings: tuple[Callable[[str], str], ...]) -> Pipeline:
    """Returns a model that takes texts, trained on each review in several writings."""
    texts = pd.concat([reviews[TEXT].map(write) for write in writings])
    words = TfidfVectorizer(lowercase=False, token_pattern=_WORD)
    return Pipeline([("words", words), ("model", LogisticRegression(**_PARAMS))]).fit(
        texts, np.tile(reviews[TARGET], len(writings))
    )
