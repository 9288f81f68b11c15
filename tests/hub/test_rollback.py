"""`gapura rollback`: back to what answered before, with a reason in the history."""

import pytest

from hub.errors import HubError
from hub.rollback import roll_back
from tests.hub.test_watch import champion, settings_of
from tests.hub.workplace import Workplace

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
