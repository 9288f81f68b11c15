"""What is done to a call before it is routed, in order."""

import base64
from collections.abc import Iterator

from gapura_envoy.methods import Methods
from gapura_envoy.routes import BUFFER, WORKERS
from gapura_envoy.settings import EdgeSettings
from gapura_envoy.shapes import MIB, Config, extension

HEALTH_PATH = "/healthz"
PREFIX_BYTES = 5  # before each message of gRPC


def compose_filters(settings: EdgeSettings, methods: Methods) -> Iterator[Config]:
    """Yields the filters.

    The order: what answers itself, what turns REST and gRPC-Web into gRPC, what looks at gRPC, and the way out.
    """
    if settings.origins:
        yield extension("envoy.filters.http.cors", "envoy.extensions.filters.http.cors.v3.Cors")
    yield health()
    if settings.web:
        yield extension("envoy.filters.http.grpc_web", "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb")
    if methods.services:
        yield transcoder(settings, methods)
    if settings.buffer:
        most = settings.message_mib * MIB + PREFIX_BYTES
        yield extension(BUFFER, "envoy.extensions.filters.http.buffer.v3.Buffer", max_request_bytes=most)
    yield extension(
        "envoy.filters.http.router",
        "envoy.extensions.filters.http.router.v3.Router",
        suppress_envoy_headers=True,
        dynamic_stats=False,
    )


def health() -> Config:
    """Returns what answers load balancers before the edge: 503 while it drains, or no worker is well."""
    return extension(
        "envoy.filters.http.health_check",
        "envoy.extensions.filters.http.health_check.v3.HealthCheck",
        pass_through_mode=False,
        headers=[{"name": ":path", "string_match": {"exact": HEALTH_PATH}}],
        cluster_min_healthy_percentages={WORKERS: {"value": 1.0}},
    )


def transcoder(settings: EdgeSettings, methods: Methods) -> Config:
    """Returns what speaks REST for methods that are annotated with `google.api.http`.

    Fields are named as in the contracts, where errors name them so too; either naming is read.
    """
    return extension(
        "envoy.filters.http.grpc_json_transcoder",
        "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        proto_descriptor_bin=base64.b64encode(methods.descriptors).decode(),
        services=list(methods.services),
        convert_grpc_status=True,
        print_options={"always_print_primitive_fields": True, "preserve_proto_field_names": True},
        request_validation_options={"reject_unknown_query_parameters": True},
        max_request_body_size=settings.message_mib * MIB,
        max_response_body_size=settings.message_mib * MIB,
    )
