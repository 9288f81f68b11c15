"""Finds aliases that were moved in MLflow itself, past the hub. No I/O."""

from collections.abc import Mapping
from datetime import datetime

from hub.history import Change
from hub.history.change import ALIAS
from hub.registry.aliases import served
from hub.registry.intents import read_intent
from hub.registry.records import RegisteredModel

UNKNOWN = "unknown (seen by the publisher)"


def find_unrecorded(
    models: Mapping[str, RegisteredModel], recorded: Mapping[str, Mapping[str, int]], now: datetime
) -> list[Change]:
    """Returns the moves that the history does not know, ordered by model and alias.

    Args:
        models: Every registered model by name.
        recorded: What every alias points at according to the history, as `History.last_aliases` returns it.
        now: The moment that the models were read.
    """
    return [
        _compose(model, alias, recorded.get(name, {}).get(alias), now)
        for name, model in sorted(models.items())
        for alias in served({*model.versions, *recorded.get(name, ())})
        if _number(model, alias) != recorded.get(name, {}).get(alias)
    ]


def _compose(model: RegisteredModel, alias: str, previous: int | None, now: datetime) -> Change:
    """Who announced the move made it, even if the history will hear of it only from us."""
    version = _number(model, alias)
    intent = read_intent(model.tags, alias, version, now)
    by, reason = (intent.by, intent.reason) if intent else (UNKNOWN, "")
    return Change(model.name, ALIAS, alias, version, previous, by, reason, now)


def _number(model: RegisteredModel, alias: str) -> int | None:
    version = model.versions.get(alias)
    return version.number if version else None
