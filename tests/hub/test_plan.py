"""The plan is a function of the registry, the catalog and what is on disk."""

from collections.abc import Mapping

import pytest
from erpml.catalog.v1 import catalog_pb2

from hub.catalog import compose_model
from hub.champion import Champion
from hub.placement import Placement
from hub.publishing.plan import Convert, Describe, Hold, Keep, Move, Refuse, Step, Withdraw, plan_steps

NAME = "team1_model"
CPU, GPU = catalog_pb2.PLACEMENT_CPU, catalog_pb2.PLACEMENT_GPU


def champion(
    version: int = 1,
    source: str = "models:/m-1",
    name: str = NAME,
    policy: str | None = None,
    placement: str | None = None,
) -> Champion:
    written = {"policy.bands": policy, "placement": placement}
    tags = {key: text for key, text in written.items() if text is not None}
    return Champion(name, "team1", version, "run", f"models:/{name}/{version}", source, tags)


def live(*numbers: int, team: str = "team1") -> catalog_pb2.Catalog:
    models = [
        compose_model(
            NAME, team, catalog_pb2.Version(number=number, source=f"models:/m-{number}@sha256:abc", sha256="d"), {}
        )
        for number in numbers
    ]
    return catalog_pb2.Catalog(generation=1, models=models)


@pytest.mark.parametrize(
    ("champions", "catalog", "intact", "expected"),
    [
        ({}, live(), True, []),
        ({NAME: None}, live(), True, []),
        ({NAME: None}, live(1), True, [Withdraw(NAME)]),
        ({}, live(1), True, [Hold(NAME)]),
        ({NAME: champion()}, live(), True, [Convert(champion(), {}, CPU, displaces=False)]),
        ({NAME: champion()}, live(1), True, [Keep(champion())]),
        ({NAME: champion()}, live(1), False, [Convert(champion(), {}, CPU, displaces=False)]),
        (
            {NAME: champion(2, "models:/m-2")},
            live(1),
            True,
            [Convert(champion(2, "models:/m-2"), {}, CPU, displaces=False)],
        ),
        (
            {NAME: champion(1, "models:/m-9")},
            live(1),
            True,
            [Convert(champion(1, "models:/m-9"), {}, CPU, displaces=True)],
        ),
        (
            {NAME: champion(1, "models:/m-9")},
            live(1),
            False,
            [Convert(champion(1, "models:/m-9"), {}, CPU, displaces=False)],
        ),
        ({NAME: champion()}, live(1, team="old"), True, [Describe(champion(), {}, CPU)]),
        ({NAME: champion(policy="1,2")}, live(1), True, [Describe(champion(policy="1,2"), {"bands": (1.0, 2.0)}, CPU)]),
    ],
    ids=[
        *("nothing", "no alias", "alias removed", "unknown", "new", "unchanged", "damaged", "next version"),
        *("other source", "other source, damaged", "team changed", "policy changed"),
    ],
)
def test_plan(
    champions: Mapping[str, Champion | None], catalog: catalog_pb2.Catalog, *, intact: bool, expected: list[Step]
) -> None:
    assert plan_steps(champions, catalog, lambda _name, _version: intact, ()) == expected


@pytest.mark.parametrize("text", ["", "a", "1;2", "1,,2", "nan", "1,inf"])
def test_a_policy_that_is_no_list_of_numbers_is_refused(text: str) -> None:
    (step,) = plan_steps({NAME: champion(policy=text)}, live(1), lambda *_: True, ())
    assert isinstance(step, Refuse)
    assert "policy.bands" in step.reason


@pytest.mark.parametrize("name", ["..", "a b", ".hidden", "a/../b", "ünsafe", "x" * 201])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    (step,) = plan_steps({name: champion(name=name)}, live(), lambda *_: True, ())
    assert isinstance(step, Refuse)


ON_GPU = champion(placement="gpu")


@pytest.mark.parametrize(
    ("champions", "pools", "expected"),
    [
        (champion(placement="cpu"), {CPU, GPU}, Keep(champion(placement="cpu"))),
        (ON_GPU, {CPU, GPU}, Move(ON_GPU, {}, GPU)),
        (ON_GPU, set(), Describe(ON_GPU, {}, GPU)),
        (champion(2, "models:/m-2", placement="gpu"), {GPU}, None),
    ],
    ids=["said as it is", "other nodes", "no nodes", "new version"],
)
def test_a_placement_says_which_nodes_serve(champions: Champion, pools: set[Placement], expected: Step | None) -> None:
    (step,) = plan_steps({NAME: champions}, live(1), lambda *_: True, pools)
    assert step == (expected or Convert(champions, {}, GPU, displaces=False))


@pytest.mark.parametrize(
    ("tag", "pools", "reason"),
    [
        ("tpu", set(), "tag placement is 'tpu': write cpu or gpu"),
        ("GPU", {GPU}, "tag placement is 'GPU': write cpu or gpu"),
        ("gpu", {CPU}, "there are no nodes of its placement: name some in GAPURA_GPU_NODES"),
        ("cpu", {GPU}, "there are no nodes of its placement: name some in GAPURA_NODES"),
    ],
)
def test_a_placement_without_nodes_is_refused(tag: str, pools: set[Placement], reason: str) -> None:
    on = champion(placement=tag)
    assert plan_steps({NAME: on}, live(), lambda *_: True, pools) == [Refuse(on, reason)]


def test_a_catalog_that_says_nothing_means_cpu() -> None:
    older = live(1)
    older.models[0].placement = catalog_pb2.PLACEMENT_UNSPECIFIED
    assert plan_steps({NAME: champion()}, older, lambda *_: True, {CPU}) == [Describe(champion(), {}, CPU)]


def test_models_come_in_the_order_of_their_names() -> None:
    names = ["team2_b", "team1_c", "team1_a"]
    steps = plan_steps({name: champion(name=name) for name in names}, live(), lambda *_: True, ())
    assert [step.champion.name for step in steps if isinstance(step, Convert)] == sorted(names)


def test_a_source_may_contain_an_at_sign() -> None:
    at = champion(source="hdfs://user@host/model")
    catalog = live(1)
    catalog.models[0].versions[0].source = f"{at.source}@sha256:abc"
    assert plan_steps({NAME: at}, catalog, lambda _name, _version: True, ()) == [Keep(at)]
