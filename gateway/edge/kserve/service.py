"""The endpoints of `inference.GRPCInferenceService`: inference, readiness and metadata."""

from collections.abc import Callable
from functools import partial
from importlib.metadata import version as package_version
from typing import Any

from tritonclient.grpc import service_pb2

from gateway.edge.kserve.infer import TensorMethod, parse_request
from gateway.errors import GatewayError
from gateway.interfaces import Endpoint, Tenant
from gateway.pipeline import Pipeline
from gateway.types import Call, ModelVersion, TensorSpec

SERVICE = "inference.GRPCInferenceService"
SERVER_NAME = "gapura"
PLATFORM = "onnxruntime_onnx"


def kserve_endpoints(pipeline: Pipeline, *, ready: bool) -> list[Endpoint]:
    """Returns the endpoints over one generation of the catalog; it is not ready while there is none."""
    service = KServe(pipeline, ready=ready)
    described: dict[str, tuple[Any, Callable[[Tenant, Any], Any]]] = {
        "ServerLive": (service_pb2.ServerLiveRequest, service.server_live),
        "ServerReady": (service_pb2.ServerReadyRequest, service.server_ready),
        "ModelReady": (service_pb2.ModelReadyRequest, service.model_ready),
        "ServerMetadata": (service_pb2.ServerMetadataRequest, service.server_metadata),
        "ModelMetadata": (service_pb2.ModelMetadataRequest, service.model_metadata),
        "ModelConfig": (service_pb2.ModelConfigRequest, service.model_config),
    }
    infer = Endpoint(f"/{SERVICE}/ModelInfer", partial(pipeline.answer, TensorMethod()))
    return [infer] + [
        Endpoint(f"/{SERVICE}/{name}", partial(service.describe, request, answer))
        for name, (request, answer) in described.items()
    ]


class KServe:
    """Says what is served, to callers that may know it."""

    def __init__(self, pipeline: Pipeline, *, ready: bool) -> None:
        self._pipeline = pipeline
        self._ready = ready

    async def describe(self, request_class: Any, answer: Callable[[Tenant, Any], Any], call: Call) -> bytes:
        """Admits a call, reads its request and answers it.

        Raises:
            GatewayError: The call is refused.
        """
        tenant = self._pipeline.tenants.admit(call)
        request = parse_request(request_class, call.message)
        return bytes(answer(tenant, request).SerializeToString())

    def server_live(self, tenant: Tenant, request: Any) -> Any:  # noqa: ARG002 - alive for everybody
        """Answers that the gateway runs."""
        return service_pb2.ServerLiveResponse(live=True)

    def server_ready(self, tenant: Tenant, request: Any) -> Any:  # noqa: ARG002 - ready for everybody
        """Says whether a catalog is live."""
        return service_pb2.ServerReadyResponse(ready=self._ready)

    def model_ready(self, tenant: Tenant, request: Any) -> Any:
        """Says whether a model is live; one that is not known is not ready, as in Triton."""
        try:
            self._version(tenant, request)
        except GatewayError:
            return service_pb2.ModelReadyResponse(ready=False)
        return service_pb2.ModelReadyResponse(ready=True)

    def server_metadata(self, tenant: Tenant, request: Any) -> Any:  # noqa: ARG002 - the same for everybody
        """Names the server and the extensions that it has; there are none yet to name."""
        return service_pb2.ServerMetadataResponse(name=SERVER_NAME, version=package_version("gapura"), extensions=[])

    def model_metadata(self, tenant: Tenant, request: Any) -> Any:
        """Describes the inputs and outputs of a model.

        Raises:
            GatewayError: The tenant may not call it, or it is not live.
        """
        version = self._version(tenant, request)
        leading = (-1,) if version.max_batch_size else ()
        return service_pb2.ModelMetadataResponse(
            name=version.model,
            versions=[str(version.number)],
            platform=PLATFORM,
            inputs=[describe_tensor(spec, leading) for spec in version.signature.inputs],
            outputs=[describe_tensor(spec, leading) for spec in version.signature.outputs],
        )

    def model_config(self, tenant: Tenant, request: Any) -> Any:
        """Returns the configuration that stands in the repository.

        Raises:
            GatewayError: The tenant may not call the model, or it is not live.
        """
        response = service_pb2.ModelConfigResponse()
        response.config.MergeFromString(self._pipeline.lanes.config(self._version(tenant, request)))
        return response

    def _version(self, tenant: Tenant, request: Any) -> ModelVersion:
        self._pipeline.tenants.authorise(tenant, request.name)
        return self._pipeline.routes.choose(request.name, request.version).version


def describe_tensor(spec: TensorSpec, leading: tuple[int, ...]) -> Any:
    """Describes one tensor, its batch dimension included."""
    return service_pb2.ModelMetadataResponse.TensorMetadata(
        name=spec.name, datatype=spec.datatype, shape=leading + spec.dims
    )
