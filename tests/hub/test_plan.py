"""The plan is a function of the registry, the catalog and what is on disk."""

from typing import Any

import pytest
from erpml.catalog.v1 import catalog_pb2

from hub.composition import compose_model
from hub.placement import Placement
from hub.publishing.plan import Change, Hold, Keep, Refuse, Step, Withdraw, plan_steps
from hub.registry.records import RegisteredModel, RegisteredVersion

NAME = "team1_model"
CPU, GPU = catalog_pb2.PLACEMENT_CPU, catalog_pb2.PLACEMENT_GPU


def version_of(number: int, source: str | None = None, name: str = NAME) -> RegisteredVersion:
    return RegisteredVersion(
        name, "team1", number, "run", f"models:/{name}/{number}", source or f"models:/m-{number}", {}
    )


def registered(
    *numbers: int,
    source: str | None = None,
    name: str = NAME,
    policy: str | None = None,
    placement: str | None = None,
) -> RegisteredModel:
    """A model whose champion, challenger and shadow are these versions, in that order."""
    written = {"policy.bands": policy, "placement": placement}
    tags = {key: text for key, text in written.items() if text is not None}
    aliases = zip(("champion", "challenger", "shadow"), numbers, strict=False)
    return RegisteredModel(
        name, "team1", tags, {alias: version_of(number, source, name) for alias, number in aliases}, {}
    )


def live(*numbers: int, team: str = "team1", previous: int = 0) -> catalog_pb2.Catalog:
    """A catalog in which champion, challenger and shadow are these versions, in that order."""
    versions = [
        catalog_pb2.Version(number=number, source=f"models:/m-{number}", sha256="d") for number in (*numbers, previous)
    ]
    arms = dict(zip(("champion", "challenger", "shadow"), versions[:-1], strict=False))
    before = versions[-1] if previous else None
    models = [compose_model(NAME, team, arms, policy={}, previous=before)] if numbers else []
    return catalog_pb2.Catalog(generation=1, models=models)


def change(model: RegisteredModel, *arms: str, **options: Any) -> Change:
    return Change(model, options.get("policy", {}), options.get("placement", CPU), arms)


MOVED = registered(1, source="models:/m-9")


@pytest.mark.parametrize(
    ("model", "catalog", "intact", "expected"),
    [
        (None, live(), True, []),
        (registered(), live(), True, []),
        (registered(), live(1), True, [Withdraw(registered())]),
        (None, live(1), True, [Hold(NAME)]),
        (registered(1), live(), True, [change(registered(1), "champion")]),
        (registered(1), live(1), True, [Keep(registered(1))]),
        (registered(1), live(1), False, [change(registered(1), "champion")]),
        (registered(2), live(1), True, [change(registered(2), "champion")]),
        (registered(2), live(2, previous=1), True, [Keep(registered(2))]),
        (registered(1), live(2, previous=1), True, [change(registered(1))]),
        (registered(1, 2), live(1), True, [change(registered(1, 2), "challenger")]),
        (registered(1, 2, 3), live(), True, [change(registered(1, 2, 3), "champion", "challenger", "shadow")]),
        (registered(1), live(1, 2), True, [change(registered(1))]),
        (registered(1, 1), live(1), True, [change(registered(1, 1))]),
        (MOVED, live(1), True, [change(MOVED, "champion")]),
        (registered(1), live(1, team="old"), True, [change(registered(1))]),
        (registered(1, policy="1,2"), live(1), True, [change(registered(1, policy="1,2"), policy={"bands": (1, 2)})]),
    ],
    ids=[
        *("nothing", "no alias", "alias removed", "unknown", "new", "unchanged", "damaged", "next version"),
        *("with the one before", "rolled back", "challenger", "three arms", "challenger gone", "two aliases of one"),
        *("other source", "team changed", "policy changed"),
    ],
)
def test_plan(
    model: RegisteredModel | None, catalog: catalog_pb2.Catalog, *, intact: bool, expected: list[Step]
) -> None:
    assert plan_steps({NAME: model} if model else {}, catalog, lambda _name, _version: intact, ()) == expected


@pytest.mark.parametrize("text", ["", "a", "1;2", "1,,2", "nan", "1,inf"])
def test_a_policy_that_is_no_list_of_numbers_is_refused(text: str) -> None:
    (step,) = plan_steps({NAME: registered(1, policy=text)}, live(1), lambda *_: True, ())
    assert isinstance(step, Refuse)
    assert "policy.bands" in step.reason


@pytest.mark.parametrize("name", ["..", "a b", ".hidden", "a/../b", "ünsafe", "x" * 201])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    (step,) = plan_steps({name: registered(1, name=name)}, live(), lambda *_: True, ())
    assert isinstance(step, Refuse)


ON_GPU = registered(1, placement="gpu")


@pytest.mark.parametrize(
    ("model", "pools", "expected"),
    [
        (registered(1, placement="cpu"), {CPU, GPU}, Keep(registered(1, placement="cpu"))),
        (ON_GPU, {CPU, GPU}, change(ON_GPU, "champion", placement=GPU)),
        (ON_GPU, set(), change(ON_GPU, placement=GPU)),
        (registered(2, placement="gpu"), {GPU}, change(registered(2, placement="gpu"), "champion", placement=GPU)),
    ],
    ids=["said as it is", "other nodes", "no nodes", "new version"],
)
def test_a_placement_says_which_nodes_serve(model: RegisteredModel, pools: set[Placement], expected: Step) -> None:
    assert plan_steps({NAME: model}, live(1), lambda *_: True, pools) == [expected]


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
    on = registered(1, placement=tag)
    assert plan_steps({NAME: on}, live(), lambda *_: True, pools) == [Refuse(on, version_of(1), reason)]


def test_a_catalog_that_says_nothing_means_cpu() -> None:
    older = live(1)
    older.models[0].placement = catalog_pb2.PLACEMENT_UNSPECIFIED
    assert plan_steps({NAME: registered(1)}, older, lambda *_: True, {CPU}) == [change(registered(1))]


def test_models_come_in_the_order_of_their_names() -> None:
    names = ["team2_b", "team1_c", "team1_a"]
    steps = plan_steps({name: registered(1, name=name) for name in names}, live(), lambda *_: True, ())
    assert [step.model.name for step in steps if isinstance(step, Change)] == sorted(names)


def test_a_catalog_of_an_earlier_release_is_understood() -> None:
    at = registered(1, source="hdfs://user@host/model")
    catalog = live(1)
    catalog.models[0].versions[0].source = "hdfs://user@host/model@sha256:abc"
    assert plan_steps({NAME: at}, catalog, lambda _name, _version: True, ()) == [Keep(at)]
