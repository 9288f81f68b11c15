"""Choosing who answers, and Triton's words where nobody does."""

import pytest

from gateway.errors import GatewayError, InvalidRequest, NotFound
from gateway.routing.routes import compile_routes
from gateway.types import Arm, Assignment, Model, Shadow
from tests.gateway.models import always, version
from tests.gateway.routing.models import METHOD, TENANT, call_of

OLD, NEW, NEXT, SEEN = (version(number=number) for number in (1, 2, 3, 4))
ARMS = (Arm("champion", NEW), Arm("challenger", NEXT))
VERSIONS = {each.number: each for each in (OLD, NEW, NEXT, SEEN)}
MODEL = Model("team9_test", VERSIONS, ARMS, {}, shadows=(Shadow("shadow", SEEN),))
ROUTES = compile_routes({"team9_test": MODEL}, always)


def pinned(name: str, number: int) -> Arm:
    """Returns who answers a pin."""
    return Arm(name, VERSIONS[number], assignment=Assignment.PINNED)


def test_the_champion_answers_unless_a_version_is_pinned() -> None:
    assert ROUTES.pinned("team9_test", "") == Arm("champion", NEW, shadows=MODEL.shadows)
    assert ROUTES.pinned("team9_test", "2") == pinned("champion", 2)
    assert ROUTES.pinned("team9_test", "1") == pinned("pinned", 1)


@pytest.mark.parametrize(
    ("pin", "name", "number"),
    [("challenger", "challenger", 3), ("3", "challenger", 3), ("shadow", "shadow", 4), ("1", "pinned", 1)],
)
def test_metadata_pin_an_arm_or_a_version(pin: str, name: str, number: int) -> None:
    assert ROUTES.choose(METHOD, {}, call_of(pin=pin), TENANT) == pinned(name, number)


def test_the_version_of_a_request_goes_before_the_pin_of_its_metadata() -> None:
    assert ROUTES.choose(METHOD, {"version": "1"}, call_of(pin="challenger"), TENANT) == pinned("pinned", 1)


@pytest.mark.parametrize("pin", ["nope", "9", "-1", "²", "9" * 5000])
def test_a_pin_of_what_is_not_live_is_refused(pin: str) -> None:
    with pytest.raises(NotFound) as refused:
        ROUTES.choose(METHOD, {}, call_of(pin=pin), TENANT)
    assert f"'{pin[:100]}'" in refused.value.message


@pytest.mark.parametrize("text", ["1", "01", "+1", " 1", "1 ", "1x", "1.5"])
def test_a_number_is_read_as_triton_reads_it(text: str) -> None:
    assert ROUTES.pinned("team9_test", text) == pinned("pinned", 1)


@pytest.mark.parametrize(
    ("model", "version_text", "kind", "message"),
    [
        ("nope", "", NotFound, "Request for unknown model: 'nope' is not found"),
        ("team9_test", "7", NotFound, "Request for unknown model: 'team9_test' version 7 is not found"),
        ("team9_test", "abc", InvalidRequest, "failed to get model version from specified version string 'abc'"),
        ("nope", "abc", InvalidRequest, "failed to get model version from specified version string 'abc'"),
        ("team9_test", "0", NotFound, "Request for unknown model: 'team9_test' version 0 is not found"),
        ("team9_test", "-1", InvalidRequest, "invalid model version specified '-1' , version should be"),
        ("team9_test", str(2**63), InvalidRequest, "(details: stol), version should be an integral value > 0"),
        ("team9_test", str(2**63 - 1), NotFound, "version 9223372036854775807 is not found"),
        ("team9_test", "9" * 5000, InvalidRequest, "version should be an integral value > 0"),
    ],
)
def test_a_model_or_version_that_is_not_live_is_refused(
    model: str, version_text: str, kind: type[GatewayError], message: str
) -> None:
    with pytest.raises(kind) as refused:
        ROUTES.pinned(model, version_text)
    assert message in refused.value.message
