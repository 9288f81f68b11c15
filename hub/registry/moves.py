"""Moves aliases and weights of a model, and writes into the history who did it and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import mlflow

from hub.history import Change, History
from hub.history.change import ALIAS, WEIGHT
from hub.registry.intents import Intent, intent_tag
from hub.registry.lookups import find_model
from hub.registry.weights import weight_tag
from hub.translation import translated


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something, and why.

    Attributes:
        by: Name.
        reason: In their own words; may be empty.
        details: What else the history shall say.
    """

    by: str
    reason: str
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moves:
    """Changes one registered model.

    Attributes:
        client: Writes the registry.
        history: Is told.
        name: Registered name.
    """

    client: mlflow.MlflowClient
    history: History
    name: str

    def point(self, alias: str, version: int | None, author: Author) -> None:
        """Points an alias at a version, or takes it away where there is none.

        Raises:
            HubError: There is no such model or version, or the registry refused.
        """
        aliases, tag = find_model(self.client, self.name).aliases, intent_tag(alias)
        previous = int(aliases[alias]) if alias in aliases else None
        intent = Intent(version, author.by, author.reason, datetime.now(UTC))
        with translated():
            self.client.set_registered_model_tag(self.name, tag, intent.to_tag())
            if version is None:
                self.client.delete_registered_model_alias(self.name, alias)
            else:
                self.client.set_registered_model_alias(self.name, alias, str(version))
            self._record(Change(self.name, ALIAS, alias, version, previous, details=author.details), author)
            self.client.delete_registered_model_tag(self.name, tag)

    def weigh(self, alias: str, percent: str, author: Author) -> None:
        """Writes the weight of an alias where it changes; an empty one is removed.

        Raises:
            HubError: There is no such model, or the registry refused.
        """
        key = weight_tag(alias)
        before = find_model(self.client, self.name).tags.get(key, "")
        if before == percent:
            return
        with translated():
            if percent:
                self.client.set_registered_model_tag(self.name, key, percent)
            else:
                self.client.delete_registered_model_tag(self.name, key)
        self._record(Change(self.name, WEIGHT, alias, details={"weight": percent, "previous": before}), author)

    def _record(self, change: Change, author: Author) -> None:
        self.history.append(replace(change, by=author.by, reason=author.reason))
