"""Shows a history: a table on a terminal, plain lines elsewhere, JSON for programs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hub.history.change import CHAMPION, Change
from hub.history.moments import format_moment
from hub.history.state import State

_HEADS = ("WHEN", "WHAT", "BY", "WHY")


def print_changes(console: Console, changes: Sequence[Change]) -> None:
    """Prints changes, a row each, in their order."""
    rows = [(format_moment(change.at), describe(change), change.by, change.reason) for change in changes]
    if not console.is_terminal:
        for row in rows:
            console.out("  ".join(filter(None, row)), highlight=False)
        return
    table = Table(*_HEADS, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def describe(change: Change) -> str:
    """Returns what changed, in words."""
    match change.kind:
        case "registered":
            return f"version {change.version} registered"
        case "alias":
            return _describe_move(change)
        case "rolled back":
            return f"{change.alias or CHAMPION} rolled back {_arrow(change)}"
        case "weight":
            return _describe_weight(change)
        case "experiment":
            return _describe_experiment(change)
    parts = (f"version {change.version}" if change.version else "", change.kind, f"as {change.alias}")
    return " ".join(part for part in (parts if change.alias else parts[:2]) if part)


def describe_state(state: State) -> Iterator[str]:
    """Returns what was live, a line each."""
    moment = format_moment(state.moment)
    if state.version is None:
        yield f"{state.name} at {moment}: nothing was live"
    else:
        since = format_moment(state.since) if state.since else ""
        yield f"{state.name} at {moment}: version {state.version} was live, since {since}"
        who = ": ".join(filter(None, (f"by {state.by}" if state.by else "", state.reason)))
        yield from [f"  {who}"] if who else []
    for alias, version in state.aliases.items():
        weight = f", weight {state.weights[alias]} %" if alias in state.weights else ""
        live = state.live.get(alias)
        pending = "" if live == version else f", not live yet{f' (version {live} was)' if live else ''}"
        yield f"  {alias}: version {version}{weight}{pending}"


def to_json(value: Iterable[Change] | State) -> str:
    """Returns changes as a list, or a state as an object."""
    found: Any = asdict(value) if isinstance(value, State) else [asdict(change) for change in value]
    return json.dumps(found, default=_plain, indent=2, ensure_ascii=False)


def _describe_move(change: Change) -> str:
    if change.version is None:
        return f"{change.alias} removed from version {change.previous}"
    override = change.details.get("override")
    return f"{change.alias} {_arrow(change)}" + (f" (override: {override})" if override else "")


def _describe_weight(change: Change) -> str:
    weight, previous = change.details.get("weight"), change.details.get("previous")
    if not weight:
        return f"weight of {change.alias} removed"
    return f"weight of {change.alias} {weight} %" + (f" (was {previous} %)" if previous else "")


def _describe_experiment(change: Change) -> str:
    """Returns what was done to an experiment, and how it divides calls after that."""
    known = change.details
    words = f"experiment {known.get('experiment')} {known.get('change')}"
    before, after = known.get("before"), known.get("after")
    shares = f": {after}" if after else ""
    return words + (f"{shares} (was {before})" if before and before != after else shares)


def _arrow(change: Change) -> str:
    return f"-> version {change.version}" + (f" (was {change.previous})" if change.previous else "")


def _plain(value: datetime | Mapping[str, Any]) -> Any:
    return value.isoformat() if isinstance(value, datetime) else dict(value)
