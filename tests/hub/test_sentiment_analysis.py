"""The sentiment model: reviews as the files have them, and a graph that answers alike whatever the text."""

import json

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from converters import InputSpec, convert
from hub.training.native import native_answers
from hub.training.reviews import FOLDS, TARGET, TEXT, folds, parse
from hub.training.sentiment_analysis import _WRITINGS, fit

GOOD = ("good", "great", "a fine café", "I don't regret it", "works well", "crêpe was delicate")
BAD = ("bad", "awful", "a poor café", "I can't use it", "does not work", "crêpe was cold")
# Letters that are lowered in odd ways, accents apart from their letters, signs, other alphabets, and what hides.
ODD = (
    *(
        "é",
        "ß",
        "ẞ",
        "İ",
        "\u0131",
        "Σ",
        "ς",
        "e\u0301",
        "\u0301",
        "\ufb01",
        "\u212b",
        "\u212a",
        "\u00d7",
        "÷",
        "_",
        "42",
        "'",
    ),
    *(
        "\u2019",
        "…",
        "!!!",
        "😀",
        "👩\u200d👧",
        "漢字",
        "한",
        "ा",
        "ё",
        "\U0001d420",
        "\x85",
        "\t",
        "\n",
        "\u00a0",
        "\ufeff",
    ),
    *("\u202e", "\ue000", "\U0001e94b", "\U0010ffff", "%", "-"),
)


@pytest.fixture(scope="module")
def reviews() -> pd.DataFrame:
    texts = [f"{text} {number}" for text in GOOD + BAD for number in range(10)]
    return pd.DataFrame({TEXT: texts, TARGET: [1] * 60 + [0] * 60})


@pytest.fixture(scope="module")
def model(reviews: pd.DataFrame) -> Pipeline:
    return fit(reviews, _WRITINGS)


@pytest.fixture(scope="module")
def graph(model: Pipeline, reviews: pd.DataFrame) -> onnxruntime.InferenceSession:
    conversion = convert(model, InputSpec((TEXT,), ("BYTES",)), reviews[[TEXT]])
    return onnxruntime.InferenceSession(conversion.onnx, providers=["CPUExecutionProvider"])


def both(model: Pipeline, graph: onnxruntime.InferenceSession, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the probabilities that the graph and the model answer."""
    (served,) = graph.run(["probabilities"], {TEXT: np.array(texts, dtype=object).reshape(-1, 1)})
    return served, native_answers(model, pd.DataFrame({TEXT: texts}))["probabilities"]


def test_a_file_has_reviews_and_an_end_that_is_none() -> None:
    entries = [{"text": "Crema Café!", "class": 1}, {"text": " No. ", "class": 0}, {"text": "", "class": None}]
    reviews = parse(json.dumps(entries).encode())
    assert reviews[TEXT].tolist() == ["Crema Café!", " No. "]
    assert reviews[TARGET].tolist() == [1, 0]


def test_each_review_is_held_out_once_and_never_trained_on_then(reviews: pd.DataFrame) -> None:
    held_out = []
    for training, rest in folds(reviews):
        assert not set(training.index) & set(rest.index)
        assert rest[TARGET].mean() == 0.5
        held_out += rest.index.tolist()
    assert sorted(held_out) == reviews.index.tolist()
    assert len(held_out) == FOLDS * 12


def test_the_writing_of_a_word_does_not_turn_it(model: Pipeline) -> None:
    for text in ("great café", "GREAT CAFÉ", "Great Café"):
        assert model.predict_proba(pd.Series([text]))[0, 1] > 0.7
    for text in ("awful café", "AWFUL CAFÉ", "Awful Café"):
        assert model.predict_proba(pd.Series([text]))[0, 1] < 0.3


def test_words_with_accents_are_whole_and_apostrophes_of_both_kinds_part_words(model: Pipeline) -> None:
    split = model.named_steps["words"].build_analyzer()
    assert split("crêpe cafe\u0301 don't don\u2019t 漢字 ok😀") == ["crêpe", "cafe\u0301", *("don", "t") * 2, "ok"]


def test_the_graph_answers_odd_texts_as_the_model_does(model: Pipeline, graph: onnxruntime.InferenceSession) -> None:
    chance = np.random.default_rng(0)
    words = [*" ".join(GOOD + BAD).split(), *" ".join(GOOD + BAD).upper().split()]
    known, odd, gaps = np.array(words, object), np.array(ODD, object), np.array(["", " "], object)
    texts = []
    for size in range(2_000):
        shape = size % 20
        parts = np.where(chance.random(shape) < 0.5, chance.choice(known, shape), chance.choice(odd, shape))
        texts.append("".join(parts + chance.choice(gaps, shape)))
    served, native = both(model, graph, texts)
    assert native[:, 1].std() > 0.1
    np.testing.assert_allclose(served, native, atol=1e-6)


def test_no_character_parts_or_joins_words_in_the_graph_alone(
    model: Pipeline, graph: onnxruntime.InferenceSession
) -> None:
    points = [*range(0xD800), *range(0xE000, 0x110000, 97)]
    served, native = both(model, graph, [f"good{chr(point)}bad" for point in points])
    np.testing.assert_allclose(served, native, atol=1e-6)


def test_a_text_of_a_megabyte_is_answered(model: Pipeline, graph: onnxruntime.InferenceSession) -> None:
    texts = ["great! " * 150_000, "é" * 500_000, ""]
    served, native = both(model, graph, texts)
    np.testing.assert_allclose(served, native, atol=1e-6)
    assert served[0, 1] > 0.7
