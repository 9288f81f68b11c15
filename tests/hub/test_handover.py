"""How nodes get from old to new is decided before any of them is asked for anything."""

import pytest
from erpml.catalog.v1 import catalog_pb2

from hub.composition import compose_model
from hub.placement import Placement
from hub.publishing.handover import (
    Handover,
    NodeStep,
    conflicting,
    describe_models,
    pending_at,
    plan_handover,
    plan_node,
    seconds_left,
    tolerated_on,
    wanted_on,
)

NAME = "team1_model"
CPU, GPU = catalog_pb2.PLACEMENT_CPU, catalog_pb2.PLACEMENT_GPU


def model_of(number: int, columns: int = 3, placement: Placement = CPU) -> catalog_pb2.Model:
    signature = catalog_pb2.Signature(inputs=[catalog_pb2.Tensor(name="input", datatype="FP64", dims=[columns])])
    version = catalog_pb2.Version(number=number, signature=signature)
    return compose_model(NAME, "team1", {"champion": version}, policy={}, placement=placement)


def retired(number: int, columns: int = 3, placement: Placement = CPU, at: int = 0) -> catalog_pb2.Retirement:
    gone = catalog_pb2.Retirement(model=NAME, version=model_of(number, columns).versions[0], placement=placement)
    gone.retired_at.FromNanoseconds(at)
    return gone


def described(handover: Handover) -> list[int]:
    return [version.number for version in handover.described.versions]


@pytest.mark.parametrize(
    ("new", "live", "nodes", "expected"),
    [
        (model_of(1), None, 2, ([1], 2, False)),
        (model_of(2), model_of(1), 2, ([1, 2], 2, False)),
        (model_of(1), model_of(2), 2, ([1, 2], 2, False)),
        (model_of(1), model_of(1), 2, ([1], 2, False)),
        (model_of(2), model_of(1), 0, ([1, 2], 0, False)),
        (model_of(2, 4), model_of(1), 0, ([2], 0, False)),
        (model_of(2, 4), model_of(1), 1, ([2], 1, True)),
        (model_of(2, 4), model_of(1), 2, ([2], 1, False)),
        (model_of(2, 4), model_of(1), 3, ([2], 1, False)),
        (model_of(2, 4), model_of(1), 5, ([2], 2, False)),
        (model_of(1, placement=GPU), model_of(1), 2, ([1], 2, False)),
        (model_of(2, 4, GPU), model_of(1), 2, ([2], 2, False)),
    ],
    ids=[
        *("first", "next", "back", "again", "no nodes", "other tensors without nodes", "other tensors on one node"),
        *("on two", "on three", "on five", "other nodes", "other tensors on other nodes"),
    ],
)
def test_old_and_new_overlap_where_they_can(
    new: catalog_pb2.Model, live: catalog_pb2.Model | None, nodes: int, expected: tuple[list[int], int, bool]
) -> None:
    handover = plan_handover(new, live, [], nodes)
    assert (described(handover), handover.first, handover.gap) == expected


def test_what_is_described_meanwhile_has_the_new_placement() -> None:
    assert plan_handover(model_of(2, placement=GPU), model_of(1), [], 1).described.placement == GPU


ONE, TWO, NONE = frozenset({1}), frozenset({2}), frozenset[int]()


@pytest.mark.parametrize(
    ("wanted", "tolerated", "ready", "expected"),
    [
        ({}, {}, {}, []),
        ({NAME: ONE}, {}, {NAME: ONE}, []),
        ({NAME: ONE}, {}, {}, [NodeStep(NAME, ONE, lacks=True)]),
        ({NAME: TWO}, {}, {NAME: ONE | TWO}, [NodeStep(NAME, TWO, lacks=False)]),
        ({NAME: TWO}, {NAME: ONE}, {NAME: ONE | TWO}, []),
        ({NAME: TWO}, {NAME: ONE}, {NAME: ONE}, [NodeStep(NAME, TWO, lacks=True)]),
        ({}, {}, {NAME: ONE}, [NodeStep(NAME, NONE, lacks=False)]),
        ({}, {NAME: ONE}, {NAME: ONE}, []),
        ({}, {}, {"theirs": ONE}, []),
    ],
    ids=[
        *("nothing", "in line", "lacks", "has too much", "has what gateways may call", "lacks the new"),
        *("withdrawn", "withdrawn a moment ago", "of others"),
    ],
)
def test_a_node_is_brought_in_line(
    wanted: dict[str, frozenset[int]],
    tolerated: dict[str, frozenset[int]],
    ready: dict[str, frozenset[int]],
    expected: list[NodeStep],
) -> None:
    assert plan_node(wanted, tolerated, ready, {NAME}) == expected


SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("now", "expected"),
    [(10 * SECOND, 5.0), (12 * SECOND, 3.0), (15 * SECOND, 0.0), (99 * SECOND, 0.0), (3 * SECOND, 5.0)],
    ids=["at once", "later", "in time", "long ago", "the clock was set back"],
)
def test_gateways_get_their_time(now: int, expected: float) -> None:
    gone = retired(1, at=10 * SECOND)
    assert max(seconds_left([gone], now, 5.0), 0.0) == expected
    assert bool(pending_at(catalog_pb2.Catalog(retirements=[gone]), now, 5.0)) == (expected > 0)


def test_what_gateways_may_still_call_stays_described_where_one_configuration_can() -> None:
    catalog = catalog_pb2.Catalog(models=[model_of(3)])
    pending = [retired(2), retired(1, columns=4)]
    assert [version.number for version in describe_models(catalog, pending)[NAME].versions] == [2, 3]
    assert conflicting(catalog, pending) == [pending[1]]
    assert conflicting(catalog, [retired(1, columns=4, placement=GPU)]) == []
    assert tolerated_on(pending, [CPU]) == {NAME: ONE | TWO}
    assert tolerated_on(pending, [GPU]) == {}


def test_a_node_serves_the_models_of_its_pools() -> None:
    catalog = catalog_pb2.Catalog(models=[model_of(1), model_of(2, placement=GPU)])
    catalog.models[1].name = "team2_model"
    assert wanted_on(catalog, [CPU]) == {NAME: ONE}
    assert wanted_on(catalog, [GPU]) == {"team2_model": TWO}
    assert wanted_on(catalog, [CPU, GPU]) == {NAME: ONE, "team2_model": TWO}
