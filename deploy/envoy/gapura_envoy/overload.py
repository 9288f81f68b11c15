"""What Envoy does when memory or connections run short, and its limits that are no part of a listener."""

from gapura_envoy.settings import EdgeSettings
from gapura_envoy.shapes import MIB, Config, extension, typed

HEAP, CONNECTIONS = "envoy.resource_monitors.fixed_heap", "envoy.resource_monitors.global_downstream_max_connections"
REFUSE_CALL, HANG_UP = "http_connection_manager_decode_headers", "http2_server_go_away_and_close_on_dispatch"
RELEASED, UNFREED = 64 * MIB, 16 * MIB
LOOK_SECONDS = "0.01s"  # in a tenth of a second a caller opens calls for hundreds of MiB

# Shares of the heap. Calls that hold much are ended first, the largest of all before the others.
SHRINK, END_SOME, END_ALL, REFUSE = 0.5, 0.6, 0.8, 0.8
SCALED: Config = {"scaled": {"scaling_threshold": END_SOME, "saturation_threshold": END_ALL}}
SMALLEST_HELD = 20  # power of two, in bytes, of what such a call holds: 1 MiB
SHORTEST_SECONDS = "1s"
REQUESTS_A_TURN = 1


def compose_overload(settings: EdgeSettings) -> Config:
    """Returns the overload manager."""
    return {
        "refresh_interval": LOOK_SECONDS,
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": SMALLEST_HELD},
        "resource_monitors": [
            extension(
                HEAP,
                "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                max_heap_size_bytes=settings.heap_mib * MIB,
            ),
            extension(
                CONNECTIONS,
                "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=settings.connections,
            ),
        ],
        "actions": [
            action("shrink_heap", {"threshold": {"value": SHRINK}}),
            action("reset_high_memory_stream", SCALED),
            action("reduce_timeouts", SCALED) | {"typed_config": shorter_timeouts()},
            action("disable_http_keepalive", {"threshold": {"value": END_ALL}}),
        ],
        # Unlike actions, these count at once for threads that are busy with what they have read already.
        "loadshed_points": [shed(REFUSE_CALL, REFUSE), shed(HANG_UP, 1.0)],
    }


def shorter_timeouts() -> Config:
    """Returns how long callers may be silent at worst, while memory is short: who is silent holds what others need."""
    factors = [
        {"timer": timer, "min_timeout": SHORTEST_SECONDS}
        for timer in ("HTTP_DOWNSTREAM_CONNECTION_IDLE", "HTTP_DOWNSTREAM_STREAM_IDLE", "TRANSPORT_SOCKET_CONNECT")
    ]
    return typed("envoy.config.overload.v3.ScaleTimersOverloadActionConfig", timer_scale_factors=factors)


def shed(point: str, share: float) -> Config:
    """Returns what is no longer done when the heap is that full."""
    return {"name": f"envoy.load_shed_points.{point}", "triggers": [{"name": HEAP, "threshold": {"value": share}}]}


def compose_allocator(settings: EdgeSettings) -> Config:
    """Returns how Envoy gives memory back that it no longer needs, which its allocator would keep."""
    return {
        "bytes_to_release": RELEASED,
        "memory_release_interval": "0.5s",
        "soft_memory_limit_bytes": settings.heap_mib * MIB // 2,
        "max_unfreed_memory_bytes": UNFREED,
    }


def action(name: str, trigger: Config) -> Config:
    """Returns what is done when the heap is that full."""
    return {"name": f"envoy.overload_actions.{name}", "triggers": [{"name": HEAP, **trigger}]}


def compose_runtime(settings: EdgeSettings) -> Config:
    """Returns limits that Envoy keeps elsewhere: against callers who open calls only to cancel them."""
    layer = {
        "overload.premature_reset_total_stream_count": settings.premature_resets,
        "overload.premature_reset_min_stream_lifetime_seconds": 1,
        "http.max_requests_per_io_cycle": REQUESTS_A_TURN,
    }
    return {"layers": [{"name": "gapura", "static_layer": layer}]}
