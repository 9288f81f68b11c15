"""Reads the sentiment of texts over a running gateway: `make run`, then `python examples/analyze_sentiment.py`."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gapura_client
from erpml.crm.v1 import sentiment_service_pb2 as crm
from erpml.crm.v1.sentiment_service_pb2_grpc import SentimentServiceStub

key_file = Path("var/api-key")  # written by `make run`
api_key = os.environ.get("GAPURA_API_KEY") or (key_file.read_text().strip() if key_file.exists() else None)
texts = (
    "Great product, works perfectly. I love it!",
    "The crêpes at the café were delicious 😀",
    "Delivery was on time, and the price is good.",
    "It is okay.",
    "The new version is slow.",
    "Support does not answer. Disappointing.",
    "Broken again after two days, a waste of money.",
    "Worst service ever, I will never buy here again!",
)
request = crm.AnalyzeSentimentRequest(customer_id="C-1")
for day, text in enumerate(texts):
    feedback = request.feedback.add(text=text)
    feedback.created_at.FromDatetime(datetime.now(UTC) - timedelta(days=2 * (len(texts) - day)))
with gapura_client.connect(os.environ.get("GAPURA_TARGET", "127.0.0.1:9003"), api_key=api_key) as channel:
    try:
        answer = SentimentServiceStub(channel).AnalyzeSentiment(request)
    except gapura_client.Unavailable as error:
        raise SystemExit(f"{error}\nStart a gateway first: make run") from error
    except gapura_client.GapuraError as error:
        raise SystemExit(str(error)) from error
    for text, result in zip(texts, answer.results, strict=True):
        print(f"{crm.Sentiment.Name(result.sentiment):20} sure to {result.confidence:.2f}  {text}")
    actions = ", ".join(map(crm.SentimentAction.Name, answer.actions)) or "nothing to do"
    print(f"overall {crm.Sentiment.Name(answer.overall.sentiment)}, {answer.overall.mean_positive_probability:.2f}")
    print(f"{crm.TrendDirection.Name(answer.trend.direction)}, {answer.trend.change_per_week:+.2f} a week; {actions}")
