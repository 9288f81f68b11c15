"""Ways to call what a hub has published: a node, and a gateway of each backend; all with Triton's own client."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from tritonclient.utils import np_to_triton_dtype

from hub.settings import HubSettings
from tests.e2e.kinds import TEAM, Arrays
from tests.e2e.serving import add_tenant, scratch_environment, serve

_PLACES = ("var", "repository", "catalog", "contracts", "tenants")


@dataclass(frozen=True, slots=True)
class Way:
    """One way to call models.

    Attributes:
        address: Where it listens.
        key: Of a tenant; empty where nobody asks for one.
    """

    address: str
    key: str = ""

    async def ask(self, name: str, *calls: Arrays, classes: int = 0) -> list[dict[str, NDArray[Any]]]:
        """Calls a model, with all calls at the same time.

        Args:
            name: Name of the model without its team.
            calls: Inputs of each call.
            classes: How many of the best classes are asked for, in place of all outputs.

        Returns:
            The outputs of each call; texts are bytes.
        """
        asked = [triton.InferRequestedOutput("probabilities", class_count=classes)] if classes else None
        headers = {"x-api-key": self.key} if self.key else None
        async with triton.InferenceServerClient(self.address) as client:
            running = (client.infer(f"{TEAM}_{name}", tensors(call), outputs=asked, headers=headers) for call in calls)
            results = await asyncio.gather(*running)
        return [{out.name: each.as_numpy(out.name) for out in each.get_response().outputs} for each in results]


def tensors(inputs: Arrays) -> list[triton.InferInput]:
    """Returns inputs as Triton's client makes them."""
    made = [triton.InferInput(name, array.shape, np_to_triton_dtype(array.dtype)) for name, array in inputs.items()]
    for tensor, array in zip(made, inputs.values(), strict=True):
        tensor.set_data_from_numpy(array)
    return made


@contextmanager
def open_ways(settings: HubSettings) -> Iterator[dict[str, Way]]:
    """Starts a gateway of each backend over one repository; yields the ways by name, the node's first."""
    places = {name.upper(): str(getattr(settings, name)) for name in _PLACES}
    (node,) = settings.nodes
    common = scratch_environment(os.environ, NODES=node, **places)
    key = add_tenant(common, TEAM, f"{TEAM}_*")
    with ExitStack() as stack:
        ways = {"node": Way(node)}
        for backend in ("triton", "onnx"):
            _, address = stack.enter_context(serve(scratch_environment(common, BACKEND=backend)))
            ways[backend] = Way(address, key)
        yield ways
