"""What does not fit its contract never goes live: the gateway's own compiler is asked before the catalog moves."""

from sklearn.linear_model import LogisticRegression

from hub.publication import publish_all
from hub.training.applicants import FEATURES
from tests.hub.test_watch import champion, settings_of
from tests.hub.workplace import Workplace, draw_table

NAME = "team3_credit_scoring"  # which a built-in contract feeds


def register(workplace: Workplace, *, columns: list[str]) -> int:
    table = draw_table().sample(300, random_state=0)
    for position, column in enumerate(columns):
        table[column] = table["income"] * position
    rows = table[columns]
    return workplace.register(NAME, LogisticRegression().fit(rows, table["income"] > 0), rows)


def test_a_version_that_its_contract_does_not_feed_is_refused(workplace: Workplace) -> None:
    settings, said = settings_of(workplace), list[str]()
    register(workplace, columns=list(FEATURES))
    assert publish_all(settings, said.append)
    wrong = register(workplace, columns=[*FEATURES[:-1], "ShoeSize"])
    assert not publish_all(settings, said.append)
    reason = workplace.version_tags(NAME, wrong)["serving.reason"]
    assert reason.startswith("it does not fit its contract: erpml.finance.v1.CreditService.")
    assert "'NumberOfDependents', which is not a column of the model" in reason
    assert champion(workplace) == 1


def test_policy_that_its_contract_cannot_use_is_refused_and_the_version_stays_live(workplace: Workplace) -> None:
    settings = settings_of(workplace)
    register(workplace, columns=list(FEATURES))
    assert publish_all(settings, lambda _: None)
    workplace.client().set_registered_model_tag(NAME, "policy.risk_category", "0.5")
    assert not publish_all(settings, lambda _: None)
    tags = workplace.version_tags(NAME, 1)
    assert tags["serving.status"] == "live"
    assert "risk_category" in tags["serving.reason"]
    assert champion(workplace) == 1
    assert not workplace.catalog().models[0].policy
