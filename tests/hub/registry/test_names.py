"""Names and weights: what people may write, and what is kept."""

import pytest

from hub.errors import HubError
from hub.registry.names import compose_name, split_name
from hub.registry.weights import format_weight


@pytest.mark.parametrize("name", ["team3/credit_scoring", "team3_credit_scoring"])
def test_a_name_may_be_written_in_two_ways(name: str) -> None:
    assert split_name(name) == ("team3", "credit_scoring")


def test_a_team_with_an_underscore_would_be_another_team() -> None:
    with pytest.raises(HubError, match="'team_3' is no team: write letters, digits, '-' and '.', such as team3"):
        compose_name("team_3", "credit")


@pytest.mark.parametrize("model", ["", "a b", "a/b", "_a", "ä"])
def test_a_model_has_letters_that_a_folder_may_have(model: str) -> None:
    with pytest.raises(HubError, match="is no model: write letters, digits"):
        compose_name("team3", model)


def test_a_name_without_a_team_says_how_to_write_it() -> None:
    with pytest.raises(HubError, match="'credit' is no model: write TEAM/MODEL, such as team3/credit_scoring"):
        split_name("credit")


@pytest.mark.parametrize(
    ("weight", "text"), [(0, "0"), (0.01, "0.01"), (0.1 + 0.2, "0.3"), (12.34, "12.34"), (99.99, "99.99"), (100, "100")]
)
def test_a_weight_is_written_in_hundredths_of_a_percent(weight: float, text: str) -> None:
    assert format_weight(weight) == text


@pytest.mark.parametrize("weight", [-0.01, 0.001, 33.333, 100.01, float("nan"), float("inf")])
def test_a_weight_between_steps_or_beyond_the_whole_is_refused(weight: float) -> None:
    with pytest.raises(HubError, match="is not possible: give a percentage from 0 to 100 in steps of 0.01"):
        format_weight(weight)
