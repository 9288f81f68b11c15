"""What is judged: what an arm did since it was watched in its present version and revision, and once only."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.experiments import Experiment
from gateway.guard.orders import charges_of, read_charges, write_charges
from gateway.guard.verdicts import halted_of, path_of, read_folder
from gateway.guard.watchman import MOMENT_SECONDS, Verdict, Watchman
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.sheet import open_sheet
from gateway.telemetry.trials import Trials
from gateway.types import Arm, Model
from tests.gateway.guard.arms import Behaviour
from tests.gateway.guard.models import TRIAL, calling, halted, model, version

LIVE = model("team_model", TRIAL)
FAULTY = {"champion": Behaviour(400), "challenger": Behaviour(200, errors=0.3)}


class Watch:
    """A watchman whose time passes as tests let it.

    Args:
        folder: Of everything.
        live: The model.
    """

    def __init__(self, folder: Path, live: Model = LIVE) -> None:
        self.passed: list[Verdict] = []
        self.voided: list[Verdict] = []
        self.folder = folder / "verdicts"
        self._folder = folder
        self._now = 0.0
        self.watchman = Watchman(folder, self.folder, self.passed.append, self.voided.append)
        self.take(live)

    def take(self, live: Model) -> None:
        """Has a model watched."""
        self.watchman.take(charges_of({live.name: live}))

    def come(self, come: Callable[[float], None], seconds: float = 8.0) -> None:
        """Lets calls come, and looks as often as it is time to."""
        for _ in range(round(seconds / MOMENT_SECONDS)):
            self.look()
            come(MOMENT_SECONDS)
        self.look()

    def look(self) -> None:
        """Looks."""
        self._now += MOMENT_SECONDS
        self.watchman.look(self._now)

    def written(self) -> list[Verdict]:
        """Returns the verdicts in files."""
        return [verdict for _, verdict in read_folder(self.folder, lambda *_: None)]


@pytest.fixture
def trials(tmp_path: Path) -> Trials:
    """Counts calls of this process."""
    return Trials(Instruments(open_sheet(tmp_path, "gateway")))


def test_a_verdict_says_of_what_it_is_and_why(tmp_path: Path, trials: Trials) -> None:
    watch = Watch(tmp_path)
    with capture_logs() as logs:
        watch.come(calling(trials, LIVE, FAULTY))
    assert watch.written() == watch.passed
    (verdict,) = watch.passed
    assert halted_of(verdict) == halted()
    assert verdict.reason.startswith("error_rate: within ")
    assert [(entry["log_level"], entry["guardrail"], entry["arm"]) for entry in logs] == [
        ("error", "error_rate", "challenger")
    ]


def test_what_happened_before_an_arm_was_watched_is_not_judged(tmp_path: Path, trials: Trials) -> None:
    calling(trials, LIVE, FAULTY)(10.0)
    watch = Watch(tmp_path)
    watch.come(calling(trials, LIVE, {"champion": Behaviour(400), "challenger": Behaviour(200)}))
    assert watch.passed == []


@pytest.mark.parametrize("change", ["revision", "version", "champion"])
def test_a_window_begins_anew_when_something_else_is_compared(change: str, tmp_path: Path, trials: Trials) -> None:
    watch = Watch(tmp_path)
    few = {"champion": Behaviour(40), "challenger": Behaviour(20, errors=1.0)}
    for number in range(10):
        watch.take(changed(change, number))
        watch.come(calling(trials, LIVE, few), seconds=2.0)
    assert watch.passed == []
    watch.come(calling(trials, changed(change, number), few), seconds=8.0)
    assert len(watch.passed) == 1


def test_a_window_goes_on_when_another_model_changes(tmp_path: Path, trials: Trials) -> None:
    watch, come = Watch(tmp_path), calling(trials, LIVE, FAULTY)
    for number in range(16):
        other = model("other", replace(TRIAL, revision=f"r{number}"))
        watch.watchman.take(charges_of({"team_model": LIVE, "other": other}))
        watch.come(come, seconds=0.5)
    assert len(watch.passed) == 1


def changed(what: str, number: int) -> Model:
    """Returns the model, after something has changed so many times."""
    if what == "revision":
        return model("team_model", replace(TRIAL, revision=f"r{number}"))
    champion, challenger = LIVE.arms
    changing = version("team_model", 10 + number)
    arms = (
        (replace(champion, version=changing), challenger)
        if what == "champion"
        else (champion, Arm("challenger", changing))
    )
    return replace(LIVE, arms=arms, versions={arm.version.number: arm.version for arm in arms})


def test_an_arm_is_judged_once_until_the_experiment_has_another_revision(tmp_path: Path, trials: Trials) -> None:
    watch, come = Watch(tmp_path), calling(trials, LIVE, FAULTY)
    watch.come(come)
    path_of(watch.folder, halted()).unlink()  # the hub has heard of it; its catalog is on its way
    watch.come(come)
    assert watch.written() == []
    watch.take(model("team_model", replace(TRIAL, revision="r2")))
    watch.take(LIVE)
    watch.come(come)
    assert [halted_of(each) for each in watch.written()] == [halted()]
    assert len(watch.passed) == 2


def test_a_verdict_that_cannot_be_written_is_written_later(tmp_path: Path, trials: Trials) -> None:
    (tmp_path / "verdicts").write_text("in the way")
    watch = Watch(tmp_path)
    with capture_logs() as logs:
        watch.come(calling(trials, LIVE, FAULTY))
    assert [entry["event"] for entry in logs] == ["arm loses its share", "a verdict cannot be written"]
    watch.folder.unlink()
    watch.look()
    assert watch.written() == watch.passed


def test_a_model_without_catalog_loses_no_verdict(tmp_path: Path, trials: Trials) -> None:
    watch = Watch(tmp_path)
    watch.come(calling(trials, LIVE, FAULTY))
    watch.watchman.take(charges_of({}))
    watch.come(lambda _: None, seconds=5.0)
    assert [halted_of(each) for each in watch.written()] == [halted()]
    watch.take(model("team_model"))
    assert watch.written() == []
    assert watch.voided == watch.passed


@pytest.mark.parametrize(
    "experiment", [TRIAL, replace(TRIAL, guardrails=None), replace(TRIAL, halts={"challenger": "why"})]
)
def test_what_is_told_is_what_is_read(experiment: Experiment) -> None:
    told = charges_of({"team_model": model("team_model", experiment), "other": model("other")})
    assert read_charges(write_charges(told)) == told
    assert told.watched == (experiment is TRIAL)
