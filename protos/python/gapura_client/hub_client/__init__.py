"""The shared library of every team: models, stored features, and records of predictions and outcomes."""

from gapura_client.hub_client.client import MLHubClient
from gapura_client.hub_client.errors import InvalidFeatures, InvalidRecord, NoSuchAnswer, SpoolError
from gapura_client.hub_client.stored_features import FeatureRow

__all__ = ["FeatureRow", "InvalidFeatures", "InvalidRecord", "MLHubClient", "NoSuchAnswer", "SpoolError"]
