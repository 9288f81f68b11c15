"""Finds out which outputs a KServe v2 request wants, and as what."""

from collections.abc import Iterable
from typing import Any

from gateway.backends.operations import ONE_OF
from gateway.types import ModelVersion

CLASSIFICATION = "classification"
REGION, OFFSET, BYTE_SIZE = "shared_memory_region", "shared_memory_offset", "shared_memory_byte_size"
LOW_32_BITS = 0xFFFF_FFFF

# Position of an output in the signature, and how many of its best classes are wanted, or None for its tensor.
Wanted = Iterable[tuple[int, int | None]]


def read_outputs(request: Any, version: ModelVersion) -> Wanted | None:
    """Returns the outputs in the signature's order, whatever order asks for them; nothing where one cannot be had."""
    specs = version.signature.outputs
    if not request.outputs:
        return [(position, None) for position in range(len(specs))]
    wanted: dict[str, int | None] = {}
    for output in request.outputs:
        wanted[output.name] = None
        if output.parameters:
            classes = read_classes(output)
            if classes is None and not fine(output):
                return None
            wanted[output.name] = classes
    found = [(position, wanted.pop(spec.name)) for position, spec in enumerate(specs) if spec.name in wanted]
    return None if wanted else found


def fine(output: Any) -> bool:
    """Says whether an output's parameters ask for nothing that cannot be had."""
    return not any(name in output.parameters for name in (REGION, OFFSET, BYTE_SIZE, CLASSIFICATION))


def read_classes(output: Any) -> int | None:
    """Returns how many classes are wanted, cut to 32 bits as Triton does; nothing where that is not well said."""
    if CLASSIFICATION not in output.parameters or any(
        name in output.parameters for name in (REGION, OFFSET, BYTE_SIZE)
    ):
        return None
    parameter = output.parameters[CLASSIFICATION]
    well_said = parameter.WhichOneof(ONE_OF) == "int64_param" and parameter.int64_param > 0
    return parameter.int64_param & LOW_32_BITS if well_said else None
