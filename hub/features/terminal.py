"""Shows materialisations and views: bars and tables on a terminal, lines elsewhere."""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from gapura_features import Value
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from hub.features.looking import Found
from hub.features.spans import write_span
from hub.features.status import ViewStatus

_STATUS_COLUMNS = (
    "view",
    "team",
    "entity",
    "columns",
    "freshness",
    "degrade",
    "data",
    "entities",
    "age",
    "building",
    "pushes waiting",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Bar:
    """Shows how far a materialisation is.

    Args:
        progress: Where it is shown.
        view: Name of the view.
    """

    def __init__(self, progress: Progress, view: str) -> None:
        self._progress = progress
        self._view = view
        self._task: TaskID = progress.add_task(view, total=None)

    def stage(self, words: str) -> None:
        """Names what is being done."""
        self._progress.update(self._task, description=f"{self._view}: {words}")

    def rows(self, done: int, total: int) -> None:
        """Takes how many rows are written."""
        self._progress.update(self._task, completed=done, total=total)


@contextmanager
def bar(console: Console, view: str) -> Iterator[Bar]:
    """Shows a bar, on a terminal, which goes away at the end."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn())
    hidden = not console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=hidden) as progress:
        yield Bar(progress, view)


def show_status(found: Sequence[ViewStatus], console: Console) -> None:
    """Prints views."""
    _print(_STATUS_COLUMNS, [_status_cells(each) for each in found], console)


def show_found(found: Sequence[Found], console: Console) -> None:
    """Prints entities, each with its values."""
    names = list(found[0].values) if found else []
    rows = [
        (
            each.entity,
            each.stored,
            each.served,
            moment_of(each.event_time_ms) if each.event_time_ms is not None else "",
            write_span(each.age_ms) if each.age_ms is not None else "",
            *(_text(value) for value in each.values.values()),
        )
        for each in found
    ]
    _print(("entity", "stored", "served", "event time", "age", *names), rows, console)


def moment_of(event_time_ms: int) -> str:
    """Returns a time of UTC, as ISO 8601 has it."""
    try:
        return (_EPOCH + timedelta(milliseconds=event_time_ms)).isoformat(timespec="milliseconds")
    except OverflowError:
        return f"{event_time_ms} ms"


def as_json(value: Value) -> float | int | bool | str | None:
    """Returns a value as JSON has it: bytes as base64, a number that is none as text."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):  # noqa: PLR0124 - NaN differs from itself
        return str(value)
    return value


def _print(columns: Sequence[str], rows: Sequence[Sequence[str]], console: Console) -> None:
    if console.is_terminal:
        table = Table(*columns)
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
        return
    for row in [columns, *rows]:
        console.file.write("\t".join(row) + "\n")  # `print` makes spaces of tabs


def _status_cells(each: ViewStatus) -> tuple[str, ...]:
    within = f" up to {write_span(each.stale_ms)}" if each.stale_ms else ""
    building = f"{each.building[0]:,} of {each.building[1]:,}" if each.building else ""
    return (
        each.view,
        each.team,
        each.entity,
        str(each.columns),
        write_span(each.freshness_ms),
        f"{each.degrade}{within}",
        "" if each.data is None else str(each.data),
        "" if each.entities is None else f"{each.entities:,}",
        "" if each.age_ms is None else write_span(each.age_ms),
        building,
        "" if each.waiting is None else f"{each.waiting:,}",
    )


def _text(value: Value) -> str:
    shown = as_json(value)
    return "null" if shown is None else str(shown)
