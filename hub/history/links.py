"""Links between the runs of a history: a parameter of one run names the run that comes next.

MLflow lets a parameter be written once, so of several hubs that append at once exactly one gets the place, and the
others see which run took it. Where somebody deletes a run, the one before it gets a second link.
"""

import hashlib

import mlflow
from mlflow.entities import LifecycleStage, Run, RunStatus
from mlflow.exceptions import MlflowException

NEXT = "next"


def key_of(name: str) -> str:
    """Returns what stands for a model where its name may not: in filters and in names of parameters."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def first_link(name: str) -> str:
    """Returns the link of the root to the first change of a model."""
    return f"first.{key_of(name)}"


def links_of(run: Run, link: str = NEXT) -> list[str]:
    """Returns the ids of the runs that were linked here, the oldest first; all but the last are gone."""
    parameters = run.data.params
    found: list[str] = []
    while f"{link}.{len(found)}" in parameters:
        found.append(parameters[f"{link}.{len(found)}"])
    return found


def claim(client: mlflow.MlflowClient, before: str, link: str, run_id: str) -> bool:
    """Links a run to another; returns whether it got the place.

    Args:
        client: Writes it.
        before: Id of the run that comes before.
        link: Full name of the link.
        run_id: Id of the run that wants to come next.
    """
    try:
        client.log_param(before, link, run_id)
    except MlflowException:
        taken = client.get_run(before).data.params.get(link)
        if taken is None:  # nobody has it, and something else is wrong
            raise
        return bool(taken == run_id)
    return True


def find_run(client: mlflow.MlflowClient, run_id: str) -> Run | None:
    """Returns a run, finished; or None where somebody deleted it. What a killed hub has linked is finished for it."""
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    if run.info.lifecycle_stage != LifecycleStage.ACTIVE:
        return None
    if run.info.status != RunStatus.to_string(RunStatus.FINISHED):
        client.set_terminated(run_id)
    return run
