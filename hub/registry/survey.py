"""Reads what serving needs to know of all registered models, in calls that do not grow with their number.

One search gives all models with their aliases, another all versions that the publisher marked. Versions that an alias
points at and that are not among those are new, or were refused: they are asked for in batches.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import mlflow

from hub.registry.aliases import served
from hub.registry.names import team_of
from hub.registry.records import RegisteredModel, RegisteredVersion
from hub.registry.tags import SERVED, STATUS

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

_PAGE_MODELS = 1000  # the most that MLflow gives
_PAGE_VERSIONS = 10_000
_BATCH = 50  # names in one filter: it travels in the address of a request
_QUOTABLE = re.compile(r"[^'\"`\\]+")

_Key: TypeAlias = tuple[str, int]


def read_models(client: mlflow.MlflowClient) -> dict[str, RegisteredModel]:
    """Returns all registered models by name."""
    found = list(_all_pages(client.search_registered_models, None, _PAGE_MODELS))
    marked = _search_marked(client)
    pointed = {(model.name, int(model.aliases[alias])) for model in found for alias in served(model.aliases)}
    known = marked | _search_pointed(client, pointed - marked.keys())
    statuses: dict[str, dict[int, Mapping[str, str]]] = defaultdict(dict)
    for (name, number), version in marked.items():
        statuses[name][number] = dict(version.tags)
    return {model.name: _compose(model, known, statuses.get(model.name, {})) for model in found}


def compose_version(version: "ModelVersion", team: str) -> RegisteredVersion:
    """Returns a version in our words."""
    return RegisteredVersion(
        name=version.name,
        team=team,
        number=int(version.version),
        run_id=version.run_id or "",
        model_uri=f"models:/{version.name}/{version.version}",
        source=version.source or "",
        tags=dict(version.tags),
    )


def _compose(
    model: Any, known: Mapping[_Key, "ModelVersion"], statuses: Mapping[int, Mapping[str, str]]
) -> RegisteredModel:
    """A version that went away between two calls is as if its alias had gone with it, as it has by now."""
    tags = dict(model.tags)
    team = team_of(model.name, tags)
    targets = {alias: (model.name, int(model.aliases[alias])) for alias in served(model.aliases)}
    versions = {alias: compose_version(known[key], team) for alias, key in targets.items() if key in known}
    return RegisteredModel(model.name, team, tags, versions, statuses)


def _search_marked(client: mlflow.MlflowClient) -> dict[_Key, "ModelVersion"]:
    """Returns the versions that the publisher marked as loaded."""
    return _by_key(
        version
        for status in SERVED
        for version in _all_pages(client.search_model_versions, f"tags.`{STATUS}` = '{status}'", _PAGE_VERSIONS)
    )


def _search_pointed(client: mlflow.MlflowClient, keys: set[_Key]) -> dict[_Key, "ModelVersion"]:
    """Returns the versions that are there, and others of their models.

    A name that a filter cannot quote can be served by nobody: it is no name of a folder either.
    """
    ordered = sorted((number, name) for name, number in keys if _QUOTABLE.fullmatch(name))
    batches = [ordered[start : start + _BATCH] for start in range(0, len(ordered), _BATCH)]
    return _by_key(
        version
        for batch in batches
        for version in _all_pages(client.search_model_versions, _condition(batch), _PAGE_VERSIONS)
    )


def _condition(batch: list[tuple[int, str]]) -> str:
    """Returns a filter for versions from the lowest number to the highest; `batch` is ordered by number."""
    names = ", ".join(f"'{name}'" for _, name in batch)
    return f"name IN ({names}) AND version_number >= {batch[0][0]} AND version_number <= {batch[-1][0]}"


def _by_key(versions: Iterable["ModelVersion"]) -> dict[_Key, "ModelVersion"]:
    return {(version.name, int(version.version)): version for version in versions}


def _all_pages(search: Callable[..., Any], condition: str | None, size: int) -> Iterator[Any]:
    token: str | None = None
    while True:
        page = search(filter_string=condition, max_results=size, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
