"""Rows become live together: never half, never mixed, and never without what was pushed meanwhile."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from gapura_features import CorruptRow, Pointer, row_key
from gapura_features.packed import RowFormat
from gapura_features.pushing import PushedRow
from sqlalchemy import create_engine, text

from hub.errors import HubError
from hub.features.declaration import Declaration
from hub.features.lock import Lock
from hub.features.materializing import CHUNK_ROWS
from tests.catalog.valkey import Valkey, running
from tests.hub.features.views import (
    DECLARED,
    NOW_MS,
    declare,
    live_row,
    materialization,
    materialize,
    store_of,
    write_source,
)

MANY = 5 * CHUNK_ROWS


def write_many(path: Path, income: float) -> Path:
    return write_source(path, [(f"C{index}", NOW_MS, income, 30, "Ulm") for index in range(MANY)])


def test_the_latest_row_of_an_entity_is_live_as_the_declared_types(valkey: Valkey, tmp_path: Path) -> None:
    rows = [("C1", NOW_MS, 1.5, 40, "Köln"), ("C1", NOW_MS - 1, 9.0, 39, "Ulm"), ("C2", NOW_MS, None, None, None)]
    declaration = declare(write_source(tmp_path / "source.parquet", rows))
    result = materialize(valkey, declaration, tmp_path)
    assert (result.data, result.entities) == (2, 2)
    assert live_row(valkey, declaration, "C1") == ((1.5, 40, "Köln"), NOW_MS)
    assert live_row(valkey, declaration, "C2") == ((None, None, None), NOW_MS)


def test_of_rows_of_the_same_time_the_last_one_wins(valkey: Valkey, tmp_path: Path) -> None:
    rows = [("C1", NOW_MS, float(income), 1, "a") for income in range(5)]
    declaration = declare(write_source(tmp_path / "source.parquet", rows))
    materialize(valkey, declaration, tmp_path)
    row = live_row(valkey, declaration, "C1")
    assert row is not None
    assert row.values[0] == 4.0


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("C7", NOW_MS, 1e39, 1, "a"), "entity 'C7': column 'income': '1e+39' is not float32"),
        (("C7", NOW_MS, 1.0, 2**31, "a"), "entity 'C7': column 'years': '2147483648' is not int32"),
        (("", NOW_MS, 1.0, 1, "a"), "column 'customer_id': '' is not an id of 1 to 512 bytes"),
        (("C7", None, 1.0, 1, "a"), "entity 'C7': column 'event_time': None is not an event time"),
        (("C7", NOW_MS, 1.0, 1, "a" * 65_537), "entity 'C7': column 'city'"),
    ],
)
def test_a_value_that_does_not_fit_is_named_and_nothing_goes_live(
    valkey: Valkey, tmp_path: Path, row: tuple[object, ...], said: str
) -> None:
    source = write_source(tmp_path / "source.parquet", [("C1", NOW_MS, 1.0, 1, "old")])
    materialize(valkey, declare(source), tmp_path)
    write_source(source, [("C1", NOW_MS, 2.0, 1, "new"), row])
    with pytest.raises(HubError) as caught:
        materialize(valkey, declare(source), tmp_path)
    assert said in str(caught.value)
    found = live_row(valkey, declare(source), "C1")
    assert found is not None
    assert found.values[2] == "old"


def test_a_missing_column_and_one_of_another_type_are_named(valkey: Valkey, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.parquet", [("C1", NOW_MS, 1.0, 1, "a")])
    with pytest.raises(HubError, match="the source has no column 'lustrum'"):
        materialize(valkey, declare(source, DECLARED.replace("years", "lustrum")), tmp_path)
    with pytest.raises(HubError, match="column 'city' of the source is VARCHAR, which cannot be int64"):
        materialize(valkey, declare(source, DECLARED.replace("string, default: Bonn", "int64")), tmp_path)


def test_old_rows_are_removed_and_other_views_stay(valkey: Valkey, tmp_path: Path) -> None:
    valkey.do("SET", "f:customer_test_2.1:C1", "of another view")
    declaration = declare(write_source(tmp_path / "source.parquet", [("C1", NOW_MS, 1.0, 1, "a")]))
    for _ in range(3):
        materialize(valkey, declaration, tmp_path)
    keys = sorted(valkey.do("KEYS", "f:*"))
    assert keys == [b"f:@customer_test", b"f:customer_test.4:C1", b"f:customer_test_2.1:C1"]
    assert not list((tmp_path / "staged").glob("*.parquet"))


def test_a_hundred_thousand_entities_take_seconds(valkey: Valkey, tmp_path: Path) -> None:
    declaration = declare(write_many(tmp_path / "source.parquet", 1.0))
    begun = time.monotonic()
    assert materialize(valkey, declaration, tmp_path).entities == MANY
    assert time.monotonic() - begun < 30


def test_a_query_is_a_source(valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'sales.db'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE c (id TEXT, at BIGINT, income REAL, years INTEGER, city TEXT)"))
        connection.execute(text("INSERT INTO c VALUES ('C1', :at, 7.5, 33, NULL)"), {"at": NOW_MS})
    engine.dispose()
    sql = "sql: {url: 'sqlite:///FOLDER/${DATABASE}', query: SELECT * FROM c}, entity: id, event_time: at"
    described = DECLARED.replace("parquet: SOURCE, entity: customer_id, event_time: event_time", sql)
    described = described.replace("FOLDER", str(tmp_path))
    monkeypatch.setenv("DATABASE", "sales.db")
    declaration = declare(tmp_path, described)
    materialize(valkey, declaration, tmp_path)
    assert live_row(valkey, declaration, "C1") == ((7.5, 33, None), NOW_MS)


def test_a_second_run_is_told_who_is_at_work(valkey: Valkey, tmp_path: Path) -> None:
    declaration = declare(write_source(tmp_path / "source.parquet", [("C1", NOW_MS, 1.0, 1, "a")]))
    with (
        Lock(store_of(valkey).client, "customer_test"),
        pytest.raises(HubError, match=f"is being materialised by process {os.getpid()}"),
    ):
        materialize(valkey, declaration, tmp_path)


def test_a_lock_that_somebody_else_took_stops_the_run_that_lost_it(valkey: Valkey) -> None:
    with Lock(store_of(valkey).client, "customer_test") as lock:
        lock.require()
        valkey.do("SET", "features:lock:customer_test", "{}")
        time.sleep(4)  # it is renewed every 2.5 s
        with pytest.raises(HubError, match="the lock of customer_test was lost"):
            lock.require()
    assert valkey.do("GET", "features:lock:customer_test") == b"{}"


def test_a_push_during_a_run_survives_the_flip(valkey: Valkey, tmp_path: Path) -> None:
    declaration = declare(write_source(tmp_path / "source.parquet", [("C1", NOW_MS, 1.0, 1, "source")]))
    format_ = RowFormat(declaration.row_schema)
    rows = {
        "C1": PushedRow("C1", format_.pack((2.0, 2, "pushed"), NOW_MS + 1)),
        "C2": PushedRow("C2", format_.pack((3.0, 3, "pushed"), NOW_MS)),
        "C0": PushedRow("C0", format_.pack((3.0, 3, "earlier"), NOW_MS - 9)),
    }
    store_of(valkey).push([rows["C0"]])

    class Pushing:
        pushed = 0

        def stage(self, words: str) -> None:
            if words == "writing" and not self.pushed:
                self.pushed = store_of(valkey).push([rows["C1"], rows["C2"]])

        def rows(self, done: int, total: int) -> None:
            pass

    progress = Pushing()
    for _ in range(2):  # the second time they are kept offline
        materialize(valkey, declaration, tmp_path, progress=progress)
        assert progress.pushed == 2
        for entity, city in (("C0", "earlier"), ("C1", "pushed"), ("C2", "pushed")):
            row = live_row(valkey, declaration, entity)
            assert row is not None
            assert row.values[2] == city
    assert store_of(valkey).waiting() == 0


def test_an_outdated_push_does_not_win_over_the_source(valkey: Valkey, tmp_path: Path) -> None:
    declaration = declare(write_source(tmp_path / "source.parquet", [("C1", NOW_MS, 1.0, 1, "source")]))
    packed = RowFormat(declaration.row_schema).pack((2.0, 2, "pushed"), NOW_MS - 1)
    store_of(valkey).push([PushedRow("C1", packed)])
    materialize(valkey, declaration, tmp_path)
    row = live_row(valkey, declaration, "C1")
    assert row is not None
    assert row.values[2] == "source"


def test_a_reader_never_meets_a_mix(valkey: Valkey, tmp_path: Path) -> None:
    source = tmp_path / "source.parquet"
    materialize(valkey, declare(write_many(source, 1.0)), tmp_path)
    seen, ended = list[set[object]](), threading.Event()
    format_ = RowFormat(declare(source).row_schema)

    def read() -> None:
        store = store_of(valkey)
        while not ended.is_set():
            data = store.pointer().live
            found = store.read(data, ["C0", f"C{MANY // 2}", f"C{MANY - 1}"])
            seen.append({format_.unpack(row).values[0] if row else "none" for row in found})

    reader = threading.Thread(target=read)
    reader.start()
    materialize(valkey, declare(write_many(source, 2.0)), tmp_path, grace_seconds=0.5)
    ended.set()
    reader.join()
    kinds = [kind for kind, _ in itertools.groupby(seen)]
    assert kinds == [{1.0}, {2.0}]


def test_redis_that_is_full_is_explained_and_what_is_live_stays(tmp_path: Path) -> None:
    source = tmp_path / "source.parquet"
    with running("--maxmemory", "8mb") as valkey:
        small = declare(write_source(source, [("C1", NOW_MS, 1.0, 1, "old")]))
        materialize(valkey, small, tmp_path)
        with pytest.raises(HubError, match=r"Redis is full \(OOM\): raise its `maxmemory`"):
            materialize(valkey, declare(write_many(source, 2.0)), tmp_path)
        row = live_row(valkey, small, "C1")
        assert row is not None
        assert row.values[2] == "old"


RUN = """
import sys
from pathlib import Path
from tests.hub.features.views import declare, materialize
from tests.catalog.valkey import Valkey

