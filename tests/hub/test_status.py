"""`gapura status`: what is live, where, since when and by whom; and what is not, and why."""

import io
import json

import pytest
from rich.console import Console

from hub.errors import HubError
from hub.nodes.fleet import Fleet
from hub.status.survey import survey, survey_from
from hub.status.table import show, to_json
from tests.hub.fake_nodes import FakeNode
from tests.hub.test_publishing import wrong_policy
from tests.hub.test_watch import settings_of
from tests.hub.workplace import Workplace

NAME = "team1_model"


@pytest.fixture
def nodes(workplace: Workplace) -> tuple[FakeNode, FakeNode]:
    return FakeNode("a:1", workplace.repository), FakeNode("b:2", workplace.repository)


def test_a_model_is_shown_with_its_nodes_and_its_proof(workplace: Workplace, nodes: tuple[FakeNode, FakeNode]) -> None:
    for _ in range(2):
        workplace.register(NAME)
        workplace.publish(*nodes)
    workplace.register(NAME)
    nodes[1].down = True
    found = survey(workplace.catalog(), workplace.open_registry().models(), Fleet(nodes))
    (model,) = found.models
    assert (model.wanted, model.live, model.previous) == ({"champion": 3}, {"champion": 2}, 1)
    assert model.nodes == {"a:1": True, "b:2": False}
    assert found.faults == ["node b:2 does not answer"]
    assert model.parity.endswith(" rows")
    page = io.StringIO()
    show(found, Console(file=page, force_terminal=True, width=160))
    assert "2 (wanted: 3)" in page.getvalue()
    assert json.loads(to_json(found))["models"][0]["name"] == NAME


def test_what_was_refused_is_shown_with_the_reason(workplace: Workplace) -> None:
    wrong_policy(workplace)
    workplace.publish()
    found = survey_from(settings_of(workplace), [])
    page = io.StringIO()
    show(found, Console(file=page))
    assert "champion version 1 refused: tag policy.bands is 'low'" in page.getvalue()
    assert "none (wanted: 1)" in page.getvalue()


def test_who_made_a_version_champion_is_shown(workplace: Workplace) -> None:
    for _ in range(2):
        workplace.register(NAME)
    workplace.open_registry().deploy_model("team1", "model", 1, by="ana", reason="better")
    workplace.publish()
    (model,) = survey_from(settings_of(workplace), ["team1/model"]).models
    assert (model.by, model.since[:2]) == ("ana", "20")


def test_who_it_was_is_shown_as_it_was_written(workplace: Workplace) -> None:
    for _ in range(2):
        workplace.register(NAME)
    workplace.open_registry().deploy_model("team1", "model", 1, by="[/b] [red]ana")
    workplace.publish()
    found, lines, table = survey_from(settings_of(workplace), []), io.StringIO(), io.StringIO()
    show(found, Console(file=lines))
    assert lines.getvalue().splitlines()[1].split("\t")[::8] == [NAME, "[/b] [red]ana"]
    show(found, Console(file=table, force_terminal=True, width=200))
    assert "[/b] [red]ana" in table.getvalue()


def test_a_registry_that_is_down_hides_nothing_that_is_live(workplace: Workplace) -> None:
    workplace.register(NAME)
    workplace.publish()
    workplace.database.unlink()
    workplace.database.mkdir()
    found = survey_from(settings_of(workplace), [])
    assert [model.live for model in found.models] == [{"champion": 1}]
    assert len(found.faults) == 1


def test_a_name_that_nobody_has_is_said(workplace: Workplace) -> None:
    with pytest.raises(HubError, match="team9/none: no such model"):
        survey_from(settings_of(workplace), ["team9/none"])
