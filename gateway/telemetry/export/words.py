"""Names of attributes: those of the semantic conventions, and ours under `erp.*`.

https://opentelemetry.io/docs/specs/semconv/rpc/
"""

from gateway.telemetry.layout import Labels
from gateway.telemetry.words import SERVER_ERROR_NAMES

Attributes = dict[str, str | int | float | bool | list[str]]

RPC_SYSTEM, RPC_METHOD, RPC_CODE = "rpc.system.name", "rpc.method", "rpc.response.status_code"
METHOD_AS_ASKED = "rpc.method_original"
SERVER_ADDRESS, SERVER_PORT = "server.address", "server.port"
ERROR_TYPE = "error.type"
GRPC, OTHER = "grpc", "_OTHER"
INFER = "inference.GRPCInferenceService/ModelInfer"
EMBEDDED = "embedded"

# Labels of families, where the name does not follow from the label.
RENAMED = {"code": RPC_CODE, "status": "erp.feature.status", "why": "erp.kept", "where": "erp.dropped_by"}


def attributes_of(names: Labels, values: Labels) -> Attributes:
    """Returns the attributes of a series; a label without a value is none."""
    told = {name: value for name, value in zip(names, values, strict=True) if value}
    found: Attributes = {}
    if "method" in names:
        service, method = told.pop("service", OTHER), told.pop("method", OTHER)
        found |= {RPC_SYSTEM: GRPC, RPC_METHOD: OTHER if OTHER in (service, method) else f"{service}/{method}"}
    if told.get("code") in SERVER_ERROR_NAMES:
        found[ERROR_TYPE] = told["code"]
    if "node" in told:
        found |= address_of(told.pop("node"))
    return found | {RENAMED.get(name, f"erp.{name}"): value for name, value in told.items()}


def address_of(node: str) -> Attributes:
    """Returns the address and port of `host:port`; what has no port is all address."""
    host, colon, port = node.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        return {SERVER_ADDRESS: node} if node else {}
    return {SERVER_ADDRESS: host.removeprefix("[").removesuffix("]"), SERVER_PORT: int(port)}
