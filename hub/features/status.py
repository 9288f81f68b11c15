"""How it stands with every view: `gapura features status`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from erpml.catalog.v1 import catalog_pb2
from erpml.types.v1 import feature_view_pb2

from hub.errors import HubError
from hub.features.connection import StoreAwayError
from hub.features.store import Building, Store


@dataclass(frozen=True, slots=True)
class ViewStatus:
    """One view.

    Attributes:
        view: Its name.
        team: Owner.
        entity: What its rows belong to.
        columns: How many there are.
        freshness_ms: How old a row may be to count as fresh.
        degrade: What is used in place of fresh rows: `stale`, `default` or `refuse`.
        stale_ms: How old a stale row may be; 0 where none is used.
        data: Number of the live data; None where Redis does not say.
        entities: Rows that were materialised last; None where nothing is known.
        age_ms: Age of the latest of these rows; None where nothing is known.
        building: Rows done and rows in all of data that is being made; None where there is none.
        waiting: Pushed rows that are not kept offline yet; None where Redis does not say.
    """

    view: str
    team: str
    entity: str
    columns: int
    freshness_ms: int
    degrade: str
    stale_ms: int
    data: int | None = None
    entities: int | None = None
    age_ms: int | None = None
    building: tuple[int, int] | None = None
    waiting: int | None = None


def survey(
    catalog: catalog_pb2.Catalog, client: Any | None, names: Sequence[str], now_ms: int
) -> tuple[list[ViewStatus], str]:
    """Looks at views; returns them, and why Redis says nothing of them.

    Args:
        catalog: What is live.
        client: Of redis-py; None where there is none.
        names: The views; all where there are none.
        now_ms: The time.

    Raises:
        HubError: The catalog has no such view.
    """
    unknown = sorted(set(names) - {view.name for view in catalog.feature_views})
    if unknown:
        raise HubError(f"the catalog has no view {', '.join(unknown)}: `gapura features apply FILE`")
    found, fault = list[ViewStatus](), ""
    for view in catalog.feature_views:
        if names and view.name not in names:
            continue
        stored: dict[str, Any] = {}
        if client is not None and not fault:
            try:
                stored = _stored(Store(client, view.name), now_ms)
            except StoreAwayError as error:
                fault = str(error)
        found.append(_status(view, stored))
    return found, fault


def _status(view: feature_view_pb2.FeatureView, stored: dict[str, Any]) -> ViewStatus:
    return ViewStatus(
        view=view.name,
        team=view.team,
        entity=view.entity,
        columns=len(view.columns),
        freshness_ms=view.freshness_ms,
        degrade=feature_view_pb2.Degrade.Name(view.degrade).removeprefix("DEGRADE_").lower(),
        stale_ms=view.stale_ms,
        **stored,
    )


def _stored(store: Store, now_ms: int) -> dict[str, Any]:
    """Returns what Redis knows of a view."""
    pointer, state = store.pointer(), store.state()
    live = state.live if state.live and state.live.data == pointer.live else None
    building: Building | None = state.building if pointer.building is not None else None
    return {
        "data": pointer.live,
        "entities": live.entities if live else None,
        "age_ms": now_ms - live.event_time_ms if live else None,
        "building": (building.done, building.total) if building else None,
        "waiting": store.waiting(),
    }
