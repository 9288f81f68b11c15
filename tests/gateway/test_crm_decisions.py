"""Texts are summed up: how they feel together, where that leads over time, and what to do about it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from erpml.crm.v1 import sentiment_service_pb2 as crm
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.compilation import compile_methods
from gateway.contracts.descriptors import link
from gateway.decisions import DECISIONS
from gateway.decisions.crm import sentiment_summary
from gateway.edge.status import status_of
from gateway.errors import InvalidFields
from gateway.types import Arm, Policy, Tensors, TensorSpec
from tests.gateway.models import live, version

POLICY: Policy = {
    "sentiment": (0.4, 0.6),
    "trend_minimum_texts": (4.0,),
    "trend_minimum_days": (7.0,),
    "trend_change_per_week": (0.25,),
    "respond_at_most": (0.125,),
    "escalate_negative_share": (0.5,),
    "promote_positive_share": (0.75,),
    "share_minimum_texts": (4.0,),
}
METHOD = "erpml.crm.v1.SentimentService.AnalyzeSentiment"
WEEK = 7 * 86_400


def band(score: float) -> crm.Sentiment.ValueType:
    """Returns the band of a probability."""
    return crm.Sentiment.ValueType(1 + (score > 0.4) + (score > 0.6))


def summed_up(
    scores: Sequence[float], weeks: Sequence[float | None] | None = None, policy: Policy = POLICY, text: str = "x"
) -> crm.AnalyzeSentimentResponse:
    """Returns the summary of texts with these probabilities, written in these weeks."""
    times = weeks or [None] * len(scores)
    request = crm.AnalyzeSentimentRequest()
    for time in times:
        moment = None if time is None else Timestamp(seconds=1_700_000_000 + round(time * WEEK))
        request.feedback.add(text=text, created_at=moment)
    results = [crm.FeedbackSentiment(positive_probability=score, sentiment=band(score)) for score in scores]
    filled: Any = sentiment_summary(policy)(request, crm.AnalyzeSentimentResponse(results=results))
    assert set(filled) == set(DECISIONS[METHOD].fills)
    return crm.AnalyzeSentimentResponse(**filled)


def actions(*scores: float, weeks: Sequence[float | None] | None = None) -> list[str]:
    """Returns what is to be done, without the prefix."""
    found = summed_up(scores, weeks).actions
    return [crm.SentimentAction.Name(action).removeprefix("SENTIMENT_ACTION_") for action in found]


def direction(scores: Sequence[float], weeks: Sequence[float | None]) -> str:
    """Returns where texts lead, without the prefix."""
    return crm.TrendDirection.Name(summed_up(scores, weeks).trend.direction).removeprefix("TREND_DIRECTION_")


def test_all_texts_together_feel_as_their_mean_does() -> None:
    overall = summed_up([0.1, 0.5, 0.7, 0.9]).overall
    assert overall.mean_positive_probability == pytest.approx(0.55)
    assert overall.sentiment == crm.SENTIMENT_NEUTRAL
    assert (overall.negative_texts, overall.neutral_texts, overall.positive_texts) == (1, 1, 2)


@pytest.mark.parametrize(
    ("score", "expected"),
    [(0.4, crm.SENTIMENT_NEGATIVE), (0.41, crm.SENTIMENT_NEUTRAL), (0.6, crm.SENTIMENT_NEUTRAL), (0.61, 3)],
)
def test_a_mean_at_a_bound_belongs_to_the_lower_band(score: float, expected: int) -> None:
    assert summed_up([score]).overall.sentiment == expected


def test_no_texts_are_refused() -> None:
    with pytest.raises(InvalidFields, match="feedback: is required"):
        summed_up([])


def test_one_text_is_a_summary_without_a_trend() -> None:
    answer = summed_up([0.9], [0.0])
    assert (answer.overall.positive_texts, answer.overall.sentiment) == (1, crm.SENTIMENT_POSITIVE)
    assert (answer.trend.direction, answer.trend.dated_texts) == (crm.TREND_DIRECTION_UNKNOWN, 1)
    assert list(answer.actions) == []


@pytest.mark.parametrize("text", ["x" * 1_000_000, "Größe 10, süß 😀 İ e\u0301 漢字"])
def test_long_texts_and_those_of_any_letters_are_summed_up_alike(text: str) -> None:
    assert summed_up([0.1, 0.9], text=text) == summed_up([0.1, 0.9])


def test_texts_without_a_time_make_no_trend() -> None:
    trend = summed_up([0.1, 0.2, 0.8, 0.9]).trend
    assert (trend.direction, trend.change_per_week, trend.dated_texts) == (crm.TREND_DIRECTION_UNKNOWN, 0, 0)


def test_only_texts_with_a_time_make_the_trend() -> None:
    trend = summed_up([0.0, 0.25, 0.9, 0.5, 0.75], [0, 1, None, 2, 3]).trend
    assert (trend.dated_texts, trend.direction) == (4, crm.TREND_DIRECTION_IMPROVING)
    assert trend.change_per_week == pytest.approx(0.25)


def test_a_change_of_exactly_what_counts_is_one() -> None:
    assert direction([0.0, 0.25, 0.5, 0.75], [0, 1, 2, 3]) == "IMPROVING"
    assert direction([0.75, 0.5, 0.25, 0.0], [0, 1, 2, 3]) == "DECLINING"
    assert direction([0.5, 0.25, 0.5, 0.75], [0, 1, 2, 3]) == "STABLE"


def test_the_order_of_texts_does_not_matter_to_their_trend() -> None:
    assert direction([0.5, 0.0, 0.75, 0.25], [2, 0, 3, 1]) == "IMPROVING"


def test_a_trend_needs_enough_texts_over_enough_days() -> None:
    assert direction([0.0, 0.5, 1.0], [0, 1, 2]) == "UNKNOWN"
    assert direction([0.0, 0.5, 0.5, 1.0], [0, 0, 0.5, 1]) == "IMPROVING"
    assert direction([0.0, 0.5, 0.5, 1.0], [0, 0, 0.5, 0.99]) == "UNKNOWN"
    assert direction([0.0, 0.5, 0.5, 1.0], [1, 1, 1, 1]) == "UNKNOWN"


def test_a_text_that_is_most_probably_negative_is_answered() -> None:
    assert actions(0.125, 0.9) == ["RESPOND"]
    assert actions(0.126, 0.9) == []


def test_a_share_of_negative_texts_is_escalated_once_there_are_enough_texts() -> None:
    assert actions(0.3, 0.3, 0.5, 0.5) == ["ESCALATE"]
    assert actions(0.3, 0.5, 0.5, 0.5) == []
    assert actions(0.3, 0.3, 0.3) == []


def test_positive_customers_are_asked_for_a_recommendation_unless_one_waits_for_an_answer() -> None:
    assert actions(0.9, 0.9, 0.9, 0.5) == ["PROMOTE"]
    assert actions(0.9, 0.9, 0.9, 0.1) == ["RESPOND"]
    assert actions(0.9, 0.9, 0.5, 0.5) == []
    assert actions(0.9, 0.9, 0.9) == []


def test_a_decline_is_investigated_and_the_most_urgent_comes_first() -> None:
    assert actions(0.75, 0.5, 0.25, 0.0, weeks=[0, 1, 2, 3]) == ["RESPOND", "ESCALATE", "INVESTIGATE"]


@pytest.mark.parametrize("name", sorted(POLICY.keys() - {"sentiment"}))
def test_a_policy_that_makes_no_sense_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        sentiment_summary({**POLICY, name: (-1.0,)})
    with pytest.raises(ValueError, match="unpack"):
        sentiment_summary({**POLICY, name: (0.5, 0.6)})


@pytest.fixture(scope="module")
def arm() -> Arm:
    outputs = (TensorSpec("label", "INT64", (1,)), TensorSpec("probabilities", "FP32", (2,)))
    inputs = (TensorSpec("text", "BYTES", (1,)),)
    return Arm("champion", version(inputs, outputs, model="team6_sentiment_analysis", max_batch_size=64))


@pytest.fixture(scope="module")
def method(arm: Arm) -> Any:
    """The method as a gateway compiles it."""
    own = [method for method in link({}).methods if method.full_name == METHOD]
    model = live(arm.version)
    compiled = compile_methods(own, {model.name: model}, {}, DECISIONS, status_of)
    assert not compiled.refused
    return compiled.methods["/erpml.crm.v1.SentimentService/AnalyzeSentiment"]


def test_texts_go_as_they_are_and_results_come_in_their_order(method: Any, arm: Arm) -> None:
    texts = ["süß 😀", "x" * 1_000_000]
    sent = crm.AnalyzeSentimentRequest()
    for number, text in enumerate(texts):
        sent.feedback.add(text=text, feedback_id=f"F-{number}", created_at=Timestamp(seconds=number))
    request = method.parse(sent.SerializeToString())
    method.lookups(request, arm)
    inputs, _ = method.rows(request, arm)
    packed = b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts)
    assert (inputs.rows, bytes(inputs.data[0])) == (2, packed)
    probabilities = np.array([[0.125, 0.875], [0.75, 0.25]], "<f4").tobytes()
    answer = method.response.FromString(method.answer(request, {}, Tensors(2, ((2,),), (probabilities,)), arm))
    assert [
        (each.feedback_id, each.sentiment, each.positive_probability, each.confidence) for each in answer.results
    ] == [
        ("F-0", crm.SENTIMENT_POSITIVE, 0.875, 0.875),
        ("F-1", crm.SENTIMENT_NEGATIVE, 0.25, 0.75),
    ]
    assert (answer.overall.sentiment, answer.trend.dated_texts) == (crm.SENTIMENT_NEUTRAL, 2)


def test_a_call_without_texts_is_refused_before_the_model_is_asked(method: Any, arm: Arm) -> None:
    request = method.parse(b"")
    with pytest.raises(InvalidFields, match="feedback: is required"):
        method.lookups(request, arm)
