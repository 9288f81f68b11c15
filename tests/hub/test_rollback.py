"""`gapura rollback`: back to what answered before, with a reason in the history."""

import pytest
from sklearn.linear_model import LogisticRegression

from hub.errors import HubError
from hub.rollback import roll_back
from tests.hub.test_watch import FROZEN, champion, settings_of
from tests.hub.workplace import Workplace, draw_table

NAME = "team1_model"


def test_the_version_before_is_live_again_and_may_come_back(workplace: Workplace) -> None:
    for _ in range(2):
        workplace.register(NAME)
        workplace.publish()
    settings, said = settings_of(workplace), list[str]()
    for expected in (1, 2, 1):
        assert roll_back(settings, "team1/model", said.append, by="ana", reason="wrong limits")
        assert champion(workplace) == expected
    assert said[0] == "team1_model version 1 live: champion is version 1 instead of 2"
    assert workplace.champion(NAME).number == 1
    change = [each for each in workplace.open_registry().history.of(NAME) if each.alias == "champion"][-2]
    assert (change.by, change.reason, change.version, change.previous) == ("ana", "wrong limits", 1, 2)


def test_there_may_be_nothing_to_go_back_to(workplace: Workplace) -> None:
    workplace.register(NAME)
    with pytest.raises(HubError, match="team1_model is not live"):
        roll_back(settings_of(workplace), "team1/model", print, by=None, reason="")
    workplace.publish()
    with pytest.raises(HubError, match="version 1 is the first that was live"):
        roll_back(settings_of(workplace), "team1/model", print, by=None, reason="")


def register_wider(workplace: Workplace) -> int:
    """Registers a version with other tensors: the one before cannot stay loaded beside it."""
    table = draw_table().assign(debt=1.0)
    return workplace.register(NAME, LogisticRegression().fit(table, table["income"] > 0), table)


def test_a_version_that_was_only_challenger_is_nothing_to_go_back_to(workplace: Workplace) -> None:
    for _ in range(2):
        workplace.register(NAME)
    workplace.point(NAME, "champion", 1)
    workplace.point(NAME, "challenger", 2)
    workplace.publish()
    register_wider(workplace)
    workplace.publish()
    assert workplace.catalog().models[0].previous_version == 0
    assert roll_back(settings_of(workplace), NAME, print, by=None, reason="")
    assert champion(workplace) == 1


def test_a_challenger_that_waits_for_the_end_of_a_freeze_window_keeps_no_rollback_back(workplace: Workplace) -> None:
    for _ in range(2):
        workplace.register(NAME)
        workplace.publish()
    workplace.point(NAME, "challenger", workplace.register(NAME))
    workplace.point(NAME, "champion", 2)
    (workplace.root / "freeze.yaml").write_text(FROZEN)
    said = list[str]()
    assert roll_back(settings_of(workplace), NAME, said.append, by=None, reason="")
    assert champion(workplace) == 1
    assert [words.partition(":")[0] for words in said] == [f"{NAME} version 3 held", f"{NAME} version 1 live"]


def test_a_version_that_has_to_be_loaded_anew_waits_for_the_end_of_a_freeze_window(workplace: Workplace) -> None:
    workplace.register(NAME)
    workplace.publish()
    register_wider(workplace)
    workplace.publish()
    (workplace.root / "freeze.yaml").write_text(FROZEN)
    assert not roll_back(settings_of(workplace), NAME, print, by=None, reason="")
    assert champion(workplace) == 2
