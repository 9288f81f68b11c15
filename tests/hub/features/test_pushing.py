"""Pushed rows are live at once, unless a later one is, and none that is not valid gets through."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from gapura_features import Pointer, row_key

from hub.features.pushing import Pushed, RowReader, push, read_lines, read_parquet
from tests.catalog.valkey import Valkey
from tests.hub.features.views import DECLARED, NOW_MS, declare, live_row, store_of

VIEW = declare(Path("nowhere"))


def reader() -> RowReader:
    return RowReader(VIEW.row_schema, lambda: NOW_MS)


def push_lines(valkey: Valkey, *lines: str) -> tuple[Pushed, list[str]]:
    said = list[str]()
    return push(store_of(valkey), reader(), read_lines(lines), said.append), said


def test_a_later_row_wins_and_an_earlier_one_is_counted_as_outdated(valkey: Valkey) -> None:
    row = '{"entity": "C1", "event_time": %d, "income": 1.5, "age": 3, "city": "Köln"}'
    counts, said = push_lines(valkey, row % NOW_MS, row % (NOW_MS - 1), row % NOW_MS)
    assert (counts, said) == (Pushed(written=2, outdated=1), [])
    assert live_row(valkey, VIEW, "C1") == ((1.5, 3, "Köln"), NOW_MS)
    assert store_of(valkey).waiting() == 3


def test_a_row_without_a_time_is_of_now(valkey: Valkey) -> None:
    push_lines(valkey, '{"entity": 17, "income": null, "age": null, "city": null}')
    assert live_row(valkey, VIEW, "17") == ((None, None, None), NOW_MS)


def test_rows_that_are_not_valid_are_told_by_line_and_left_out(valkey: Valkey) -> None:
    counts, said = push_lines(
        valkey,
        '{"entity": "C1", "income": 1, "age": 3, "city": ""}',
        "",
        "{",
        "[]",
        '{"entity": "C2", "income": 1, "age": 3}',
        '{"entity": "C2", "income": 1, "age": 3, "city": "", "size": 4}',
        '{"entity": "C2", "income": 1, "age": 3.5, "city": ""}',
        '{"entity": "", "income": 1, "age": 3, "city": ""}',
        '{"entity": "C2", "event_time": "2126-01-01", "income": 1, "age": 3, "city": ""}',
        '{"entity": "C2", "event_time": "soon", "income": 1, "age": 3, "city": ""}',
    )
    assert counts == Pushed(written=1, refused=8)
    assert [words.partition(":")[0] for words in said] == [f"line {number}" for number in range(3, 11)]
    assert "city: is missing; write null" in said[2]
    assert "size: is no column of the view" in said[3]
    assert "age: must be an integer of 32 bits, got 3.5" in said[4]
    assert "event_time: must be at most a minute in the future" in said[6]
    assert live_row(valkey, VIEW, "C2") is None


def test_rows_go_to_the_data_that_is_being_made_too(valkey: Valkey) -> None:
    store_of(valkey).point(Pointer(4, 5))
    counts, _ = push_lines(valkey, '{"entity": "C1", "income": 1, "age": 3, "city": ""}')
    assert counts == Pushed(written=1)
    assert valkey.do("GET", row_key("customer_test", 5, "C1")) == valkey.do("GET", row_key("customer_test", 4, "C1"))


def test_parquet_is_pushed_in_batches(valkey: Valkey, tmp_path: Path) -> None:
    rows = 1_203
    times = pa.array([NOW_MS] * rows, pa.timestamp("ms", tz="Europe/Berlin"))
    columns = {"entity": [f"C{index}" for index in range(rows)], "event_time": times, "income": [0.5] * rows}
    pq.write_table(pa.table(columns | {"age": list(range(rows)), "city": ["x"] * rows}), tmp_path / "rows.parquet")
    counts = push(store_of(valkey), reader(), read_parquet(tmp_path / "rows.parquet"), print)
    assert counts == Pushed(written=rows)
    assert live_row(valkey, VIEW, "C1202") == ((0.5, 1202, "x"), NOW_MS)


def test_bytes_come_as_base64(valkey: Valkey) -> None:
    view = declare(Path("nowhere"), DECLARED.replace("string, default: Bonn", "bytes"))
    lines = [
        '{"entity": "C1", "income": 1, "age": 3, "city": "AAH/"}',
        '{"entity": "C2", "income": 1, "age": 3, "city": "?"}',
    ]
    said = list[str]()
    push(store_of(valkey), RowReader(view.row_schema, lambda: NOW_MS), read_lines(lines), said.append)
    assert said == ["line 2: city: must be base64, got '?'"]
    assert live_row(valkey, view, "C1") == ((1.0, 3, b"\x00\x01\xff"), NOW_MS)
