"""The endpoints of `inference.GRPCInferenceService`: inference, and what is said of the server and its models."""

import json
from collections.abc import AsyncGenerator, Callable, Iterator
from functools import partial
from importlib.metadata import version as package_version
from typing import Any

from tritonclient.grpc import service_pb2

from gateway.backends.operations import check_repository, unloaded
from gateway.calls import Call
from gateway.edge.kserve.control import control_endpoints
from gateway.edge.kserve.infer import TensorMethod, parse_request
from gateway.edge.kserve.statistics import describe_statistics
from gateway.edge.kserve.streams import InferStream
from gateway.errors import InvalidRequest, NotFound, PermissionDenied, Unavailable
from gateway.interfaces import Endpoint, StreamEndpoint, Tenant
from gateway.pipeline import Pipeline
from gateway.types import ModelVersion, TensorSpec

SERVICE = "inference.GRPCInferenceService"
PREFIX = f"/{SERVICE}/"
SERVER_NAME = "gapura"
PLATFORM = "onnxruntime_onnx"
EXTENSIONS = ("classification", "model_repository", "model_configuration", "parameters", "statistics", "logging")
READY, UNAVAILABLE, UNLOADED = "READY", "UNAVAILABLE", "unloaded"


def kserve_endpoints(pipeline: Pipeline, *, ready: bool) -> list[Endpoint | StreamEndpoint]:
    """Returns the endpoints over one generation of the catalog; it is not ready while there is none."""
    service = KServe(pipeline, ready=ready)
    described: dict[str, Callable[[Tenant, Any], Any]] = {
        "ServerLive": service.server_live,
        "ServerReady": service.server_ready,
        "ModelReady": service.model_ready,
        "ServerMetadata": service.server_metadata,
        "ModelMetadata": service.model_metadata,
        "ModelConfig": service.model_config,
        "ModelStatistics": service.model_statistics,
        "RepositoryIndex": service.repository_index,
    }
    return [
        Endpoint(f"{PREFIX}ModelInfer", service.infer, is_taskless=True),
        StreamEndpoint(
            f"{PREFIX}ModelStreamInfer",
            InferStream(pipeline.tenants, pipeline.telemetry, service.infer, service.stream).answer,
        ),
        *(
            Endpoint(PREFIX + name, partial(service.describe, getattr(service_pb2, f"{name}Request"), answer))
            for name, answer in described.items()
        ),
        *control_endpoints(PREFIX, pipeline),
    ]


