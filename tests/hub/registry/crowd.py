"""A thousand registered models whose champions are live, straight in MLflow's tables: its API takes minutes."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelAlias,
    SqlRegisteredModelTag,
)
from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag
from sqlalchemy.orm import Session

from hub.history import Change
from hub.history.entry import Entry, digest_of
from hub.history.links import key_of

MODELS = 1000
_MODEL_TAGS = {"team": "crowd", "created_by": "alice", "model_type": "GBM", "policy.bands": "0.05,0.2"}
_PARTS = (SqlRegisteredModelTag, SqlRegisteredModelAlias, SqlModelVersionTag, SqlModelVersion, SqlRegisteredModel)
_ALIASES = {"champion": 3}


@contextmanager
def crowded(database: str, experiment_id: str, *, challenged: bool = False) -> Iterator[None]:
    """Adds models `crowd_0000` and so on, each with a retired version, one in standby and a live champion; then goes.

    Args:
        database: Address of the database.
        experiment_id: Experiment of the history.
        challenged: Whether the one in standby is a challenger in its place, which has a tenth of the calls.
    """
    engine = sqlalchemy.create_engine(database)
    names, runs = [f"crowd_{number:04}" for number in range(MODELS)], [uuid.uuid4().hex for _ in range(MODELS)]
    try:
        with Session(engine) as session:
            for table, rows in _rows(names, runs, experiment_id, challenged=challenged).items():
                session.execute(sqlalchemy.insert(table), rows)
            session.execute(sqlalchemy.text("ANALYZE"))  # which a database does by itself, later
            session.commit()
        yield
    finally:
        with Session(engine) as session:
            for part in _PARTS:
                session.execute(sqlalchemy.delete(part).where(part.name.in_(names)))
            for table in (SqlTag, SqlRun):
                session.execute(sqlalchemy.delete(table).where(table.run_uuid.in_(runs)))
            session.commit()
        engine.dispose()


def _rows(
    names: list[str], runs: list[str], experiment_id: str, *, challenged: bool
) -> dict[Any, list[dict[str, Any]]]:
    """Returns rows by table, in an order in which they can be inserted."""
    statuses = ("retired", "live" if challenged else "standby", "live")
    versions = [(name, number, status) for name in names for number, status in enumerate(statuses, 1)]
    aliases = _ALIASES | ({"challenger": 2} if challenged else {})
    tags = _MODEL_TAGS | ({"weight.challenger": "10"} if challenged else {})
    return {
        SqlRegisteredModel: [{"name": name} for name in names],
        SqlRegisteredModelTag: [
            {"name": name, "key": key, "value": value} for name in names for key, value in tags.items()
        ],
        SqlModelVersion: [
            {"name": name, "version": number, "source": f"models:/m-{name}-{number}", "run_id": uuid.uuid4().hex}
            for name, number, _ in versions
        ],
        SqlModelVersionTag: [
            {"name": name, "version": number, "key": key, "value": value}
            for name, number, status in versions
            for key, value in {**_MODEL_TAGS, "serving.status": status, "serving.reason": ""}.items()
        ],
        SqlRegisteredModelAlias: [
            {"name": name, "alias": alias, "version": version} for name in names for alias, version in aliases.items()
        ],
        SqlRun: [
            {
                "run_uuid": run,
                "name": name,
                "experiment_id": int(experiment_id),
                "status": "FINISHED",
                "user_id": "alice",
                "source_name": "",
                "artifact_uri": f"file:///nowhere/{run}",
                "end_time": time.time_ns() // 1_000_000,
            }
            for name, run in zip(names, runs, strict=True)
        ],
        SqlTag: [
            {"run_uuid": run, "key": key, "value": value}
            for name, run in zip(names, runs, strict=True)
            for key, value in _entry_tags(name, aliases).items()
        ],
    }


def _entry_tags(name: str, aliases: dict[str, int]) -> dict[str, str]:
    """Returns the tags of the last entry of a model's history."""
    entry = Entry(3, "0" * 64, Change(name, "alias", "champion", 3, 2, by="alice"), aliases)
    body = entry.to_body()
    return {
        "gapura.change": body,
        "gapura.digest": digest_of(body),
        "gapura.head": "true",
        "gapura.key": key_of(name),
        "gapura.sequence": "00000003",
    }
