"""Which calls an experiment takes, and who answers where its arm cannot."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from gateway.experiments import Condition, Halted
from gateway.routing.routes import compile_routes
from gateway.types import Assignment, Shadow
from tests.gateway.models import always
from tests.gateway.routing.models import (
    CHAMPION,
    METHOD,
    NAME,
    TENANT,
    VERSIONS,
    Plain,
    arms_of,
    call_of,
    experiment,
    model_of,
    routes_of,
    slices,
)

WHOLE = slices(challenger=10_000)


def test_without_experiment_the_champion_answers() -> None:
    arm = routes_of().choose(METHOD, {"unit": "u"}, call_of(), TENANT)
    assert (arm.name, arm.experiment, arm.assignment) == ("champion", "", Assignment.CHAMPION)


def test_a_paused_experiment_takes_nothing() -> None:
    paused = experiment(slices=WHOLE, is_running=False)
    assert arms_of(routes_of(paused), ["u"])[0].assignment is Assignment.CHAMPION


def test_the_first_experiment_that_takes_a_call_decides() -> None:
    one, other = experiment("one", tenants=frozenset({"acme"}), slices=WHOLE), experiment("other")
    assert arms_of(routes_of(one, other), ["u"])[0].experiment == "one"
    stranger: Any = SimpleNamespace(name="globex")
    assert routes_of(one, other).choose(METHOD, {"unit": "u"}, call_of(), stranger).experiment == "other"


def test_a_condition_reads_a_field_of_the_request() -> None:
    conditions = (Condition("channel", frozenset({"web", "app"})),)
    routes = routes_of(experiment(slices=WHOLE, conditions=conditions))
    for channel, taken in (("web", "cheaper"), ("app", "cheaper"), ("shop", ""), (None, "")):
        assert routes.choose(METHOD, {"unit": "u", "channel": channel}, call_of(), TENANT).experiment == taken


def test_the_unit_of_the_contract_goes_before_that_of_the_metadata() -> None:
    routes = routes_of(experiment(slices=slices(challenger=5_000)))
    by_contract = arms_of(routes, [f"u{number}" for number in range(100)])
    for number, arm in enumerate(by_contract):
        unit = f"u{number}"
        assert routes.choose(METHOD, {"unit": unit}, call_of(unit="another"), TENANT) == arm
        assert routes.choose(METHOD, {}, call_of(unit=unit), TENANT) == arm


def test_a_call_without_unit_has_an_arm_for_itself_and_says_so() -> None:
    routes = routes_of(experiment(slices=slices(challenger=5_000)))
    arms = [routes.choose(METHOD, {}, call_of(), TENANT) for _ in range(400)]
    assert {arm.assignment for arm in arms} == {Assignment.CALL}
    assert 120 < sum(arm.name == "challenger" for arm in arms) < 280


def test_the_champion_answers_for_an_arm_that_no_node_is_ready_for() -> None:
    routes = routes_of(experiment(slices=WHOLE), ready=lambda asked: asked is CHAMPION.version)
    (arm,) = arms_of(routes, ["u"])
    assert (arm.name, arm.version, arm.experiment) == ("champion", CHAMPION.version, "cheaper")
    assert arm.assignment is Assignment.SUBSTITUTED
    assert [each.name for each in routes.unready()] == ["challenger"]


def test_the_champion_answers_for_an_arm_whose_version_was_left_out() -> None:
    without = model_of(experiment(slices=WHOLE)).without([2])
    (arm,) = arms_of(compile_routes({NAME: without}, always), ["u"])
    assert (arm.name, arm.assignment) == ("champion", Assignment.SUBSTITUTED)


def test_an_arm_at_fault_has_no_share_until_the_experiment_is_another() -> None:
    given = experiment(slices=WHOLE, revision="r1")
    halted = frozenset({Halted(NAME, "cheaper", "challenger", 2, "r1")})
    (arm,) = arms_of(routes_of(given, halted=halted), ["u"])
    assert (arm.name, arm.experiment, arm.assignment) == ("champion", "cheaper", Assignment.UNIT)
    again = experiment(slices=WHOLE, revision="r2")
    assert arms_of(routes_of(again, halted=halted), ["u"])[0].name == "challenger"
    assert arms_of(routes_of(given).with_halted(halted, [NAME]), ["u"])[0].name == "champion"


def test_only_the_champion_has_shadows() -> None:

    shadow = Shadow("shadow", VERSIONS[4], 0.5)
    model = replace(model_of(experiment(slices=slices(challenger=5_000))), shadows=(shadow,))
    arms = arms_of(compile_routes({NAME: model}, always), [f"u{number}" for number in range(50)])
    assert {(arm.name, arm.shadows) for arm in arms} == {("champion", (shadow,)), ("challenger", ())}


@dataclass(frozen=True, slots=True)
class Batched(Plain):
    """A method whose requests are lists of dictionaries."""

    def target(self, request: Any) -> tuple[str, str]:  # noqa: ARG002 - the same for all
        """Names the model."""
        return self.model, ""

    def items(self, request: Any) -> Any:
        """Returns the items."""
        return request


def test_every_item_of_a_batch_has_the_arm_that_it_would_have_by_itself() -> None:
    routes, method = routes_of(experiment(slices=slices(challenger=5_000))), Batched()
    items = [{"unit": f"u{number}"} for number in range(40)]
    parts = routes.divide(method, items, call_of(), TENANT)  # type: ignore[arg-type] # what it needs of one
    assert len(parts) == 2
    for arm, positions in parts:
        for position in positions:
            assert routes.choose(METHOD, items[position], call_of(), TENANT) == arm


def test_items_without_unit_have_one_arm() -> None:
    routes, method = routes_of(experiment(slices=slices(challenger=5_000))), Batched()
    for _ in range(20):
        parts = routes.divide(method, [{}] * 10, call_of(), TENANT)  # type: ignore[arg-type] # as above
        assert [list(positions) for _, positions in parts] == [list(range(10))]
