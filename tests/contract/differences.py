"""Where the gateway answers otherwise than Triton 2.51, on purpose: what it says, and why."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """One deliberate difference.

    Attributes:
        code: What the gateway answers.
        message: Part of what it says; of an answer, part of its text form.
        reason: Why not as Triton does.
        safe: Whether Triton survives the request; where it does not, the suite does not send it there.
    """

    code: str
    message: str
    reason: str
    safe: bool = True


SHAPE = "are not those of any tensor"
LIMIT = "[request id: r1] inference request batch-size must be <= 8 for"
HASHED = "Triton lists names in the order of a hash table; the gateway in the order given, the last one first"
NARROWED = "Triton keeps 32 bits of the number of rows, and so lets requests of four billion rows pass as one"
STUB = "Triton gives such a shape to its python backend, whose process dies of it"

DIFFERENCES: Mapping[str, Difference] = {
    "classes_of_text": Difference(
        "INVALID_ARGUMENT",
        "class result not available for output due to unsupported type 'BYTES'",
        "classification of a BYTES output ends the whole tritonserver process",
        safe=False,
    ),
    "shape_negative_unbatched": Difference("INVALID_ARGUMENT", SHAPE, STUB, safe=False),
    "shape_overflow_wraps": Difference("INVALID_ARGUMENT", SHAPE, STUB, safe=False),
    "rows_none_with_bytes": Difference(
        "INVALID_ARGUMENT", SHAPE, "Triton takes no rows for one row, and the model fails on the shape it is given"
    ),
    "rows_two_to_the_32": Difference("INVALID_ARGUMENT", LIMIT, NARROWED),
    "rows_two_to_the_32_and_one": Difference("INVALID_ARGUMENT", LIMIT, NARROWED),
    "text_shape_overflow": Difference("INVALID_ARGUMENT", LIMIT, NARROWED),
    "input_unknown_three": Difference("INVALID_ARGUMENT", "Got input(s) ['C','B','A'], but missing", HASHED),
    "input_unknown_many": Difference("INVALID_ARGUMENT", "Got input(s) ['NAME19','NAME18',", HASHED),
    "input_with_zero_byte": Difference(
        "INVALID_ARGUMENT", "unexpected inference input 'X\0Y'", "Triton cuts names at a zero byte, as C does"
    ),
    "classes_nan": Difference(
        "OK", "2.000000:3:wren", "Triton sorts NaN by chance, here before a 2; the gateway puts it last"
    ),
    "classes_too_many": Difference(
        "INVALID_ARGUMENT", "ask for fewer classes", "writing the texts would hold up the gateway's other calls"
    ),
    "text_too_many": Difference(
        "INVALID_ARGUMENT", "send 1000000 at most in one tensor", "reading them would hold up the gateway's other calls"
    ),
    "contents_too_many": Difference(
        "INVALID_ARGUMENT", "send raw_input_contents", "packing them would hold up the gateway's other calls"
    ),
    "classes_ties_among_many": Difference(
        "OK",
        "3.250000:169\\014\\000\\000\\0003.250000:170",
        "Triton sorts equal scores of more than 16 by chance; the gateway in their order",
    ),
    "metadata": Difference("OK", 'name: "gapura"', "the gateway names itself, and only the extensions that it serves"),
    "shm_input": Difference("UNIMPLEMENTED", "shared memory is not served", "callers and nodes share no host"),
    "shm_output": Difference("UNIMPLEMENTED", "shared memory is not served", "callers and nodes share no host"),
    **{
        f"shm_{name}": Difference("UNIMPLEMENTED", "shared memory is not served", "callers and nodes share no host")
        for name in ("system_status", "system_register", "cuda_status", "cuda_register")
    },
}
