"""Where the history begins: the experiment that holds it, and the run that the first change of each model hangs on.

Several hubs may begin it at once. Each prepares an experiment of its own and renames it; MLflow lets a name stand once,
so one of them wins and the others take over what it made.
"""

import uuid
from dataclasses import dataclass

import mlflow
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException

from hub.errors import HubError

EXPERIMENT = "gapura.history"
_ROOT = "gapura.root"


@dataclass(frozen=True, slots=True)
class Root:
    """Ids of the experiment and of the run."""

    experiment_id: str
    run_id: str


def find_root(client: mlflow.MlflowClient) -> Root | None:
    """Returns where the history begins, or None before the first change.

    Raises:
        HubError: The experiment was deleted, or is not ours.
    """
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return None
    number = str(experiment.experiment_id)
    if experiment.lifecycle_stage != LifecycleStage.ACTIVE:
        raise HubError(
            f"the experiment {EXPERIMENT} was deleted: `mlflow experiments restore -x {number}` brings it back"
        )
    if _ROOT not in experiment.tags:
        raise HubError(f"the experiment {EXPERIMENT} is not the hub's: rename it")
    return Root(number, experiment.tags[_ROOT])


def make_root(client: mlflow.MlflowClient) -> Root:
    """Begins the history, unless another hub did in the meantime."""
    number = str(client.create_experiment(f"{EXPERIMENT}.{uuid.uuid4().hex}"))
    run = client.create_run(number, run_name="root").info.run_id
    client.set_terminated(run)
    client.set_experiment_tag(number, _ROOT, run)
    try:
        client.rename_experiment(number, EXPERIMENT)
    except MlflowException:
        client.delete_experiment(number)
        found = find_root(client)
        if found is None:
            raise
        return found
    return Root(number, run)