class KServe:
    """Answers by tensors, and says what is served to callers that may know it."""

    def __init__(self, pipeline: Pipeline, *, ready: bool) -> None:
        self._pipeline = pipeline
        self._ready = ready
        self._method = TensorMethod()

    async def infer(self, call: Call) -> bytes:
        """Answers one inference.

        Raises:
            GatewayError: The call is refused or failed.
        """
        try:
            return await self._pipeline.answer(self._method, call)
        except NotFound:
            model, pinned = self._method.target(self._method.parse(call.message))
            self._check_ready(self._pipeline.routes.pinned(model, pinned).version, pinned)
            raise

    def stream(self, call: Call) -> AsyncGenerator[bytes, None]:
        """Answers one inference by a decoupled model, with messages of a stream.

        Raises:
            GatewayError: The call is refused or failed.
        """
        return self._pipeline.stream(self._method, call)

    async def describe(self, request_class: Any, answer: Callable[[Tenant, Any], Any], call: Call) -> bytes:
        """Admits a call, reads its request and answers it.

        Raises:
            GatewayError: The call is refused.
        """
        with self._pipeline.tenants.admit(call) as tenant:
            request = parse_request(request_class, call.message)
            return bytes(answer(tenant, request).SerializeToString())

    def server_live(self, tenant: Tenant, request: Any) -> Any:  # noqa: ARG002 - alive for everybody
        """Answers that the gateway runs."""
        return service_pb2.ServerLiveResponse(live=True)

    def server_ready(self, tenant: Tenant, request: Any) -> Any:  # noqa: ARG002 - ready for everybody
        """Says whether a catalog is live."""
        return service_pb2.ServerReadyResponse(ready=self._ready)

    def server_metadata(self, tenant: Tenant, request: Any) -> Any:  # noqa: ARG002 - the same for everybody
        """Names the server and the extensions that it has."""
        return service_pb2.ServerMetadataResponse(
            name=SERVER_NAME, version=package_version("gapura"), extensions=EXTENSIONS
        )

    def model_ready(self, tenant: Tenant, request: Any) -> Any:
        """Says whether a model can answer; one that is not known is not ready, as in Triton.

        Raises:
            InvalidRequest: The version is not a number.
        """
        try:
            version = self._version(tenant, request)
        except (NotFound, PermissionDenied):
            return service_pb2.ModelReadyResponse(ready=False)
        return service_pb2.ModelReadyResponse(ready=self._pipeline.lanes.ready(version))

    def model_metadata(self, tenant: Tenant, request: Any) -> Any:
        """Describes the inputs and outputs of a model.

        Raises:
            GatewayError: The tenant may not call it, or it is not live.
        """
        version = self._ready_version(tenant, request)
        numbers = [version.number] if request.version else sorted(self._pipeline.routes.models[version.model].versions)
        leading = (-1,) if version.max_batch_size else ()
        return service_pb2.ModelMetadataResponse(
            name=version.model,
            versions=map(str, numbers),
            platform=PLATFORM,
            inputs=[describe_tensor(spec, leading) for spec in version.signature.inputs],
            outputs=[describe_tensor(spec, leading) for spec in version.signature.outputs],
        )

    def model_config(self, tenant: Tenant, request: Any) -> Any:
        """Returns the configuration of a model; the parameter `columns.<input>` has the names of columns, in JSON.

        Raises:
            GatewayError: The tenant may not call the model, or it is not live.
        """
        version = self._ready_version(tenant, request)
        response = service_pb2.ModelConfigResponse()
        response.config.MergeFromString(self._pipeline.lanes.config(version))
        for spec in version.signature.inputs:
            if spec.columns:
                response.config.parameters[f"columns.{spec.name}"].string_value = json.dumps(spec.columns)
        return response

    def model_statistics(self, tenant: Tenant, request: Any) -> Any:
        """Says what a version has done, every version of a model, or of all models that the tenant may call.

        A tenant is told what was done for it, an operator what was done for all.

        Raises:
            PermissionDenied: The tenant may not call the model.
            InvalidRequest: It is not live.
        """
        lanes, name = self._pipeline.lanes, None if tenant.operator else tenant.name
        versions = list(self._counted(tenant, request))
        stats = [describe_statistics(version, lanes.statistics(version, name)) for version in versions]
        return service_pb2.ModelStatisticsResponse(model_stats=stats)

    def repository_index(self, tenant: Tenant, request: Any) -> Any:
        """Lists the versions that the tenant may call.

        Raises:
            Unimplemented: The request names a repository.
        """
        check_repository(request)
        response = service_pb2.RepositoryIndexResponse()
        for version in self._allowed(tenant):
            if self._pipeline.lanes.ready(version):
                response.models.add(name=version.model, version=str(version.number), state=READY)
            elif not request.ready:
                response.models.add(name=version.model, version=str(version.number), state=UNAVAILABLE, reason=UNLOADED)
        return response

    def _version(self, tenant: Tenant, request: Any) -> ModelVersion:
        self._pipeline.tenants.authorise(tenant, request.name)
        return self._pipeline.routes.pinned(request.name, request.version).version

    def _ready_version(self, tenant: Tenant, request: Any) -> ModelVersion:
        version = self._version(tenant, request)
        self._check_ready(version, request.version)
        return version

    def _check_ready(self, version: ModelVersion, pinned: str) -> None:
        """Tells of a version that cannot answer, in Triton's words, which say more of one that the caller pins."""
        if self._pipeline.lanes.ready(version):
            return
        if not pinned:
            raise unloaded(version.model)
        told = f"Request for unknown model: '{version.model}' version {version.number} is not at ready state"
        raise Unavailable("MODEL_NOT_SERVED", told, model=version.model)

    def _counted(self, tenant: Tenant, request: Any) -> Iterator[ModelVersion]:
        ready = self._pipeline.lanes.ready
        if not request.name:
            yield from filter(ready, self._allowed(tenant))
            return
        try:
            chosen = self._version(tenant, request)
        except NotFound as error:
            known = request.name in self._pipeline.routes.models
            raise (no_such_version if known else not_available)(request.name) from error
        versions = self._pipeline.routes.models[request.name].versions
        counted = [chosen] if request.version else [versions[number] for number in sorted(versions)]
        if not any(map(ready, counted)):
            raise not_available(request.name)
        yield from filter(ready, counted)

    def _allowed(self, tenant: Tenant) -> Iterator[ModelVersion]:
        for name, model in sorted(self._pipeline.routes.models.items()):
            if tenant.may_call(name):
                yield from (model.versions[number] for number in sorted(model.versions))


def not_available(model: str) -> InvalidRequest:
    """The error of statistics of a model that is not live."""
    return InvalidRequest("MODEL_UNKNOWN", f"requested model '{model}' is not available", model=model)


def no_such_version(model: str) -> InvalidRequest:
    """The error of statistics of a version that is not live."""
    told = f"requested model version is not available for model '{model}'"
    return InvalidRequest("MODEL_UNKNOWN", told, model=model)


def describe_tensor(spec: TensorSpec, leading: tuple[int, ...]) -> Any:
    """Describes one tensor, its batch dimension included."""
    return service_pb2.ModelMetadataResponse.TensorMetadata(
        name=spec.name, datatype=spec.datatype, shape=leading + spec.dims
    )