class Slow:
    def stage(self, words): pass
    def rows(self, done, total):
        print(done, flush=True)
        if done:
            sys.stdin.readline()

valkey = Valkey()
valkey.port = int(sys.argv[1])
folder = Path(sys.argv[2])
materialize(valkey, declare(folder / "source.parquet"), folder, progress=Slow())
"""


def start_until(valkey: Valkey, folder: Path, done: int) -> subprocess.Popen[str]:
    """Starts a run in a process of its own, which waits when so many rows are written."""
    command = [sys.executable, "-c", RUN, str(valkey.port), str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= done:
            return process
        if int(line):
            process.stdin.write("\n")
            process.stdin.flush()
    raise AssertionError("it ended")


@pytest.mark.parametrize("chunks", [1, 3])
def test_a_run_that_was_killed_left_the_live_rows_alone_and_the_next_one_goes_on(
    valkey: Valkey, tmp_path: Path, chunks: int
) -> None:
    source = tmp_path / "source.parquet"
    declaration = declare(write_many(source, 1.0))
    materialize(valkey, declaration, tmp_path)
    write_many(source, 2.0)
    process = start_until(valkey, tmp_path, chunks * CHUNK_ROWS)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for entity in ("C0", f"C{MANY - 1}"):
        row = live_row(valkey, declaration, entity)
        assert row is not None
        assert row.values[0] == 1.0
    packed = RowFormat(declaration.row_schema).pack((3.0, 3, "pushed"), NOW_MS + 1)
    store_of(valkey).push([PushedRow("C5", packed)])
    assert store_of(valkey).pointer() == Pointer(2, 3)
    result = materialize(valkey, declaration, tmp_path)
    assert (result.data, result.resumed) == (3, chunks * CHUNK_ROWS)
    assert incomes(valkey, declaration, 3) == {2.0, 3.0}
    assert len(valkey.do("KEYS", "f:customer_test.*")) == MANY


def incomes(valkey: Valkey, declaration: Declaration, data: int) -> set[object]:
    format_ = RowFormat(declaration.row_schema)
    found = valkey.do("MGET", *(row_key(declaration.view, data, f"C{index}") for index in range(MANY)))
    return {format_.unpack(row).values[0] for row in found}


def test_a_run_begins_anew_when_the_source_changed_since_one_was_killed(valkey: Valkey, tmp_path: Path) -> None:
    source = tmp_path / "source.parquet"
    declaration = declare(write_many(source, 1.0))
    process = start_until(valkey, tmp_path, CHUNK_ROWS)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    write_source(source, [("C1", NOW_MS, 5.0, 1, "new")])
    result = materialize(valkey, declaration, tmp_path)
    assert (result.data, result.resumed, result.entities) == (3, 0, 1)
    assert valkey.do("KEYS", "f:customer_test.*") == [b"f:customer_test.3:C1"]


def test_rows_of_other_columns_are_no_rows_of_the_view(valkey: Valkey, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.parquet", [("C1", NOW_MS, 1.0, 1, "a")])
    materialize(valkey, declare(source), tmp_path)
    other = declare(source, DECLARED.replace("type: int32", "type: int64"))
    with pytest.raises(CorruptRow):
        live_row(valkey, other, "C1")
    assert replace(materialization(valkey, other, tmp_path)).run().data == 3
    assert live_row(valkey, other, "C1") == ((1.0, 1, "a"), NOW_MS)
