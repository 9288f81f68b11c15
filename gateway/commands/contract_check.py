"""Tries every typed method on every version of a catalog, by the gateway's own compiler; no model is loaded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from gateway.catalog.snapshot import Snapshot
from gateway.commands.configurations import difference, unwritable
from gateway.contracts.compilation import compile_methods, model_of
from gateway.contracts.descriptors import AnnotatedMethod, ContractSet
from gateway.decisions import DECISIONS
from gateway.errors import GatewayError
from gateway.types import Arm, Model, ModelVersion

CONFIGURATION, CHAMPION = "config.pbtxt", "champion"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one version answers one method.

    Attributes:
        method: Full name of the method; `config.pbtxt` for what the configuration of the model would say.
        model: Registered name of its model.
        version: Version of the model; 0 where the model is not in the catalog.
        arms: Arms that name the version.
        reason: Why it does not answer; empty if it does.
    """

    method: str
    model: str
    version: int
    arms: tuple[str, ...]
    reason: str

    @property
    def grave(self) -> bool:
        """Says whether callers would notice: an arm names the version, and it is refused."""
        return bool(self.reason and self.arms)


def check(snapshot: Snapshot, contracts: ContractSet) -> list[Verdict]:
    """Returns a verdict for every method and version, and one for each configuration that no version could share."""
    verdicts = [verdict for model in snapshot.models.values() for verdict in check_configuration(model)]
    known = {method.full_name: method for method in contracts.methods}
    by_model = dict[str, list[AnnotatedMethod]]()
    for method in contracts.methods:
        by_model.setdefault(model_of(method, known), []).append(method)
    for name, methods in by_model.items():
        verdicts += check_methods(name, methods, snapshot)
    return verdicts


def check_methods(name: str, methods: Sequence[AnnotatedMethod], snapshot: Snapshot) -> Iterator[Verdict]:
    """Yields a verdict for every method of a model and every version: each is tried as if it were the champion."""
    model = snapshot.models.get(name)
    if model is None:
        yield from (Verdict(method.full_name, name, 0, (), "the catalog has no such model") for method in methods)
        return
    for number, version in model.versions.items():
        alone = replace(model, versions={number: version}, arms=(Arm(CHAMPION, version),))
        compiled = compile_methods(methods, {name: alone}, snapshot.views, DECISIONS, no_status)
        for method in methods:
            reason = compiled.refused[method.path].message if method.path in compiled.refused else ""
            yield Verdict(method.full_name, name, number, arms_of(model, version), reason)


def no_status(error: GatewayError) -> bytes:
    """Serialises nothing: no item of a batch fails here.

    Raises:
        GatewayError: The item's error, always.
    """
    raise error


def check_configuration(model: Model) -> Iterator[Verdict]:
    """Yields a verdict for every version that cannot be served under one configuration with the champion."""
    for number, version in model.versions.items():
        reason = unwritable(version) or difference(version, model.champion.version)
        if reason:
            yield Verdict(CONFIGURATION, model.name, number, arms_of(model, version), reason)


def arms_of(model: Model, version: ModelVersion) -> tuple[str, ...]:
    """Names the arms that name a version."""
    return tuple(arm.name for arm in model.arms if arm.version is version)


def report_of(snapshot: Snapshot, verdicts: Iterable[Verdict], faults: Mapping[str, str]) -> dict[str, Any]:
    """Returns the findings as JSON has them.

    Args:
        snapshot: The catalog.
        verdicts: Of its methods.
        faults: Why descriptor sets and feature views were left out, by file or name.
    """
    listed = [asdict(verdict) | {"served": not verdict.reason} for verdict in verdicts]
    refused: dict[str, list[dict[str, Any]]] = {name: [] for name in snapshot.models}
    for verdict in verdicts:
        if verdict.grave:
            refused[verdict.model].append(
                {"version": verdict.version, "method": verdict.method, "reason": verdict.reason}
            )
    return {
        "generation": snapshot.generation,
        "ok": not any(refused.values()),
        "models": {name: {"ok": not found, "refused": found} for name, found in refused.items()},
        "methods": listed,
        "left_out": dict(faults),
    }


def lines_of(verdicts: Iterable[Verdict], faults: Mapping[str, str]) -> Iterator[str]:
    """Yields the findings as people read them."""
    for verdict in verdicts:
        version = f" version {verdict.version}" if verdict.version else ""
        arms = f" ({', '.join(verdict.arms)})" if verdict.arms else ""
        outcome = f"refused: {verdict.reason}" if verdict.reason else "served"
        yield f"{verdict.model}{version}{arms}  {verdict.method}  {outcome}"
    for name, reason in faults.items():
        yield f"{name}  left out: {reason}"
