"""Makes the parts of a deployment from what was chosen, in the order in which they start."""

from collections.abc import Sequence
from pathlib import Path

from gapura_supervisor.edge import Edge, NoEdge
from gapura_supervisor.part import Part

from gapura_deployment.nodes import compose_nodes
from gapura_deployment.options import ENVOY, FEATURE_STORE, MLFLOW, OPERATIONS, PUBLISHER, TRITON, VALKEY, Choice
from gapura_deployment.pages import compose_operations
from gapura_deployment.publishing import compose_publisher
from gapura_deployment.settings import DeploymentSettings
from gapura_deployment.stores import compose_mlflow, compose_valkey
from gapura_deployment.workers import compose_feature_store, compose_workers


def compose(choice: Choice, settings: DeploymentSettings, sockets: Path) -> tuple[Sequence[Part], Edge]:
    """Returns the parts, and what chooses a worker for every call.

    Raises:
        SupervisionError: Something is not installed, taken, or does not go together.
    """
    stores = [compose_mlflow(settings)] if MLFLOW in choice.extras else []
    valkey = [compose_valkey(settings)] if VALKEY in choice.extras else []
    own_nodes = choice.backend == TRITON and not (settings.nodes or settings.gpu_nodes)
    nodes = compose_nodes(settings) if own_nodes else []
    told = {"GAPURA_NODES": ",".join(node.address for node in nodes)} if nodes else {}
    told |= {"GAPURA_REDIS_URL": f"redis://{valkey[0].address}"} if valkey and not settings.redis_url else {}
    workers = compose_workers(choice, settings, sockets, told)
    beside = [compose_feature_store(settings, told)] if FEATURE_STORE in choice.extras else []
    beside += [compose_operations(settings)] if OPERATIONS in choice.extras else []
    beside += [compose_publisher(settings, told)] if PUBLISHER in choice.extras else []
    stores += valkey
    if choice.edge != ENVOY:
        return [*stores, *nodes, *workers, *beside], NoEdge()
    from gapura_deployment.front import EnvoyEdge, settings_of  # noqa: PLC0415 - an extra

    edge = EnvoyEdge(
        settings_of(choice.listen, sockets, settings), settings.contracts, [worker.address for worker in workers]
    )
    return [*stores, *nodes, *workers, *beside, edge.part(settings.logs / "envoy.log")], edge
