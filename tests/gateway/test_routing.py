"""Choosing who answers, and Triton's words where nobody does."""

import pytest

from gateway.errors import GatewayError, InvalidRequest, NotFound
from gateway.routing import Routes
from gateway.types import Arm, Model
from tests.gateway.models import version

OLD, NEW = version(number=1), version(number=2)
ROUTES = Routes({"team9_test": Model("team9_test", {1: OLD, 2: NEW}, (Arm("champion", NEW),), {})})


def test_the_champion_answers_unless_a_version_is_pinned() -> None:
    assert ROUTES.choose("team9_test", "") == Arm("champion", NEW)
    assert ROUTES.choose("team9_test", "2") == Arm("champion", NEW)
    assert ROUTES.choose("team9_test", "1") == Arm("pinned", OLD)


@pytest.mark.parametrize("text", ["1", "01", "+1", " 1", "1 ", "1x", "1.5"])
def test_a_number_is_read_as_triton_reads_it(text: str) -> None:
    assert ROUTES.choose("team9_test", text) == Arm("pinned", OLD)


@pytest.mark.parametrize(
    ("model", "pinned", "kind", "message"),
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
    model: str, pinned: str, kind: type[GatewayError], message: str
) -> None:
    with pytest.raises(kind) as refused:
        ROUTES.choose(model, pinned)
    assert message in refused.value.message
