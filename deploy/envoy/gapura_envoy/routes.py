"""Which calls go to the workers, how often and for how long; the others are told why not."""

from collections.abc import Sequence

from gapura_envoy.methods import Methods
from gapura_envoy.settings import EdgeSettings
from gapura_envoy.shapes import Config, extension, typed

WORKERS = "workers"
BUFFER = "envoy.filters.http.buffer"
NOT_FOUND, UNSUPPORTED_MEDIA = 404, 415
GRPC = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}

# A worker that has not seen a call: it may always be asked again. One that died over it: only what may be asked twice.
UNSEEN = "connect-failure,refused-stream"
UNANSWERED = f"{UNSEEN},reset,unavailable"
MOST_RETRIES, MOST_CHOICES = 2, 5
FIRST_RETRY, LAST_RETRY = "0.005s", "0.1s"

COMPRESSED = "compressed requests are not taken; send them as they are"


def compose_routes(settings: EdgeSettings, methods: Methods) -> Config:
    """Returns the routes, the first that fits counts."""
    unary = unary_route(UNANSWERED)
    routes = [
        *refusals(),
        *(exact(path, stream_route(), disable_buffer()) for path in methods.streams),
        *(exact(path, unary_route(UNSEEN)) for path in methods.commands),
        {"match": {"prefix": "/", "headers": [GRPC]}, "route": unary},
        {"match": {"prefix": "/"}, **refuse(NOT_FOUND, "no such path; the paths are those of the contracts")},
    ]
    host = {"name": "all", "domains": ["*"], "routes": routes, **cors(settings.origins)}
    return {"name": "calls", "virtual_hosts": [host]}


def refusals() -> list[Config]:
    """Returns the routes of compressed requests: a few bytes of them may be gigabytes to a worker."""
    return [
        {"match": {"prefix": "/", "headers": encoded(name)}, **refuse(UNSUPPORTED_MEDIA, COMPRESSED)}
        for name in ("grpc-encoding", "content-encoding")
    ]


def encoded(name: str) -> list[Config]:
    """Returns what fits a header that is there and not `identity`."""
    return [
        {"name": name, "present_match": True},
        {"name": name, "string_match": {"exact": "identity"}, "invert_match": True},
    ]


def refuse(status: int, told: str) -> Config:
    """Returns an answer that no worker is asked for."""
    return {"direct_response": {"status": status, "body": {"inline_string": told}}}


def exact(path: str, route: Config, filters: Config | None = None) -> Config:
    """Returns the route of one method."""
    return {"match": {"path": path, "headers": [GRPC]}, "route": route, **(filters or {})}


def disable_buffer() -> Config:
    """Lets messages pass as they come."""
    kind = "envoy.extensions.filters.http.buffer.v3.BufferPerRoute"
    return {"typed_per_filter_config": {BUFFER: typed(kind, disabled=True)}}


def stream_route() -> Config:
    """Returns where streams go: nothing but their callers' deadlines ends them."""
    return {
        "cluster": WORKERS,
        "timeout": "0s",
        "idle_timeout": "0s",
        "max_stream_duration": {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"},
        "retry_policy": retry_on(UNSEEN),
    }


def unary_route(faults: str) -> Config:
    """Returns where unary calls go, which end at their deadline.

    Envoy would tell workers of any longest time as if it were the deadline that callers set.
    """
    return {
        "cluster": WORKERS,
        "timeout": "0s",
        "max_stream_duration": {"grpc_timeout_header_max": "0s"},
        "retry_policy": retry_on(faults),
    }


def retry_on(faults: str) -> Config:
    """Returns after which faults another worker is asked."""
    return {
        "retry_on": faults,
        "num_retries": MOST_RETRIES,
        "retry_back_off": {"base_interval": FIRST_RETRY, "max_interval": LAST_RETRY},
        "retry_host_predicate": [
            extension(
                "envoy.retry_host_predicates.previous_hosts",
                "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "host_selection_retry_max_attempts": MOST_CHOICES,
    }


def cors(origins: Sequence[str]) -> Config:
    """Returns which pages may call."""
    if not origins:
        return {}
    matches = [{"safe_regex": {"regex": ".*"}} if origin == "*" else {"exact": origin} for origin in origins]
    policy = typed(
        "envoy.extensions.filters.http.cors.v3.CorsPolicy",
        allow_origin_string_match=matches,
        allow_methods="GET, POST, PUT, PATCH, DELETE, OPTIONS",
        allow_headers="content-type,grpc-timeout,traceparent,x-api-key,x-gapura-pin,x-gapura-unit,x-grpc-web,"
        "x-priority,x-user-agent",
        expose_headers="grpc-message,grpc-status,grpc-status-details-bin",
        max_age="86400",
    )
    return {"typed_per_filter_config": {"envoy.filters.http.cors": policy}}
