"""Tags of a registered model that say what its experiments are.

experiment.<experiment>           what was decided of it, as JSON
weight.<experiment>.<arm>         percentage of a challenger; `weight.<arm>` is that of the experiment `default`
guardrail.<experiment>.<arm>      why an arm has lost its share, as JSON
buckets.<experiment>              who has which buckets, written by the publisher
fault.<experiment>                why it is not live as it was decided, written by the publisher
"""

import re
from collections.abc import Mapping

from hub.errors import HubError
from hub.registry.aliases import CHALLENGER, is_served, kind_of
from hub.registry.weights import PREFIX as WEIGHT
from hub.registry.weights import weight_tag as plain_weight_tag

DEFAULT = "default"
EXPERIMENT, GUARDRAIL, BUCKETS, FAULT = "experiment.", "guardrail.", "buckets.", "fault."
LONGEST = 5000  # characters of a value that MLflow's databases keep

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def require_name(name: str) -> None:
    """Makes sure that an experiment may be called so.

    Raises:
        HubError: It may not.
    """
    if not _NAME.fullmatch(name):
        raise HubError(f"{name!r} is no experiment: write up to 63 of a-z, 0-9, '_' and '-', such as wider-limits")


def require_challenger(alias: str) -> None:
    """Makes sure that an arm can have a share in an experiment.

    Raises:
        HubError: It cannot.
    """
    if not is_served(alias) or kind_of(alias) != CHALLENGER:
        raise HubError(
            f"{alias!r} can have no share: write challenger or challenger-NAME, with a NAME of up to 31 of a-z, 0-9, "
            "'_' and '-'; the champion has what others leave"
        )


def experiment_tag(experiment: str) -> str:
    """Returns the key of what was decided."""
    return f"{EXPERIMENT}{experiment}"


def weight_tag(experiment: str, arm: str) -> str:
    """Returns the key of an arm's weight."""
    return plain_weight_tag(arm) if experiment == DEFAULT else f"{WEIGHT}{experiment}.{arm}"


def guardrail_tag(experiment: str, arm: str) -> str:
    """Returns the key of why an arm has lost its share."""
    return f"{GUARDRAIL}{experiment}.{arm}"


def read_weights(tags: Mapping[str, str], experiment: str) -> dict[str, str]:
    """Returns the weights of an experiment by arm, as they are written."""
    prefix = weight_tag(experiment, "")
    found = {key.removeprefix(prefix): value for key, value in tags.items() if key.startswith(prefix)}
    return {arm: value for arm, value in found.items() if "." not in arm}


def read_guardrails(tags: Mapping[str, str], experiment: str) -> dict[str, str]:
    """Returns why arms of an experiment have lost their share, by arm, as it is written."""
    prefix = guardrail_tag(experiment, "")
    return {key.removeprefix(prefix): value for key, value in tags.items() if key.startswith(prefix)}


def keys_of(tags: Mapping[str, str], experiment: str) -> list[str]:
    """Returns the keys of all tags of an experiment, that of the experiment itself first."""
    single = [experiment_tag(experiment), f"{BUCKETS}{experiment}", f"{FAULT}{experiment}"]
    several = (weight_tag(experiment, ""), guardrail_tag(experiment, ""))
    return [key for key in single if key in tags] + [key for key in tags if key.startswith(several)]
