"""Says in the registry what became of versions: tags on the version for its owner, and changes in the history."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from erpml.catalog.v1 import catalog_pb2

from hub.catalog import find_version
from hub.errors import NotRegisteredError
from hub.history import Change
from hub.history.change import LIVE, REFUSED, WITHDRAWN
from hub.history.state import fold
from hub.registry import ModelRegistry
from hub.registry.discovery import find_unrecorded
from hub.registry.records import RegisteredModel, RegisteredVersion
from hub.registry.tags import OVERRIDE, SERVED, STANDBY, STATUS

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

    def note_live(
        self,
        model: RegisteredModel,
        live: catalog_pb2.Model | None,
        *,
        moved: bool = False,
        waiting: Collection[int] = (),
    ) -> None:
        """Brings tags and history in line with what the catalog says of a model.

        Args:
            model: What the registry says.
            live: What the catalog says; None where the model left.
            moved: Whether the catalog may say something else of it than when the registry was read.
            waiting: Versions that wait for something, of which their tags keep the reason.
        """
        arms = {arm.name: arm.version for arm in live.arms} if live else {}
        known = self._known(model).items()
        told = {alias: number for number, tags in known for alias in _split(tags.get(ARMS))}
        if moved or told != arms:
            self._note_arms(model, live)
        self._note_versions(model, live, waiting)

    def note_refusal(
        self, model: RegisteredModel, version: RegisteredVersion, reason: str, live: catalog_pb2.Model | None
    ) -> None:
        """Says on a version why it, or a change of how it is served, does not go live."""
        status = _status_of(version.number, live) or REFUSED
        if self._write(model, version.number, {REASON: reason[:_LONGEST], STATUS: status}):
            self._append(model.name, REFUSED, None, version.number, None, reason=reason[:_LONGEST])

    def note_hold(
        self, model: RegisteredModel, version: RegisteredVersion, reason: str, live: catalog_pb2.Model | None
    ) -> None:
        """Says on a version what it, or a change of how it is served, waits for."""
        status = _status_of(version.number, live) or HELD
        self._write(model, version.number, {REASON: reason[:_LONGEST], STATUS: status})

    def _note_versions(self, model: RegisteredModel, live: catalog_pb2.Model | None, waiting: Collection[int]) -> None:
        """Says on every version that is served, or was, how it is."""
        numbers = [version.number for version in live.versions] if live else []
        served = [number for number, tags in self._known(model).items() if tags.get(STATUS) in SERVED]
        for number in sorted({*served, *numbers}):
            tags = _tags_of(number, live)
            kept = {key: value for key, value in tags.items() if key != REASON or number not in waiting}
            if self._write(model, number, kept) and tags[STATUS] == LIVE:
                state = self.registry.history.at(model.name, datetime.now(UTC))
                if number == state.version:
                    self.registry.write_tags(model.name, number, {BY: state.by})

    def _note_arms(self, model: RegisteredModel, live: catalog_pb2.Model | None) -> None:
        """Writes into the history which arms came and went since it was written last."""
        before = fold(model.name, datetime.now(UTC), self.registry.history.of(model.name)).live
        arms = {arm.name: arm for arm in (live.arms if live else ())}
        for alias, arm in arms.items():
            version = find_version(live, arm.version)
            if version is not None and before.get(alias) != arm.version:
                self._take_permission(model, arm.version)
                self._note_arrival(model.name, arm, version, before.get(alias))
        for alias, number in before.items():
            if alias not in arms:
                self._append(model.name, WITHDRAWN, alias, number, None)

    def _take_permission(self, model: RegisteredModel, number: int) -> None:
        """Takes back what let a version go live in a freeze window: it was for this once."""
        if OVERRIDE in self._known(model).get(number, {}):
            self._write(model, number, {OVERRIDE: None})

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
        """Writes tags that differ; returns whether any did. A version that somebody deleted has none."""
        known = self._known(model).get(number, {})
        if all(known.get(key) == value for key, value in tags.items()):
            return False
        try:
            self.registry.write_tags(model.name, number, tags)
        except NotRegisteredError:
            return False
        return True

    @staticmethod
    def _known(model: RegisteredModel) -> dict[int, Mapping[str, str]]:
        """Tags by number, as they were when the registry was read."""
        return {version.number: version.tags for version in model.versions.values()} | dict(model.statuses)


def _tags_of(number: int, live: catalog_pb2.Model | None) -> _Tags:
    version, status = find_version(live, number), _status_of(number, live)
    if live is not None and version is not None and status == LIVE:
        arms = ",".join(arm.name for arm in live.arms if arm.version == number)
        since = version.live_since.ToDatetime(tzinfo=UTC).isoformat(timespec="seconds")
        return {STATUS: LIVE, REASON: "", ARMS: arms, SINCE: since}
    if version is not None:
        return {STATUS: STANDBY, REASON: "stays loaded for a rollback", ARMS: None}
    return {STATUS: "retired", REASON: "another version took over", ARMS: None, SINCE: None}


def _status_of(number: int, live: catalog_pb2.Model | None) -> str | None:
    """Returns how a version is served; None where it is not."""
    if live is not None and any(arm.version == number for arm in live.arms):
        return LIVE
    return STANDBY if find_version(live, number) is not None else None


def _split(text: str | None) -> list[str]:
    return text.split(",") if text else []
