"""A schema is read from its declaration, and its hash tells rows of other columns."""

import pytest
from erpml.types.v1 import feature_view_pb2
from gapura_features.keys import is_entity, pointer_key, row_key, row_prefix
from gapura_features.pointer import Pointer
from gapura_features.schema import BadValue, Column, FeatureType, Schema, Value, message_of, value_of


def test_types_are_those_of_the_contract() -> None:
    declared = dict(feature_view_pb2.FeatureType.items())
    assert {f"FEATURE_TYPE_{type_.name}": int(type_) for type_ in FeatureType} | {
        "FEATURE_TYPE_UNSPECIFIED": 0
    } == declared


def test_a_declared_view_is_read() -> None:
    view = feature_view_pb2.FeatureView(name="v")
    view.columns.add(
        name="a", type=feature_view_pb2.FEATURE_TYPE_FLOAT32, default_value=message_of(FeatureType.FLOAT32, 1)
    )
    view.columns.add(name="b", type=feature_view_pb2.FEATURE_TYPE_STRING)
    assert Schema.read(view).columns == (Column("a", FeatureType.FLOAT32, 1.0), Column("b", FeatureType.STRING))


def test_a_default_has_to_fit() -> None:
    view = feature_view_pb2.FeatureView(name="v")
    view.columns.add(
        name="a", type=feature_view_pb2.FEATURE_TYPE_INT32, default_value=message_of(FeatureType.STRING, "x")
    )
    with pytest.raises(BadValue, match="a: must be an integer of 32 bits, got 'x'"):
        Schema.read(view)


def test_a_column_without_a_type_is_refused() -> None:
    view = feature_view_pb2.FeatureView(name="v")
    view.columns.add(name="a")
    with pytest.raises(ValueError, match="0 is not a valid FeatureType"):
        Schema.read(view)


def test_names_types_and_order_make_the_hash_and_defaults_do_not() -> None:
    one, two = Column("a", FeatureType.INT32), Column("b", FeatureType.INT32)
    hashes = [
        Schema.of(columns).hash
        for columns in ([one, two], [two, one], [one], [Column("a", FeatureType.INT64), two], [Column("ab", one.type)])
    ]
    assert len(set(hashes)) == len(hashes)
    assert Schema.of([Column("a", FeatureType.INT32, 7)]).hash == Schema.of([one]).hash


@pytest.mark.parametrize(
    ("type_", "value"),
    [(FeatureType.FLOAT64, 0.0), (FeatureType.INT64, 2**53 + 1), (FeatureType.BOOL, False), (FeatureType.STRING, ""),
     (FeatureType.BYTES, b"\xff"), (FeatureType.INT32, None)],
)  # fmt: skip
def test_a_value_is_the_same_after_its_message(type_: FeatureType, value: Value) -> None:
    assert value_of(message_of(type_, value)) == value


def test_keys_are_the_documented_ones() -> None:
    assert row_key("customer", 3, "c:1") == row_prefix("customer", 3) + "c:1" == "f:customer.3:c:1"
    assert pointer_key("customer") == "f:@customer"


@pytest.mark.parametrize(
    ("entity", "fits"), [("c", True), ("", False), ("ä" * 256, True), ("ä" * 257, False), ("\ud800", False)]
)
def test_an_entity_has_1_to_512_bytes(entity: str, *, fits: bool) -> None:
    assert is_entity(entity) is fits


def test_a_pointer_is_read_as_it_was_written() -> None:
    for pointer in (Pointer(), Pointer(7), Pointer(7, 8)):
        assert Pointer.read(pointer.write()) == pointer
    assert Pointer.read(None) == Pointer(1)
    assert (Pointer(7).targets(), Pointer(7, 8).targets()) == ((7,), (7, 8))


@pytest.mark.parametrize(
    "content", ["", "7", "[]", "{}", '{"live": "x"}', '{"live": true}', '{"live": 1, "building": 1.5}']
)
def test_what_is_no_pointer_is_told(content: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - JSON has an error of its own
        Pointer.read(content)
