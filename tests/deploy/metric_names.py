"""Which metrics and labels there are for expressions to speak of."""

import re
from collections.abc import Iterator

from gateway.telemetry.families import FAMILIES, Kind
from tests.deploy.promtool import rules_of

# What Prometheus adds to whatever it reads.
TARGET = frozenset({"job", "instance"})
OWN = {"up": TARGET, "ALERTS": frozenset({"alertname", "alertstate", "severity"})}

_SELECTOR = re.compile(r"\b([a-zA-Z_][\w:]*)(?:\{([^}]*)\})?")
_LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_STRING = re.compile(r'"[^"]*"')


def known_metrics() -> dict[str, frozenset[str]]:
    """Returns the labels of each metric: of the gateway's families, and of recording rules by what they group by."""
    known = dict(OWN)
    for family in FAMILIES:
        labels = TARGET | frozenset(family.labels)
        if family.kind is Kind.HISTOGRAM:
            known |= {f"{family.name}_bucket": labels | {"le"}, f"{family.name}_sum": labels}
            known[f"{family.name}_count"] = labels
        else:
            known[family.name] = labels | ({"worker"} if family.kind is Kind.GAUGE else set())
    return known | {rule["record"]: level_of(rule["record"]) for rule in rules_of("rules")}


def level_of(record: str) -> frozenset[str]:
    """Returns the labels that the name of a recording rule tells, such as `model_arm:...`."""
    return frozenset(record.partition(":")[0].split("_")) - {"gapura"}


def faults_of(expression: str, known: dict[str, frozenset[str]]) -> Iterator[str]:
    """Yields what an expression speaks of that there is not: metrics, labels of a metric, labels to group by."""
    bare = _GROUPING.sub("", expression)
    seen: set[str] = set()
    for name, inside in _SELECTOR.findall(bare):
        if not (name in known or ":" in name or name.startswith("gapura_")):
            continue
        if name not in known:
            yield f"metric {name}"
            continue
        seen |= known[name]
        yield from (f"{name} {label}" for label in _LABEL.findall(inside) if label not in known[name])
    for group in _GROUPING.findall(_STRING.sub('""', expression)):
        yield from (f"label {label}" for label in re.findall(r"\w+", group) if label not in seen)
