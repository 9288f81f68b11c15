"""Feast's part of the benchmark `feast`: runs in a virtual environment of its own, and is spoken to over a pipe.

    python feast_side.py FOLDER HOST:PORT ENTITIES COLUMNS

It stores the rows of `e0`, `e1` and so on in Redis by Feast, whose entity has the value `number * COLUMNS + column` in
each column. Then it answers every line of JSON on its standard input by one on its standard output:

    {"read": ["e1", "e2"]}              -> {"rows": [[...], [...]]}
    {"calls": [["e1", "e2"], ...]}      -> {"cpu_seconds": ...}, of one call of `get_online_features` for each list
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time
from typing import Any

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource  # type: ignore[import-not-found]
from feast.types import Float32  # type: ignore[import-not-found]
from feast.value_type import ValueType  # type: ignore[import-not-found]

VIEW, ENTITY = "bench", "entity"

CONFIGURATION = """
project: bench
provider: local
registry: {folder}/registry.db
online_store: {{type: redis, connection_string: "{redis}"}}
offline_store: {{type: file}}
entity_key_serialization_version: 3
telemetry: false
"""


def open_store(folder: Path, redis: str, entities: int, columns: int) -> Any:
    """Declares the view and stores its rows; returns the store."""
    (folder / "feature_store.yaml").write_text(CONFIGURATION.format(folder=folder, redis=redis))
    rows = pd.DataFrame(
        {
            ENTITY: [f"e{number}" for number in range(entities)],
            "event_timestamp": datetime.now(UTC),
            **{
                f"c{column}": pd.Series([number * columns + column for number in range(entities)], dtype="float32")
                for column in range(columns)
            },
        }
    )
    rows.to_parquet(folder / "rows.parquet")
    entity = Entity(name=ENTITY, join_keys=[ENTITY], value_type=ValueType.STRING)
    view = FeatureView(
        name=VIEW,
        entities=[entity],
        ttl=timedelta(days=1),
        schema=[Field(name=f"c{column}", dtype=Float32) for column in range(columns)],
        source=FileSource(path=str(folder / "rows.parquet"), timestamp_field="event_timestamp"),
    )
    store = FeatureStore(repo_path=str(folder))
    store.apply([entity, view])
    store.write_to_online_store(VIEW, rows)
    return store


def main() -> None:
    """Stores the rows, and answers until its standard input ends."""
    folder, redis, entities, columns = sys.argv[1:]
    store = open_store(Path(folder), redis, int(entities), int(columns))
    names = [f"c{column}" for column in range(int(columns))]
    features = [f"{VIEW}:{name}" for name in names]

    def get(wanted: list[str]) -> Any:
        return store.get_online_features(features=features, entity_rows=[{ENTITY: entity} for entity in wanted])

    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "read" in asked:
            found = get(asked["read"]).to_dict()
            answer: dict[str, Any] = {"rows": list(zip(*(found[name] for name in names), strict=True))}
        else:
            began = process_time()
            for wanted in asked["calls"]:
                get(wanted)
            answer = {"cpu_seconds": process_time() - began}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
