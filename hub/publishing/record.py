"""Says in the registry what became of versions: tags on the version for its owner, and changes in the history."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from erpml.catalog.v1 import catalog_pb2

from hub.catalog import find_version
from hub.history import Change
from hub.history.change import LIVE, REFUSED, WITHDRAWN
from hub.registry import ModelRegistry
from hub.registry.discovery import find_unrecorded
from hub.registry.records import RegisteredModel, RegisteredVersion
from hub.registry.tags import SERVED, STANDBY, STATUS

REASON, ARMS = "serving.reason", "serving.arms"
SINCE, BY = "serving.since", "serving.by"
HELD = "held"

_LONGEST = 1000

_Tags = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Record:
    """Writes what differs from what is written there.

    Attributes:
        registry: Where it is written.
        by: Who publishes.
    """

    registry: ModelRegistry
    by: str

    def note_moves(self, models: Mapping[str, RegisteredModel]) -> None:
        """Notes aliases that somebody moved in MLflow itself."""
        history = self.registry.history
        for change in find_unrecorded(models, history.last_aliases(), datetime.now(UTC)):
            history.append(change)

    def note_live(self, model: RegisteredModel, live: catalog_pb2.Model | None) -> None:
        """Brings tags and history in line with what the catalog says of a model; None says that it left."""
        arms: dict[int, list[str]] = {}
        for arm in live.arms if live else ():
            arms.setdefault(arm.version, []).append(arm.name)
        known = self._known(model)
        before = {alias: number for number, tags in known.items() for alias in _split(tags.get(ARMS))}
        for arm in live.arms if live else ():
            version = find_version(live, arm.version)
            if version is not None and before.get(arm.name) != arm.version:
                self._note_arrival(model.name, arm, version, before.get(arm.name))
        for alias, number in before.items():
            if all(alias not in names for names in arms.values()):
                self._append(model.name, WITHDRAWN, alias, number, None)
        numbers = [version.number for version in live.versions] if live else []
        served = [number for number, tags in known.items() if tags.get(STATUS) in SERVED]
        for number in sorted({*served, *numbers}):
            if self._write(model, number, _tags_of(number, arms.get(number, []), live)) and number in arms:
                state = self.registry.history.at(model.name, datetime.now(UTC))
                if number == state.version:
                    self.registry.write_tags(model.name, number, {BY: state.by})

    def note_refusal(self, model: RegisteredModel, version: RegisteredVersion, reason: str, *, live: bool) -> None:
        """Says on a version why it, or a change of how it is served, does not go live."""
        status = LIVE if live else REFUSED
        if self._write(model, version.number, {REASON: reason[:_LONGEST], STATUS: status}):
            self._append(model.name, REFUSED, None, version.number, None, reason=reason[:_LONGEST])

    def note_hold(self, model: RegisteredModel, version: RegisteredVersion, reason: str) -> None:
        """Says on a version what it waits for."""
        self._write(model, version.number, {REASON: reason[:_LONGEST], STATUS: HELD})

    def _note_arrival(self, name: str, arm: catalog_pb2.Arm, version: catalog_pb2.Version, before: int | None) -> None:
        details = {"sha256": version.sha256, "artifact_digest": version.artifact_digest}
        at = arm.since.ToDatetime(tzinfo=UTC) if arm.HasField("since") else None
        self._append(name, LIVE, arm.name, arm.version, before, at=at, details=details)

    def _append(  # noqa: PLR0913 - a change has these parts
        self,
        name: str,
        kind: str,
        alias: str | None,
        version: int | None,
        previous: int | None,
        *,
        reason: str = "",
        at: datetime | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        moment = at or datetime.now(UTC)
        self.registry.history.append(
            Change(name, kind, alias, version, previous, self.by, reason, moment, details or {})
        )

    def _write(self, model: RegisteredModel, number: int, tags: _Tags) -> bool:
        """Writes tags that differ; returns whether any did."""
        known = self._known(model).get(number, {})
        if all(known.get(key) == value for key, value in tags.items()):
            return False
        self.registry.write_tags(model.name, number, tags)
        return True

    @staticmethod
    def _known(model: RegisteredModel) -> dict[int, Mapping[str, str]]:
        """Tags by number, as they were when the registry was read."""
        return {version.number: version.tags for version in model.versions.values()} | dict(model.statuses)


def _tags_of(number: int, arms: list[str], live: catalog_pb2.Model | None) -> _Tags:
    version = find_version(live, number)
    if arms and version is not None:
        since = version.live_since.ToDatetime(tzinfo=UTC).isoformat(timespec="seconds")
        return {STATUS: LIVE, REASON: "", ARMS: ",".join(arms), SINCE: since}
    if version is not None:
        return {STATUS: STANDBY, REASON: "stays loaded for a rollback", ARMS: None}
    return {STATUS: "retired", REASON: "another version took over", ARMS: None, SINCE: None}


def _split(text: str | None) -> list[str]:
    return text.split(",") if text else []
