"""A model with a champion and a challenger that are live, and who asks for experiments there."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from erpml.catalog.v1 import catalog_pb2

from hub.experiments.commands import experiments
from hub.history.commands import history
from hub.history.report import describe
from tests.hub.workplace import Workplace

NAME = "team1_model"


def challenge(workplace: Workplace, *aliases: str) -> None:
    """Makes version 1 champion, and version 2 and so on the aliases."""
    for _ in range(1 + len(aliases)):
        workplace.register(NAME)
    for version, alias in enumerate(("champion", *aliases), 1):
        workplace.point(NAME, alias, version)
    workplace.publish()


def point_settings(workplace: Workplace, patch: pytest.MonkeyPatch) -> None:
    """Lets commands work there."""
    for name, value in {
        "VAR": workplace.root,
        "MLFLOW_URI": f"sqlite:///{workplace.database}",
        "REPOSITORY": workplace.repository,
        "CATALOG": workplace.catalog_file,
        "CONTRACTS": workplace.root / "contracts",
        "FREEZE": workplace.root / "freeze.yaml",
        "VERDICTS": workplace.root / "verdicts",
        "HANDOVER_SECONDS": "0",
    }.items():
        patch.setenv(f"GAPURA_{name}", str(value))


def ask(*words: str) -> Result:
    """Runs `gapura experiments`; every change has a reason."""
    read_only = words[0] == "list"
    return CliRunner().invoke(experiments, [*words, *([] if read_only else ["--reason", "trial", "--by", "ana"])])


def told(command: str = NAME) -> list[str]:
    """What `gapura history` prints, without the times."""
    lines = CliRunner().invoke(history, [command]).output.splitlines()
    return [line.split("  ", 1)[1] for line in lines]


def set_tag(workplace: Workplace, key: str, value: str | None) -> None:
    """Edits a tag of the model as somebody does in MLflow's own pages."""
    if value is None:
        workplace.client().delete_registered_model_tag(NAME, key)
    else:
        workplace.client().set_registered_model_tag(NAME, key, value)


def tags(workplace: Workplace) -> dict[str, str]:
    return dict(workplace.client().get_registered_model(NAME).tags)


def find(workplace: Workplace, experiment: str = "default") -> catalog_pb2.Experiment | None:
    """What is live of an experiment."""
    model = next(each for each in workplace.catalog().models if each.name == NAME)
    return next((each for each in model.experiments if each.name == experiment), None)


def shares(workplace: Workplace, experiment: str = "default") -> dict[str, int]:
    """Buckets of each arm that are live; none where the experiment is not."""
    found, live = dict[str, int](), find(workplace, experiment)
    for each in live.slices if live else ():
        found[each.arm] = found.get(each.arm, 0) + each.buckets
    return found


def pass_verdict(workplace: Workplace, experiment: str = "default", **others: object) -> Path:
    """Writes a verdict on the challenger as a gateway does; returns its file."""
    live = find(workplace, experiment)
    fields = {
        "model": NAME,
        "experiment": experiment,
        "arm": "challenger",
        "version": 2,
        "revision": live.revision if live else "",
        "reason": "errors 0.08, the champion's 0.001",
        **others,
    }
    verdict = catalog_pb2.Verdict(**fields)  # type: ignore[arg-type] # as the test says
    verdict.at.GetCurrentTime()
    folder = workplace.root / "verdicts"
    folder.mkdir(exist_ok=True)
    path = folder / f"{len(list(folder.iterdir()))}.binpb"
    path.write_bytes(verdict.SerializeToString())
    return path


def changes(workplace: Workplace) -> list[str]:
    """What the history says, in words."""
    return [describe(change) for change in workplace.open_registry().history.of(NAME)]
