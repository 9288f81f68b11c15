"""Traces: lists of calls that were kept, and each call or batch as a waterfall."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.operations.drawing import Bar, draw_call, draw_stages, draw_tries
from gateway.operations.kept import IDENTIFIER, Kept, KeptBatch, KeptCall
from gateway.operations.look import Look
from gateway.operations.trace_index import batches_of, calls_among, members_of

MOST_SHOWN = 100
FILTERS = ("model", "arm", "tenant", "code", "service")
SHOWS = {"recent": "Recent", "slow": "Slowest", "failed": "Failed"}
NONE = "-"


@dataclass(frozen=True, slots=True)
class Row:
    """A call in a list."""

    call: KeptCall
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class CallView:
    """A call, with what carried it."""

    call: KeptCall
    bars: Sequence[Bar]
    batches: Sequence[KeptBatch]

    @property
    def told_seconds(self) -> float:
        """What its stages add up to."""
        return sum(stage.seconds for stage in self.call.stages)


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch, with the calls that it carried and that were kept."""

    batch: KeptBatch
    bars: Sequence[Bar]
    members: Sequence[Row]


def show_list(look: Look) -> dict[str, Any]:
    """Returns the calls that the query asks for: newest first, or slowest first."""
    listed = look.query.get("show", "")
    listed = listed if listed in SHOWS else "recent"
    filters = {name: look.query[name] for name in FILTERS if look.query.get(name)}
    found = list(calls_among(look.records, lambda call: matches(call, filters)))
    if listed == "failed":
        found = [call for call in found if call.failed]
    elif listed == "slow":
        found = sorted((call for call in found if not call.failed), key=lambda call: -call.seconds)
    rows = [Row(call, draw_stages(call)) for call in found[:MOST_SHOWN]]
    calls = list(calls_among(look.records, lambda _: True))
    choices = {name: sorted({told(call)[name] or NONE for call in calls}) for name in FILTERS}
    return {"listed": listed, "shows": SHOWS, "filters": filters, "choices": choices, "rows": rows, "found": len(found)}


def told(call: KeptCall) -> Mapping[str, str]:
    """Returns what filters look at."""
    return {
        "model": call.model,
        "arm": call.arm,
        "tenant": call.tenant,
        "code": call.code_name,
        "service": call.service,
    }


def matches(call: KeptCall, filters: Mapping[str, str]) -> bool:
    """Says whether a call is one that filters let through."""
    values = told(call)
    return all((values[name] or NONE) == wanted for name, wanted in filters.items())


def show_one(look: Look, trace: str) -> dict[str, Any] | None:
    """Returns the calls and batches of a trace; None if nothing of it is known any more."""
    if not IDENTIFIER.fullmatch(trace):
        return None
    found = [each for each in look.records if each.trace == trace]
    views = [view_of(each, look.records) for each in reversed(found)]
    return {"trace": trace, "views": views} if views else None


def view_of(record: Kept, records: list[Kept]) -> CallView | BatchView:
    """Returns a call or batch with what belongs to it."""
    if isinstance(record, KeptCall):
        batches = batches_of(record, records)
        return CallView(record, draw_call(record, batches), batches)
    members = [Row(call, draw_stages(call)) for call in members_of(record, records)]
    return BatchView(record, draw_tries(record, record.seconds), members)
