"""How nodes get from old to new is decided before any of them is asked for anything."""

import pytest
from erpml.catalog.v1 import catalog_pb2

from hub.catalog import compose_model
from hub.placement import Placement
from hub.publishing.handover import Handover, NodeStep, plan_handover, plan_node, wanted_on

NAME = "team1_model"
CPU, GPU = catalog_pb2.PLACEMENT_CPU, catalog_pb2.PLACEMENT_GPU


def model_of(number: int, columns: int = 3, placement: Placement = CPU) -> catalog_pb2.Model:
    signature = catalog_pb2.Signature(inputs=[catalog_pb2.Tensor(name="input", datatype="FP64", dims=[columns])])
    return compose_model(NAME, "team1", catalog_pb2.Version(number=number, signature=signature), {}, placement)


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
        (model_of(2, 4), model_of(1), 0, ([1], 0, False)),
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
    handover = plan_handover(new, live, nodes)
    assert (described(handover), handover.first, handover.gap) == expected


def test_what_is_described_meanwhile_has_the_new_placement() -> None:
    assert plan_handover(model_of(2, placement=GPU), model_of(1), 1).described.placement == GPU


ONE, TWO, NONE = frozenset({1}), frozenset({2}), frozenset[int]()


@pytest.mark.parametrize(
    ("wanted", "ready", "expected"),
    [
        ({}, {}, []),
        ({NAME: ONE}, {NAME: ONE}, []),
        ({NAME: ONE}, {}, [NodeStep(NAME, ONE, NONE)]),
        ({NAME: TWO}, {NAME: ONE | TWO}, [NodeStep(NAME, TWO, ONE | TWO)]),
        ({}, {NAME: ONE}, [NodeStep(NAME, NONE, ONE)]),
        ({}, {"theirs": ONE}, []),
    ],
    ids=["nothing", "in line", "lacks", "has too much", "withdrawn", "of others"],
)
def test_a_node_is_brought_in_line(
    wanted: dict[str, frozenset[int]], ready: dict[str, frozenset[int]], expected: list[NodeStep]
) -> None:
    assert plan_node(wanted, ready, {NAME}) == expected


def test_a_step_says_whether_something_is_missing_or_goes() -> None:
    assert [(step.lacks, step.drops) for step in (NodeStep(NAME, ONE, NONE), NodeStep(NAME, ONE, TWO))] == [
        (True, False),
        (True, True),
    ]
    assert (NodeStep(NAME, TWO, ONE | TWO).lacks, NodeStep(NAME, TWO, ONE | TWO).drops) == (False, True)


def test_a_node_serves_the_models_of_its_pools() -> None:
    catalog = catalog_pb2.Catalog(models=[model_of(1), model_of(2, placement=GPU)])
    catalog.models[1].name = "team2_model"
    assert wanted_on(catalog, [CPU]) == {NAME: ONE}
    assert wanted_on(catalog, [GPU]) == {"team2_model": TWO}
    assert wanted_on(catalog, [CPU, GPU]) == {NAME: ONE, "team2_model": TWO}
