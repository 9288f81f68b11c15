"""A training set has what serving would have used at the time of each label, and nothing that came later."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gapura_features import Row
from gapura_features.packed import RowFormat
from gapura_features.pushing import PushedRow
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import HubError
from hub.features.declaration import Declaration
from hub.features.kept import KeptPushes
from hub.features.serving import Served, serve
from hub.features.sources import Table
from hub.features.training_sets import Wanted, write_training_set
from tests.catalog.valkey import Valkey
from tests.hub.features.views import DECLARED, NOW_MS, declare, store_of, write_source

HOUR_MS = 3_600_000
REFUSING = DECLARED.replace("{rule: stale, within: 7d}", "refuse")
DEFAULTING = DECLARED.replace("{rule: stale, within: 7d}", "default")


def wanted(declaration: Declaration, source: Path, folder: Path, *columns: str) -> Wanted:
    table = Table((source,), "customer_id", "event_time")
    kept = KeptPushes(folder / "pushed", declaration.row_schema)
    return Wanted(declaration, table, kept, columns, "customer_id")


def write_labels(path: Path, labels: list[tuple[str | None, int]]) -> Path:
    ids = pa.array([entity for entity, _ in labels], pa.string())
    times = pa.array([time for _, time in labels], pa.timestamp("ms"))
    pq.write_table(pa.table({"customer_id": ids, "event_time": times, "label": list(range(len(labels)))}), path)
    return path


def join(labels: Path, *parts: Wanted) -> list[dict[str, Any]]:
    output = labels.parent / "train.parquet"
    write_training_set(labels, parts, output)
    found: list[dict[str, Any]] = pq.read_table(output).to_pylist()
    return found


@dataclass(frozen=True, slots=True)
class History:
    """Rows in the order in which they were written; of the same time the last one wins."""

    rows: list[tuple[Any, ...]]

    def serve(self, declaration: Declaration, entity: str | None, at_ms: int) -> Served:
        """Replays every write until a moment, one by one, and asks the rules of serving."""
        stored: Row | None = None
        for customer, event_time_ms, *values in self.rows:
            if customer == entity and event_time_ms <= at_ms:
                packed = RowFormat(declaration.row_schema).pack(values, event_time_ms)
                row = RowFormat(declaration.row_schema).unpack(packed)
                stored = row if stored is None or row.event_time_ms >= stored.event_time_ms else stored
        return serve(declaration.message(), stored, at_ms)


HOURS = (0, 23, 24, 25, 24 * 7, 24 * 8)  # whose differences are the bounds of the view, among others
TIMES = st.builds(lambda hours, ms: NOW_MS - hours * HOUR_MS + ms, st.sampled_from(HOURS), st.sampled_from((0, 0, 1)))
ENTITIES = st.sampled_from(["C1", "Ü"])
ROWS = st.lists(
    st.tuples(
        ENTITIES,
        TIMES,
        st.none() | st.floats(-1e9, 1e9),
        st.none() | st.integers(-5, 99),
        st.none() | st.sampled_from(["a", ""]),
    ),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([DECLARED, REFUSING, DEFAULTING]),
    ROWS,
    st.lists(st.tuples(ENTITIES | st.none(), TIMES), min_size=1, max_size=8),
)
def test_it_has_what_serving_would_have_used(
    described: str, rows: list[tuple[Any, ...]], labels: list[tuple[str | None, int]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write_source(folder / "source.parquet", rows)
        declaration = declare(source, described)
        found = join(write_labels(folder / "labels.parquet", labels), wanted(declaration, source, folder))
    assert [row["label"] for row in found] == list(range(len(labels)))
    for row, (entity, at_ms) in zip(found, labels, strict=True):
        served = History(rows).serve(declaration, entity, at_ms)
        assert row["customer_test_status"] == served.status
        assert {name: row[name] for name in served.values} == served.values


def test_pushed_rows_count_from_their_time_on(valkey: Valkey, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.parquet", [("C1", NOW_MS, 1.0, 1, "source")])
    declaration = declare(source)
    part = wanted(declaration, source, tmp_path, "city")
    format_ = RowFormat(declaration.row_schema)
    pushes = [(NOW_MS, "same time"), (NOW_MS + 2, "later"), (NOW_MS + 2, "latest")]
    store_of(valkey).push([PushedRow("C1", format_.pack((None, None, city), time)) for time, city in pushes])
    assert part.kept.drain(store_of(valkey)) == 3
    assert store_of(valkey).waiting() == 0
    labels = write_labels(tmp_path / "labels.parquet", [("C1", NOW_MS + after) for after in (-1, 0, 1, 2)])
    assert [row["city"] for row in join(labels, part)] == ["Bonn", "same time", "same time", "latest"]


def test_a_row_between_two_milliseconds_is_not_known_in_the_first(tmp_path: Path) -> None:
    source = tmp_path / "source.parquet"
    moment = datetime(2026, 1, 1, 0, 0, 0, 1500, tzinfo=UTC)  # 1.5 ms
    columns = {"customer_id": ["C1"], "event_time": [moment], "income": [1.0], "years": [1], "city": ["a"]}
    pq.write_table(pa.table(columns), source)
    base = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
    labels = write_labels(tmp_path / "labels.parquet", [("C1", base + 1), ("C1", base + 2)])
    found = join(labels, wanted(declare(source), source, tmp_path))
    assert [row["customer_test_status"] for row in found] == ["default", "fresh"]


def test_labels_of_other_time_zones_mean_the_same_moment(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.parquet", [("C1", 0, 1.0, 1, "a")])
    labels = tmp_path / "labels.csv"
    lines = ["customer_id,event_time", "C1,1970-01-01T01:00:00+01:00", "C1,1970-01-01T00:59:59+01:00"]
    labels.write_text("\n".join(lines), encoding="utf-8")
    found = join(labels, wanted(declare(source), source, tmp_path))
    assert [row["customer_test_status"] for row in found] == ["fresh", "default"]


def test_ids_in_csv_are_texts(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.parquet", [("007", NOW_MS, 1.0, 1, "a")])
    labels = tmp_path / "labels.csv"
    labels.write_text("customer_id,event_time\n007,2026-12-01\n7,2026-12-01\n", encoding="utf-8")
    found = join(labels, wanted(declare(source), source, tmp_path))
    assert [(row["customer_id"], row["city"]) for row in found] == [("007", "a"), ("7", "Bonn")]


def test_what_is_missing_or_there_twice_is_named(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.parquet", [("C1", NOW_MS, 1.0, 1, "a")])
    labels = write_labels(tmp_path / "labels.parquet", [("C1", NOW_MS)])
    part = wanted(declare(source), source, tmp_path)
    with pytest.raises(HubError, match="the training set would have age, city, customer_test_status, income twice"):
        join(labels, part, part)
    with pytest.raises(HubError, match="customer_test has no column shoe_size"):
        join(labels, wanted(declare(source), source, tmp_path, "shoe_size"))
    broken = tmp_path / "broken.csv"
    broken.write_text("customer_id,event_time\nC1,2026-12-01\nC1,soon\n", encoding="utf-8")
    with pytest.raises(HubError, match=r"broken.csv: row 2 has no event_time"):
        join(broken, part)
    with pytest.raises(HubError, match=r"labels.parquet has no column 'at'"):
        write_training_set(labels, [part], tmp_path / "train.parquet", "at")
    assert not (tmp_path / "train.parquet").exists()
