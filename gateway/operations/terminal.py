"""The live view for a terminal: models and arms, nodes and processes."""

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.operations.figures import Figures, figures_by
from gateway.operations.history import Window
from gateway.operations.states import State
from gateway.operations.views.nodes import LaneLine, lanes_of, nodes_of
from gateway.operations.wording import count, percent, rate, seconds, span
from gateway.telemetry.families import IN_FLIGHT
from gateway.telemetry.layout import Labels

Key = tuple[str, str, str]  # model, version, arm
STYLES = {"ready": "green", "ejected": "yellow", "mixed": "yellow", "away": "red"}


def draw(window: Window, states: list[State], *, plain: bool) -> RenderableType:
    """Returns the tables; `plain` ones have neither lines nor colours."""
    tables = [draw_arms(window, states, plain=plain), draw_nodes(window, states, plain=plain)]
    tables.append(draw_processes(window, states, plain=plain))
    return Group(draw_total(window, states), *(table for table in tables if table.row_count))


def draw_total(window: Window, states: list[State]) -> Text:
    """Returns a line for all calls."""
    whole = figures_by(window, lambda _: "all").get("all", Figures(window.seconds))
    in_flight = sum(window.after.gauges.get(IN_FLIGHT.name, {}).values())
    told = (
        f"{rate(whole.rate)}  p50 {seconds(whole.p50)}  p99 {seconds(whole.p99)}  failed {percent(whole.failed_share)}"
    )
    return Text(f"{told}  {count(in_flight)} under way  {len(states)} processes")


def draw_arms(window: Window, states: Iterable[State], *, plain: bool) -> Table:
    """Returns a line for each arm that is called, or waited for."""
    lanes = {(lane.model, str(lane.version)): lane for lane in lanes_of(states)}
    found = {key: each for key, each in figures_by(window, key_of).items() if each.calls}
    table = new_table("MODEL,VERSION,ARM", "CALLS,P50,P99,FAILED,REFUSED,ROWS,BATCHES,WAITING", plain=plain)
    for key, figures in sorted(found.items(), key=lambda item: (-item[1].calls, item[0])):
        table.add_row(*tell_arm(key, figures, lanes.pop(key[:2], None)))
    for (model, version), lane in sorted(lanes.items()):
        if lane.waiting_rows or lane.under_way:
            table.add_row(*tell_arm((model, version, ""), Figures(window.seconds), lane))
    return table


def key_of(labels: Labels) -> Key:
    """Returns model, version and arm."""
    return labels[3], labels[4], labels[5]


def tell_arm(key: Key, figures: Figures, lane: LaneLine | None) -> list[str | Text]:
    """Returns the cells of an arm."""
    model, version, arm = key
    failed = Text(percent(figures.failed_share), style="red" if figures.failed else "")
    cells = [model or "no model", version, arm, rate(figures.rate), seconds(figures.p50), seconds(figures.p99)]
    queue = (f"{lane.under_way}/{count(lane.slots)}", count(lane.waiting_rows)) if lane else ("", "")
    return [*cells, failed, count(figures.refused), rate(figures.rows_rate), *queue]


def draw_nodes(window: Window, states: Iterable[State], *, plain: bool) -> Table:
    """Returns a line for each node and model version."""
    table = new_table("NODE,MODEL", "VERSION,HEALTH,ROWS,LATENCY,BATCHES,FAULTS", plain=plain)
    for node in nodes_of(states, window):
        health = Text(node.health, style=STYLES[node.health])
        cells = (count(node.outstanding), seconds(node.latency), rate(node.answered), rate(node.faults))
        table.add_row(node.address, node.model, str(node.version), health, *cells)
    return table


def draw_processes(window: Window, states: Iterable[State], *, plain: bool) -> Table:
    """Returns a line for each process."""
    table = new_table("PROCESS", "PID,RUNS,UNDER WAY,LATE,GENERATION,LOG", plain=plain)
    for state in states:
        runs = span(window.after.taken - state.started_ns / 1e9)
        generation = str(state.catalog.generation) if state.catalog else ""
        late = seconds(state.lag_seconds.worst)
        table.add_row(state.worker, str(state.pid), runs, str(state.calls_in_flight), late, generation, state.log_level)
    return table


def new_table(names: str, figures: str, *, plain: bool) -> Table:
    """Returns an empty table: names to the left, figures to the right."""
    table = Table(box=None if plain else SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in names.split(","):
        table.add_column(name)
    for name in figures.split(","):
        table.add_column(name, justify="right", no_wrap=True)
    return table
