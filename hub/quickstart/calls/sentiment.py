"""Reads the sentiment of a few texts."""

import time

from erpml.crm.v1 import sentiment_service_pb2 as crm
from erpml.crm.v1.sentiment_service_pb2_grpc import SentimentServiceStub
from google.protobuf.timestamp_pb2 import Timestamp

from hub.quickstart.calls.place import Place
from hub.quickstart.steps import Steps

_SECONDS_A_DAY = 86_400
_TEXTS = (
    "Delivery took three weeks and the box was broken. Terrible.",
    "It does what it should, nothing more.",
    "The café staff were très gentils and the food was excellent!",
    "Great value, I love it and would buy it again.",
)


def show(place: Place, steps: Steps) -> None:
    """Sends texts of four days in one call."""
    now = int(time.time())
    feedback = [
        crm.Feedback(text=text, created_at=Timestamp(seconds=now - days * _SECONDS_A_DAY))
        for text, days in zip(_TEXTS, range(len(_TEXTS), 0, -1), strict=True)
    ]
    with steps.step("read the sentiment of feedback") as say:
        answer = SentimentServiceStub(place.channel).AnalyzeSentiment(crm.AnalyzeSentimentRequest(feedback=feedback))
        for text, result in zip(_TEXTS, answer.results, strict=True):
            sentiment = crm.Sentiment.Name(result.sentiment).removeprefix("SENTIMENT_").lower()
            say(f"{sentiment:<8}  {result.positive_probability:.2f}  {text}")
        actions = [crm.SentimentAction.Name(each).removeprefix("SENTIMENT_ACTION_").lower() for each in answer.actions]
        say(f"recommended: {', '.join(actions) or 'nothing'}")
