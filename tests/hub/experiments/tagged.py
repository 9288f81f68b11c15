"""Tags of models, and what they make of a live one."""

from erpml.catalog.v1 import catalog_pb2

from hub.experiments.design import Design, State
from hub.experiments.reading import Reading, Wanted, read_experiments
from hub.experiments.routing import route

MODEL = "team1_model"


def design(state: State = State.RUNNING, **fields: object) -> str:
    """The tag of an experiment with one challenger."""
    return Design.model_validate({"seed": "s", "state": state, "arms": ["challenger"], **fields}).to_tag()


def live(*arms: str) -> catalog_pb2.Model:
    """A model whose arms are versions 1, 2 and so on."""
    kinds = {
        "champion": catalog_pb2.ARM_KIND_CHAMPION,
        "challenger": catalog_pb2.ARM_KIND_CHALLENGER,
        "shadow": catalog_pb2.ARM_KIND_SHADOW,
    }
    found = [
        catalog_pb2.Arm(name=arm, version=number, kind=kinds[arm.partition("-")[0]])
        for number, arm in enumerate(arms, 1)
    ]
    return catalog_pb2.Model(name=MODEL, arms=found)


def read(**tags: str) -> Reading:
    """Reads tags whose dots are written as `__`, and hyphens as `_0`."""
    return read_experiments(MODEL, {key.replace("__", ".").replace("_0", "-"): value for key, value in tags.items()})


def wanted(name: str, **tags: str) -> Wanted:
    """The one experiment of a name."""
    return next(each for each in read(**tags).wanted if each.name == name)


def divide(model: catalog_pb2.Model, **tags: str) -> catalog_pb2.Model:
    """The model as tags want its calls to be divided."""
    return route(model, read(**tags), lambda _: None).model


def divide_frozen(model: catalog_pb2.Model, **tags: str) -> catalog_pb2.Model:
    """The same in a freeze window."""
    return route(model, read(**tags), lambda _: "frozen").model


def slices(model: catalog_pb2.Model, name: str = "default") -> dict[str, int]:
    """Buckets of each arm of an experiment."""
    experiment = next(each for each in model.experiments if each.name == name)
    found: dict[str, int] = {}
    for each in experiment.slices:
        found[each.arm] = found.get(each.arm, 0) + each.buckets
    return found
