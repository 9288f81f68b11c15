"""The listener: what a connection may do, and what becomes of headers that only the edge may write."""

from gapura_envoy.access_log import compose_access_logs
from gapura_envoy.filters import compose_filters
from gapura_envoy.local_replies import compose_local_replies
from gapura_envoy.methods import Methods
from gapura_envoy.routes import compose_routes
from gapura_envoy.settings import EdgeSettings
from gapura_envoy.shapes import KIB, MIB, Config, address_of, duration, extension, without_none

NAME = "edge"
CONNECTION_BUFFER = 64 * KIB
STREAM_WINDOW, CONNECTION_WINDOW = 1 * MIB, 8 * MIB
MOST_HEADERS = 100
HANDSHAKE_SECONDS = 10.0


def compose_listener(settings: EdgeSettings, methods: Methods, tls: Config | None) -> Config:
    """Returns the listener, with TLS or without."""
    chain = {"filters": [compose_manager(settings, methods)], "transport_socket": tls}
    return {
        "name": NAME,
        "address": address_of(settings.listen),
        "per_connection_buffer_limit_bytes": CONNECTION_BUFFER,
        # Callers keep few connections for long: each thread gets its share of them.
        "connection_balance_config": {"exact_balance": {}},
        "filter_chains": [without_none(chain | {"transport_socket_connect_timeout": duration(HANDSHAKE_SECONDS)})],
    }


def compose_manager(settings: EdgeSettings, methods: Methods) -> Config:
    """Returns what speaks HTTP."""
    return extension(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=NAME,
        codec_type="AUTO",
        route_config=compose_routes(settings, methods),
        http_filters=list(compose_filters(settings, methods)),
        access_log=compose_access_logs(settings),
        local_reply_config=compose_local_replies(settings),
        # The caller is who connects; nobody outside may say otherwise, nor whose certificate was seen.
        use_remote_address=True,
        forward_client_cert_details="SANITIZE_SET",
        set_current_client_cert_details={"subject": True, "uri": True, "dns": True},
        server_header_transformation="PASS_THROUGH",
        generate_request_id=True,
        preserve_external_request_id=True,
        max_request_headers_kb=settings.header_kib,
        request_headers_timeout=duration(settings.header_seconds),
        stream_idle_timeout=duration(settings.idle_seconds),
        common_http_protocol_options={
            "idle_timeout": duration(settings.idle_seconds),
            "max_headers_count": MOST_HEADERS,
            "headers_with_underscores_action": "ALLOW",  # Triton's clients send some
        },
        http2_protocol_options=compose_http2(settings),
        drain_timeout="1s",
    )


def compose_http2(settings: EdgeSettings) -> Config:
    """Returns what a connection may do with HTTP/2 (RFC 9113); who does more is disconnected."""
    return {
        "max_concurrent_streams": settings.streams,
        "initial_stream_window_size": STREAM_WINDOW,
        "initial_connection_window_size": CONNECTION_WINDOW,
        "max_outbound_frames": 10_000,
        "max_outbound_control_frames": 1_000,
        "max_consecutive_inbound_frames_with_empty_payload": 10,
        "max_inbound_priority_frames_per_stream": 20,
        "max_inbound_window_update_frames_per_data_frame_sent": 20,
        "connection_keepalive": {"interval": "60s", "timeout": "20s"},
    }
