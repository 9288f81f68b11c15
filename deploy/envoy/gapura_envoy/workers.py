"""The workers behind the edge: how they are watched, how calls are spread, and the file that names them."""

from collections.abc import Sequence
from pathlib import Path

from gapura_envoy.routes import WORKERS
from gapura_envoy.settings import EdgeSettings
from gapura_envoy.shapes import MIB, Config, address_of, extension, typed, watched

ASSIGNMENT = "envoy.config.endpoint.v3.ClusterLoadAssignment"
CHECK_SECONDS, CHECK_TIMEOUT_SECONDS, FAILED_CHECKS = "0.5s", "2s", 3
CONNECT_SECONDS = "1s"
LARGE_WINDOW, MOST_STREAMS = 16 * MIB, 2**31 - 1

# Retries at once, in percent of calls at once: a worker that dies takes its share of them with it, and with the last
# but one of two that is half. Each call is asked again twice at most, and only after it has failed.
RETRY_PERCENT, FEWEST_RETRIES = 80.0, 64

# Envoy sends calls to workers that are not well once fewer than this share of them is: only when none is.
PANIC_PERCENT = 1.0


def compose_workers(settings: EdgeSettings, assignment: Path) -> Config:
    """Returns the cluster of workers.

    Args:
        settings: Of the edge.
        assignment: File that names the workers; Envoy reads it again when another is moved to its place.
    """
    return {
        "name": WORKERS,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": watched(assignment)},
        "connect_timeout": CONNECT_SECONDS,
        # Each call goes to the next worker in turn: evenly, whatever connections callers keep.
        "load_balancing_policy": {"policies": [{"typed_extension_config": balancing()}]},
        "common_lb_config": {"healthy_panic_threshold": {"value": PANIC_PERCENT}},
        "ignore_health_on_host_removal": True,  # the calls of a worker that is taken out end there
        "health_checks": [health_check()],
        "outlier_detection": outlier_detection(),
        "circuit_breakers": {"thresholds": [bounds(settings)]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                explicit_http_config={
                    "http2_protocol_options": {
                        "initial_stream_window_size": LARGE_WINDOW,
                        "initial_connection_window_size": LARGE_WINDOW,
                    }
                },
            )
        },
    }


def balancing() -> Config:
    """Returns how a worker is chosen."""
    return extension(
        "envoy.load_balancing_policies.round_robin",
        "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
    )


def health_check() -> Config:
    """Returns the check of each worker; one that drains says so itself."""
    return {
        "timeout": CHECK_TIMEOUT_SECONDS,
        "interval": CHECK_SECONDS,
        "no_traffic_interval": CHECK_SECONDS,
        "unhealthy_interval": CHECK_SECONDS,
        "healthy_threshold": 1,
        "unhealthy_threshold": FAILED_CHECKS,
        "grpc_health_check": {},
    }


def outlier_detection() -> Config:
    """Leaves out a worker that cannot be reached, until checks find it well; never for what it answers.

    Codes such as UNAVAILABLE are of models, not of workers.
    """
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 3,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_local_origin_success_rate": 0,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "interval": "0.5s",
        "base_ejection_time": "1s",
        "max_ejection_time": "5s",
        "max_ejection_percent": 100,
        "successful_active_health_check_uneject_host": True,
    }


def bounds(settings: EdgeSettings) -> Config:
    """Returns how much may be under way."""
    return {
        "max_connections": settings.calls,
        "max_pending_requests": settings.calls,
        "max_requests": settings.calls,
        "retry_budget": {"budget_percent": {"value": RETRY_PERCENT}, "min_retry_concurrency": FEWEST_RETRIES},
    }


def compose_assignment(workers: Sequence[str]) -> Config:
    """Returns what the file of workers holds.

    Args:
        workers: Addresses, such as `unix:/run/gapura/worker1.sock`.

    Raises:
        EdgeError: One is no address.
    """
    endpoints = [{"endpoint": {"address": address_of(worker)}} for worker in workers]
    return {"resources": [typed(ASSIGNMENT, cluster_name=WORKERS, endpoints=[{"lb_endpoints": endpoints}])]}
