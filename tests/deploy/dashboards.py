"""Reads the dashboards that are shipped for Grafana."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.deploy.promtool import ROOT

HOME = ROOT / "deploy/grafana"
PATHS = sorted((HOME / "dashboards").glob("*.json"))

# What Grafana puts in the place of a variable when it asks Prometheus.
RANGES = {"$__rate_interval": "5m", "$__range": "1h"}
ALL = ".*"


def read(path: Path) -> dict[str, Any]:
    """Returns a dashboard."""
    board: dict[str, Any] = json.loads(path.read_text())
    return board


def panels_of(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the panels that show something; rows do not."""
    yield from (panel for panel in board["panels"] if panel["type"] != "row")


def expressions_of(board: dict[str, Any]) -> Iterator[str]:
    """Yields the PromQL expressions of all panels and annotations, as Grafana would ask them."""
    for panel in panels_of(board):
        yield from (asked(target["expr"]) for target in panel["targets"])
    yield from (asked(each["expr"]) for each in board["annotations"]["list"])


def variable_queries_of(board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields selector and label of what the variables of a dashboard are made of."""
    for variable in board["templating"]["list"]:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        assert found is not None, variable["query"]
        yield asked(found[1]), found[2]


def asked(expression: str, range_: str = "5m") -> str:
    """Returns an expression with its variables filled in: everything, over a range of time."""
    for name in RANGES:
        expression = expression.replace(name, range_)
    return re.sub(r"\$\w+", ALL, expression)
