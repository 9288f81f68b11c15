"""Says in words how experiments divide calls, and what changes of them. No I/O."""

from collections.abc import Mapping

from erpml.catalog.v1 import catalog_pb2

from hub.experiments.buckets import shares
from hub.experiments.messages import read_slices
from hub.registry.aliases import served
from hub.registry.records import CHAMPION
from hub.registry.weights import percent_of


def describe_weights(weights: Mapping[str, int]) -> str:
    """Returns shares in hundredths of a percent in words, such as `challenger 10 %, challenger-b 2.5 %`."""
    return ", ".join(f"{arm} {percent_of(weights[arm])} %" for arm in served(weights))


def describe_change(before: catalog_pb2.Experiment | None, after: catalog_pb2.Experiment | None) -> str:
    """Returns what becomes of an experiment when it goes live."""
    if after is None:
        return "the champion answers"
    weights, old = _weights(after), _weights(before) if before else {}
    running = after.state == catalog_pb2.EXPERIMENT_STATE_RUNNING
    if before is None:
        return f"{'running' if running else 'paused'}: {describe_weights(weights) or 'no arm has a share'}"
    words = [] if before.state == after.state else ["running" if running else "paused"]
    words += [
        f"{arm} has {percent_of(weights.get(arm, 0))} % instead of {percent_of(old.get(arm, 0))} %"
        for arm in served({*weights, *old})
        if weights.get(arm, 0) != old.get(arm, 0)
    ]
    return "; ".join(words) or "its shares stay as they are"


def _weights(experiment: catalog_pb2.Experiment) -> dict[str, int]:
    return {arm: count for arm, count in shares(read_slices(experiment)).items() if arm != CHAMPION}
