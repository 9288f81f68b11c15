"""What operators ask of the servers behind the gateway, and the shared memory that it does not have."""

import asyncio
from functools import partial

from tritonclient.grpc import service_pb2

from gateway.calls import Call
from gateway.edge.kserve.faults import no_shared_memory
from gateway.edge.kserve.infer import parse_request
from gateway.errors import PermissionDenied
from gateway.interfaces import Endpoint
from gateway.pipeline import Pipeline

# Operation -> the class of its request. Those with a `model_name` are of that model alone, if they name one.
OPERATIONS = {
    "RepositoryModelLoad": service_pb2.RepositoryModelLoadRequest,
    "RepositoryModelUnload": service_pb2.RepositoryModelUnloadRequest,
    "TraceSetting": service_pb2.TraceSettingRequest,
    "LogSettings": service_pb2.LogSettingsRequest,
}
SHARED_MEMORIES = ("SystemSharedMemory", "CudaSharedMemory")


def control_endpoints(prefix: str, pipeline: Pipeline) -> list[Endpoint]:
    """Returns the endpoints below a path.

    Args:
        prefix: `/package.Service/`.
        pipeline: The stages of the generation.
    """
    control = Control(pipeline)
    return [
        *(Endpoint(prefix + name, partial(control.operate, name)) for name in OPERATIONS),
        *(Endpoint(f"{prefix}{name}Status", control.refuse) for name in SHARED_MEMORIES),
        *(Endpoint(f"{prefix}{name}Register", control.refuse) for name in SHARED_MEMORIES),
        *(Endpoint(f"{prefix}{name}Unregister", control.unregister) for name in SHARED_MEMORIES),
    ]


class Control:
    """Passes on what operators ask."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def operate(self, operation: str, call: Call) -> bytes:
        """Has an operation done.

        Raises:
            PermissionDenied: The caller is no operator, or may not call the model.
            InvalidRequest: The bytes are not a request of the operation.
            GatewayError: A server refused.
        """
        with self._pipeline.tenants.admit(call) as tenant:
            if not tenant.operator:
                raise PermissionDenied(
                    "NOT_AN_OPERATOR",
                    f"tenant '{tenant.name}' is no operator; `gapura tenants add --operator` makes one",
                    tenant=tenant.name,
                )
            request = parse_request(OPERATIONS[operation], call.message)
            if model := getattr(request, "model_name", ""):
                self._pipeline.tenants.authorise(tenant, model)
            await asyncio.sleep(0)  # servers are asked with time limits, which need a task
            return await self._pipeline.lanes.operate(operation, call.message)

    async def refuse(self, call: Call) -> bytes:
        """Refuses to share memory.

        Raises:
            Unimplemented: Always, to callers that are known.
        """
        with self._pipeline.tenants.admit(call):
            raise no_shared_memory()

    async def unregister(self, call: Call) -> bytes:
        """Agrees that nothing is shared; perf_analyzer asks for that before it starts."""
        with self._pipeline.tenants.admit(call):
            return b""
