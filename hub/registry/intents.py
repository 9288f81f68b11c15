"""Who is about to move an alias: a tag that stands on the registered model until the history says so.

A publisher that MLflow wakes sees the alias moved before the history does. The tag tells it by whom and why, also where
the command that moved it was killed in between.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.history.entry import LONGEST_NAME, LONGEST_REASON, cut

PREFIX = "moving."
_FRESH = timedelta(minutes=10)  # an older one was left by a command that was killed; others may have moved it since


@dataclass(frozen=True, slots=True)
class Intent:
    """A move of an alias that somebody announced.

    Attributes:
        version: Where it goes; None where it is removed.
        by: Who moves it.
        reason: Why.
        at: When it was announced, in UTC.
    """

    version: int | None
    by: str
    reason: str
    at: datetime

    def to_tag(self) -> str:
        """Returns the tag's value."""
        by, reason = cut(self.by, LONGEST_NAME), cut(self.reason, LONGEST_REASON)
        fields = {"version": self.version, "by": by, "reason": reason, "at": self.at.isoformat()}
        return json.dumps(fields, ensure_ascii=False)


def intent_tag(alias: str) -> str:
    """Returns the key of the tag."""
    return f"{PREFIX}{alias}"


def read_intent(tags: Mapping[str, str], alias: str, version: int | None, now: datetime) -> Intent | None:
    """Returns who announced just this move a short while ago, or None where nobody did."""
    try:
        fields = json.loads(tags[intent_tag(alias)])
        (fields["by"] + fields["reason"]).encode()  # both are texts that can be written
        intent = Intent(fields["version"], fields["by"], fields["reason"], datetime.fromisoformat(fields["at"]))
        fresh = timedelta() <= now - intent.at <= _FRESH
    except (AttributeError, KeyError, TypeError, ValueError):  # none, or written by hand
        return None
    return intent if fresh and intent.version == version else None
