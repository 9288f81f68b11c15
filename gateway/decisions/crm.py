"""Decisions of the CRM team."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, linear_regression

from erpml.crm.v1.sentiment_service_pb2 import (
    AnalyzeSentimentRequest,
    AnalyzeSentimentResponse,
    FeedbackSentiment,
    OverallSentiment,
    Sentiment,
    SentimentAction,
    SentimentTrend,
    TrendDirection,
)

from gateway.errors import InvalidFields
from gateway.types import Policy

SECONDS_OF_DAY = 86_400
SECONDS_OF_WEEK = 7 * SECONDS_OF_DAY
FEWEST_OF_A_LINE = 2


@dataclass(frozen=True, slots=True)
class TrendRule:
    """When texts make a trend.

    Attributes:
        texts: Fewest texts with a time.
        days: Fewest days from the first of them to the last.
        change: Change of the probability in a week that is one.
    """

    texts: float
    days: float
    change: float


@dataclass(frozen=True, slots=True)
class ActionRule:
    """When something is to be done.

    Attributes:
        respond_at_most: A text is answered whose probability of being positive is at most this.
        negative_share: Share of negative texts at which somebody is told.
        positive_share: Share of positive texts at which a recommendation is asked for.
        texts: Fewest texts of which shares say something.
    """

    respond_at_most: float
    negative_share: float
    positive_share: float
    texts: float


def sentiment_summary(
    policy: Policy,
) -> Callable[[AnalyzeSentimentRequest, AnalyzeSentimentResponse], Mapping[str, object]]:
    """Sums texts up: how they feel together, where that leads, and what to do about it.

    Args:
        policy: `sentiment`, the bounds of the bands; `trend_minimum_texts` from 2, `trend_minimum_days` and
            `trend_change_per_week` above 0, of the trend; `respond_at_most`, a probability, `escalate_negative_share`
            and `promote_positive_share`, shares above 0, and `share_minimum_texts` from 1, of the actions.

    Raises:
        KeyError: A value is missing.
        ValueError: A value does not make sense.

    The returned function raises InvalidFields when there are no texts.
    """
    bounds, trend, action = policy["sentiment"], read_trend_rule(policy), read_action_rule(policy)

    def sum_up(request: AnalyzeSentimentRequest, response: AnalyzeSentimentResponse) -> Mapping[str, object]:
        if not response.results:
            raise InvalidFields([("feedback", "is required; send 1 text or more")])
        overall = count_texts(response, bounds)
        line = find_trend(request, response, trend)
        actions = list(choose_actions(response.results, overall, line, action))
        return {"overall": overall, "trend": line, "actions": actions}

    return sum_up


def read_trend_rule(policy: Policy) -> TrendRule:
    """Reads what a policy says of trends; errors are those of `sentiment_summary`."""
    (texts,), (days,) = policy["trend_minimum_texts"], policy["trend_minimum_days"]
    (change,) = policy["trend_change_per_week"]
    if texts < FEWEST_OF_A_LINE or not days > 0 or not change > 0:
        raise ValueError(
            f"trend_minimum_texts must be at least {FEWEST_OF_A_LINE}, trend_minimum_days and trend_change_per_week"
            f" above 0, got {texts:g}, {days:g} and {change:g}"
        )
    return TrendRule(texts, days, change)


def read_action_rule(policy: Policy) -> ActionRule:
    """Reads what a policy says of actions; errors are those of `sentiment_summary`."""
    (respond,), (texts,) = policy["respond_at_most"], policy["share_minimum_texts"]
    (negative,), (positive,) = policy["escalate_negative_share"], policy["promote_positive_share"]
    if not 0 <= respond <= 1 or not 0 < negative <= 1 or not 0 < positive <= 1 or not texts >= 1:
        raise ValueError(
            "respond_at_most must lie in [0, 1], escalate_negative_share and promote_positive_share above 0 and up to"
            f" 1, share_minimum_texts from 1, got {respond:g}, {negative:g}, {positive:g} and {texts:g}"
        )
    return ActionRule(respond, negative, positive, texts)


def count_texts(response: AnalyzeSentimentResponse, bounds: Sequence[float]) -> OverallSentiment:
    """Returns the sentiment of all texts together."""
    results = response.results
    counts = Counter(result.sentiment for result in results)
    mean = fmean(result.positive_probability for result in results)
    return OverallSentiment(
        sentiment=Sentiment.ValueType(bisect_left(bounds, mean) + 1),
        mean_positive_probability=mean,
        positive_texts=counts[Sentiment.SENTIMENT_POSITIVE],
        neutral_texts=counts[Sentiment.SENTIMENT_NEUTRAL],
        negative_texts=counts[Sentiment.SENTIMENT_NEGATIVE],
    )


def dated_scores(request: AnalyzeSentimentRequest, results: Sequence[FeedbackSentiment]) -> list[tuple[float, float]]:
    """Returns the time in seconds and the probability of every text that has a time."""
    return [
        (feedback.created_at.seconds + feedback.created_at.nanos / 1e9, result.positive_probability)
        for feedback, result in zip(request.feedback, results, strict=True)
        if feedback.HasField("created_at")
    ]


def find_trend(request: AnalyzeSentimentRequest, response: AnalyzeSentimentResponse, rule: TrendRule) -> SentimentTrend:
    """Returns where the line of least squares through the probabilities of dated texts leads."""
    dated = dated_scores(request, response.results)
    times = [time for time, _ in dated]
    trend = SentimentTrend(direction=TrendDirection.TREND_DIRECTION_UNKNOWN, dated_texts=len(dated))
    if len(dated) < rule.texts or max(times) - min(times) < rule.days * SECONDS_OF_DAY:
        return trend
    weeks = [(time - times[0]) / SECONDS_OF_WEEK for time in times]
    trend.change_per_week = linear_regression(weeks, [score for _, score in dated]).slope
    trend.direction = direction_of(trend.change_per_week, rule)
    return trend


def direction_of(change: float, rule: TrendRule) -> TrendDirection.ValueType:
    """Returns what a change a week is called."""
    if change >= rule.change:
        return TrendDirection.TREND_DIRECTION_IMPROVING
    if change <= -rule.change:
        return TrendDirection.TREND_DIRECTION_DECLINING
    return TrendDirection.TREND_DIRECTION_STABLE


def choose_actions(
    results: Sequence[FeedbackSentiment], overall: OverallSentiment, trend: SentimentTrend, rule: ActionRule
) -> Iterator[SentimentAction.ValueType]:
    """Yields what to do, the most urgent first."""
    enough = len(results) >= rule.texts
    respond = any(result.positive_probability <= rule.respond_at_most for result in results)
    if respond:
        yield SentimentAction.SENTIMENT_ACTION_RESPOND
    if enough and overall.negative_texts / len(results) >= rule.negative_share:
        yield SentimentAction.SENTIMENT_ACTION_ESCALATE
    if trend.direction == TrendDirection.TREND_DIRECTION_DECLINING:
        yield SentimentAction.SENTIMENT_ACTION_INVESTIGATE
    if enough and not respond and overall.positive_texts / len(results) >= rule.positive_share:
        yield SentimentAction.SENTIMENT_ACTION_PROMOTE
