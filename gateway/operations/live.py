"""The live view as JSON, for scripts."""

from typing import Any

from gateway.operations.figures import Figures
from gateway.operations.look import Look
from gateway.operations.views.nodes import lanes_of, nodes_of
from gateway.operations.views.traffic import lines_by
from gateway.telemetry.families import IN_FLIGHT, WAITING


def describe(look: Look) -> dict[str, Any]:
    """Returns what the page shows, ready for JSON; durations are in seconds, rates are per second."""
    window = look.window
    return {
        "time": look.now,
        "window_seconds": window.seconds if window else 0.0,
        "calls_in_flight": look.gauge(IN_FLIGHT),
        "waiting_rows": look.gauge(WAITING),
        "total": next((describe_figures(line.figures) for line in lines_by(look, ())), None),
        "arms": [
            {"model": line.names[0], "arm": line.names[1], **describe_figures(line.figures)}
            for line in lines_by(look, ("model", "arm"))
        ],
        "tenants": [
            {"tenant": line.names[0], **describe_figures(line.figures)} for line in lines_by(look, ("tenant",))
        ],
        "nodes": [
            {"address": node.address, "model": node.model, "version": node.version, "health": node.health}
            | {"ready": node.ready, "processes": len(node.views), "outstanding_rows": node.outstanding}
            | {"latency_seconds": node.latency, "problems": node.problems}
            for node in nodes_of(look.states, window)
        ],
        "lanes": [
            {"model": lane.model, "version": lane.version, "waiting_rows": lane.waiting_rows}
            | {"under_way": lane.under_way, "slots": lane.slots}
            for lane in lanes_of(look.states)
        ],
        "processes": [
            {"worker": state.worker, "pid": state.pid, "calls_in_flight": state.calls_in_flight}
            | {"lag_seconds": state.lag_seconds.worst, "log_level": state.log_level}
            for state in look.states
        ],
    }


def describe_figures(figures: Figures) -> dict[str, Any]:
    """Returns figures, ready for JSON."""
    return {
        "calls": figures.calls,
        "rate": figures.rate,
        "rows_rate": figures.rows_rate,
        "p50_seconds": figures.p50,
        "p99_seconds": figures.p99,
        "failed": figures.failed,
        "refused": figures.refused,
        "codes": figures.codes,
    }
