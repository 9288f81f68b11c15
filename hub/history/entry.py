"""A change as the history keeps it: numbered, and bound to the one before by a SHA-256 over both."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from hub.history.change import Change

# In JSON; together they stay well below 8,000 characters, the longest tag that MLflow keeps whole.
LONGEST_REASON = 2000
_LONGEST_DETAIL = 500
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of a model's history.

    Attributes:
        sequence: Its number in the history of the model, from 1.
        previous: Digest of the entry before; empty in the first.
        change: What changed.
        aliases: What every alias points at after it.
    """

    sequence: int
    previous: str
    change: Change
    aliases: Mapping[str, int]

    def to_body(self) -> str:
        """Returns the text that is kept, and that `digest_of` is taken of; long words of people are cut."""
        change = self.change
        fields = {
            "sequence": self.sequence,
            "previous": self.previous,
            "model": change.name,
            "kind": change.kind,
            "alias": change.alias,
            "version": change.version,
            "previous_version": change.previous,
            "by": cut(change.by, LONGEST_NAME),
            "reason": cut(change.reason, LONGEST_REASON),
            "at": change.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "details": {key: cut(value, _LONGEST_DETAIL) for key, value in change.details.items()},
            "aliases": dict(self.aliases),
        }
        return _to_json(fields)


def digest_of(body: str) -> str:
    """Returns the SHA-256 of an entry's text."""
    return hashlib.sha256(body.encode()).hexdigest()


def cut(text: str, longest: int) -> str:
    """Returns the beginning of a text that has up to `longest` characters in JSON, which writes some as six."""
    lengths = accumulate(len(_to_json(character)) - len('""') for character in text[:longest])
    return text[: sum(length <= longest for length in lengths)]


def parse_entry(body: str) -> Entry:
    """Reads an entry's text.

    Raises:
        ValueError: It is none.
    """
    try:
        return _compose(json.loads(body))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no entry of a history: {error!r}") from error


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _compose(fields: Mapping[str, Any]) -> Entry:
    change = Change(
        name=fields["model"],
        kind=fields["kind"],
        alias=fields["alias"],
        version=fields["version"],
        previous=fields["previous_version"],
        by=fields["by"],
        reason=fields["reason"],
        at=datetime.fromisoformat(fields["at"]),
        details=dict(fields["details"]),
    )
    return Entry(fields["sequence"], fields["previous"], change, dict(fields["aliases"]))
