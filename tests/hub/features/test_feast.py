"""What Feast 0.67 writes into Redis is read without it; keys and hashes below are copied from one that it filled."""

from collections.abc import Sequence
from pathlib import Path
from struct import pack

import pytest
from gapura_features import Value

from hub.errors import HubError
from hub.features.feast import FeastReader, FeastRow, field_of, read_entity_key
from tests.catalog.valkey import Valkey
from tests.hub.features.views import DECLARED, declare, live_row, materialize

CUSTOMER = b"\x01\0\0\0\x02\0\0\0\x0b\0\0\0customer_id\x02\0\0\0\x02\0\0\0C1"
MERCHANT = b"\x01\0\0\0\x02\0\0\0\x0b\0\0\0merchant_id\x04\0\0\0\x08\0\0\0\xf8\xff\xff\xff\xff\xff\xff\xff"
TIME, TIME_MS = b"\x08\xa0\xcc\xaa\xd8\x06", 1_795_860_000_000
HASH = {
    b"_ts:credit": TIME,
    b"\xc0]\x11x": b"5\0\0\xc0?",
    b"\x1d*\x91(": b")\x9a\x99\x99\x99\x99\x99\xb9?",
    b"\x87\x86\xd6\x13": b"\x18\x03",
    b"b\xf2\x0c(": b" \x81\x80\x80\x80\x80\x80\x80\x10",
    b"\xfbH3\xad": b"8\x01",
    b"|\xe3\x08\x1a": b"\x12\x05K\xc3\xb6ln",
}
FEATURES = ["income", "score", "age", "big", "ok", "city"]
VALUES: list[Value] = [1.5, 0.1, 3, 2**53 + 1, True, "Köln"]


def store(valkey: Valkey, key: bytes, fields: dict[bytes, bytes]) -> None:
    valkey.do("HSET", key, *(part for pair in fields.items() for part in pair))


def read(valkey: Valkey, features: Sequence[str] = FEATURES, join_key: str | None = None) -> list[FeastRow]:
    batches = FeastReader(valkey.url(), "shop_1", "credit", features).batches(join_key)
    return sorted(row for batch in batches for row in batch)


def test_fields_have_the_names_that_feast_gives_them() -> None:
    assert [field_of("credit", feature) for feature in FEATURES] == list(HASH)[1:]


def test_values_of_every_type_are_read(valkey: Valkey) -> None:
    store(valkey, CUSTOMER + b"shop_1", HASH)
    assert read(valkey) == [FeastRow("C1", TIME_MS, VALUES)]


def test_a_value_that_is_empty_or_missing_is_null(valkey: Valkey) -> None:
    store(valkey, CUSTOMER + b"shop_1", {b"_ts:credit": TIME, b"\xc0]\x11x": b""})
    assert read(valkey, ["income", "city"]) == [FeastRow("C1", TIME_MS, [None, None])]


def test_other_views_and_projects_are_left_alone(valkey: Valkey) -> None:
    store(valkey, CUSTOMER + b"shop_1", HASH)
    store(valkey, MERCHANT + b"shop_1", {b"_ts:merchants": TIME})
    store(valkey, CUSTOMER + b"workshop_1", HASH)
    store(valkey, CUSTOMER + b"other", HASH)
    assert [row.entity for row in read(valkey)] == ["C1"]


@pytest.mark.parametrize(
    ("key", "join_key", "entity"),
    [
        (CUSTOMER, None, "C1"),
        (MERCHANT, None, "-8"),
        (MERCHANT, "merchant_id", "-8"),
        (CUSTOMER, "merchant_id", None),
        (b"\x02\0\0\0customer_id\x02\0\0\0\x02\0\0\0C1", None, "C1"),
        (b"\x02\0\0\0customer_id\x02\0\0\0\x02\0\0\0C1", "customer_id", "C1"),
        (b"\x02\0\0\0id\x03\0\0\0\x04\0\0\0\xfe\xff\xff\xff", None, "-2"),
        (CUSTOMER[:-1], None, None),
        (CUSTOMER + b"x", None, None),
        (b"", None, None),
        (b"\xff" * 40, None, None),
    ],
)
def test_entity_keys_of_version_2_and_3_are_read(key: bytes, join_key: str | None, entity: str | None) -> None:
    assert read_entity_key(key, join_key) == entity


def test_of_several_join_keys_the_one_that_is_named_counts() -> None:
    names = [pack("<I", 2) + pack("<I", len(name)) + name for name in (b"customer_id", b"merchant_id")]
    values = [pack("<I", 2) + pack("<I", 2) + b"C1", pack("<I", 4) + pack("<I", 8) + pack("<q", 7)]
    key = pack("<I", 2) + b"".join(names) + b"".join(values)
    assert read_entity_key(key) is None
    assert (read_entity_key(key, "customer_id"), read_entity_key(key, "merchant_id")) == ("C1", "7")


def test_keys_that_cannot_be_read_are_an_error_where_there_are_no_others(valkey: Valkey) -> None:
    store(valkey, b"whatever" + b"shop_1", HASH)
    with pytest.raises(HubError, match="cannot be read: name the one of its join keys"):
        read(valkey)


def test_a_view_is_materialised_from_it(valkey: Valkey, tmp_path: Path) -> None:
    store(valkey, CUSTOMER + b"shop_1", HASH)
    feast = f"feast: {{url: '{valkey.url()}', project: shop_1, view: credit}}"
    text = DECLARED.replace("parquet: SOURCE, entity: customer_id, event_time: event_time", feast)
    declaration = declare(tmp_path, text.replace("from: years", "from: age"))
    assert materialize(valkey, declaration, tmp_path).entities == 1
    assert live_row(valkey, declaration, "C1") == ((1.5, 3, "Köln"), TIME_MS)
