"""What the configuration that all versions of a model share can say, and what it cannot."""

from collections.abc import Iterable

from gateway.tensors import BYTES, ELEMENT_BYTES
from gateway.types import ModelVersion, TensorSpec

DATATYPES = frozenset({BYTES, *ELEMENT_BYTES})
SHARED = "versions that are live together share one configuration"


def unwritable(version: ModelVersion) -> str:
    """Says which tensor of a version no configuration could carry."""
    signature = version.signature
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for spec in specs:
            if spec.datatype not in DATATYPES:
                return f"{kind} '{spec.name}' has the datatype '{spec.datatype}', which is not one of KServe v2"
            if not spec.name or any(size == 0 or size < -1 for size in spec.dims):
                return f"{kind} '{spec.name}' has dims {list(spec.dims)}: sizes are above 0, or -1 for any"
        if len({spec.name for spec in specs}) < len(specs):
            return f"two {kind}s have the same name"
    return ""


def difference(version: ModelVersion, champion: ModelVersion) -> str:
    """Says what a version has otherwise than the champion: all versions of a model share one configuration."""
    own, shared = ports_of(version), ports_of(champion)
    told = (f"{what} {own[what]}, not {shared[what]} as version {champion.number}" for what in own)
    return next(
        (f"has {each}: {SHARED}" for each, what in zip(told, own, strict=True) if own[what] != shared[what]), ""
    )


def ports_of(version: ModelVersion) -> dict[str, str]:
    """Returns what a configuration says of a version, by what it speaks of."""
    return {
        "max_batch_size": str(version.max_batch_size),
        "inputs": describe(version.signature.inputs),
        "outputs": describe(version.signature.outputs),
    }


def describe(specs: Iterable[TensorSpec]) -> str:
    """Writes tensors for people, in an order of their own."""
    return ", ".join(sorted(f"{spec.name} {spec.datatype} {list(spec.dims)}" for spec in specs))
