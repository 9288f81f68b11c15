"""The case table: requests that every target answers alike, in code, message and bytes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from struct import pack
from typing import Any

from tritonclient.grpc import service_pb2

from gateway.edge.kserve.classes import MOST_CLASSES
from gateway.edge.kserve.contents import MOST_ELEMENTS
from tests.contract.repository import DATATYPES

ROW = pack("<3f", 1, 2, 3)
BATCH_OF_16 = pack("<16i", *range(16))
SCORES = pack("<8f", 0.5, 3.25, 3.25, -1, 1e-7, 1e9, float("inf"), 2)
SCORES_WITH_NAN = pack("<8f", 0.5, 3.25, 3.25, -1, 1e-7, 1e9, float("nan"), 2)
MANY_SCORES = pack("<1024f", *(number * 37 % 1024 / 8 for number in range(1024)))
HUGE = "9" * 30

# Name, datatype, shape, and the data: raw bytes, typed contents by field, or nothing.
TensorOf = tuple[str, str, Sequence[int], bytes | Mapping[str, Sequence[object]] | None]


@dataclass(frozen=True, slots=True)
class Case:
    """One request.

    Attributes:
        name: What it is.
        method: Method of `inference.GRPCInferenceService`.
        request: The message.
    """

    name: str
    method: str
    request: Any


def infer(
    model: str,
    *tensors: TensorOf,
    outputs: Mapping[str, Mapping[str, object]] | Sequence[str] = (),
    parameters: Mapping[str, object] | None = None,
    raw: Sequence[bytes] = (),
    **fields: str,
) -> Any:
    """Returns an inference request; `raw` goes behind the raw data of the tensors."""
    made = service_pb2.ModelInferRequest(**{"model_name": model, "id": "r1", **fields})
    for name, datatype, shape, data in tensors:
        tensor = made.inputs.add(name=name, datatype=datatype, shape=shape)
        if isinstance(data, bytes):
            made.raw_input_contents.append(data)
        elif data is not None:
            tensor.contents.SetInParent()
            for field, values in data.items():
                getattr(tensor.contents, field).extend(values)
    made.raw_input_contents.extend(raw)
    for name in outputs:
        asked = outputs[name] if isinstance(outputs, Mapping) else {}
        set_parameters(made.outputs.add(name=name).parameters, asked)
    set_parameters(made.parameters, parameters or {})
    return made


def set_parameters(target: Any, values: Mapping[str, object]) -> None:
    """Sets parameters in the field that each value's type calls for; None sets no field."""
    for name, value in values.items():
        parameter = target[name]
        if isinstance(value, bool):
            parameter.bool_param = value
        elif isinstance(value, int):
            parameter.int64_param = value
        elif isinstance(value, str):
            parameter.string_param = value
        elif isinstance(value, float):
            parameter.double_param = value


def matrix(**changes: Any) -> Any:
    """Returns a good request of one row for `matrix`, changed."""
    return infer("matrix", ("X", "FP32", [1, 3], ROW), **changes)


def failing_request(name: str) -> Any:
    """Returns a request that fits the signature of a model which fails on it."""
    return infer("failing", ("X", "FP32", [1, 3], ROW), id=name)


def whole_input(name: str) -> TensorOf:
    """Returns an input of the kind that `simple` takes."""
    return (name, "INT32", [1, 16], BATCH_OF_16)


def texts(*values: bytes) -> bytes:
    """Returns BYTES elements, each behind its length."""
    return b"".join(len(value).to_bytes(4, "little") + value for value in values)


def cases() -> list[Case]:
    """Returns the table."""
    groups = (targets(), tensors(), contents(), strings(), outputs(), classification(), parameters(), described())
    return [case for group in groups for case in group]


def of(requests: Mapping[str, Any], method: str = "ModelInfer") -> Iterator[Case]:
    """Names requests."""
    return (Case(name, method, request) for name, request in requests.items())


def targets() -> Iterator[Case]:
    """Models and versions that are there, and that are not."""
    yield from of(
        {"model_unknown": infer("nope"), "model_empty": infer(""), "request_empty": service_pb2.ModelInferRequest()}
    )
    for version in (
        "",
        "1",
        "2",
        "7",
        "01",
        "0",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1x",
        "abc",
        "1.5",
        HUGE,
        "9223372036854775808",
        "9223372036854775807",
    ):
        request = infer("versions", ("X", "FP32", [1, 2], ROW[:8]), model_version=version)
        yield Case(f"version_{version}", "ModelInfer", request)
    yield Case("version_bad_of_an_unknown_model", "ModelInfer", infer("nope", model_version="abc"))
    yield Case("version_negative_of_an_unknown_model", "ModelInfer", infer("nope", model_version="-5"))
    yield Case("version_seven_of_an_unknown_model", "ModelInfer", infer("nope", model_version="7"))
    yield from of({"id_none": matrix(id=""), "id_long": matrix(id="ä" * 100)})


def tensors() -> Iterator[Case]:
    """Inputs of every wrong kind."""
    pair = ("INPUT0", "INT32", [1, 16], BATCH_OF_16), ("INPUT1", "INT32", [1, 16], BATCH_OF_16)
    yield from of(
        {
            "good": matrix(),
            "good_rows": infer("matrix", ("X", "FP32", [8, 3], ROW * 8)),
            "good_pair": infer("simple", *pair),
            "good_pair_swapped": infer("simple", *reversed(pair)),
            "good_whole": infer("whole", ("X", "FP32", [2, 3], ROW * 2)),
            "good_anywhere": infer("anywhere", ("X", "FP32", [1, 3, 2], ROW * 2)),
            "good_anywhere_empty": infer("anywhere", ("X", "FP32", [1, 0, 2], b"")),
            "good_unbatched": infer("unbatched", ("X", "FP32", [3, 1], ROW)),
            "good_unbatched_empty": infer("unbatched", ("X", "FP32", [0, 5], b"")),
            "shape_narrow": infer("matrix", ("X", "FP32", [1, 2], ROW[:8])),
            "shape_wide": infer("matrix", ("X", "FP32", [1, 4], ROW + ROW[:4])),
            "shape_without_batch": infer("matrix", ("X", "FP32", [3], ROW)),
            "shape_deep": infer("matrix", ("X", "FP32", [1, 1, 3], ROW)),
            "shape_none": infer("matrix", ("X", "FP32", [], ROW)),
            "shape_none_whole": infer("whole", ("X", "FP32", [], ROW)),
            "shape_whole_with_batch": infer("whole", ("X", "FP32", [1, 2, 3], ROW * 2)),
            "shape_whole_wrong": infer("whole", ("X", "FP32", [3, 2], ROW * 2)),
            "shape_unspecified": infer("matrix", ("X", "FP32", [1, -1], ROW)),
            "shape_unspecified_whole": infer("whole", ("X", "FP32", [2, -1], ROW * 2)),
            "shape_unspecified_anywhere": infer("anywhere", ("X", "FP32", [1, -1, 2], ROW * 2)),
            "shape_negative": infer("matrix", ("X", "FP32", [1, -3], ROW)),
            "shape_negative_anywhere": infer("anywhere", ("X", "FP32", [1, -3, 2], ROW * 2)),
            "shape_negative_unbatched": infer("unbatched", ("X", "FP32", [-3, -2], ROW * 2)),
            "shape_overflow": infer("unbatched", ("X", "FP32", [2**62, 4], ROW)),
            "shape_overflow_wraps": infer("unbatched", ("X", "FP32", [2**61, 8], b"")),
            "rows_none": infer("matrix", ("X", "FP32", [0, 3], b"")),
            "rows_none_narrow": infer("matrix", ("X", "FP32", [0, 2], b"")),
            "rows_none_with_bytes": infer("matrix", ("X", "FP32", [0, 3], ROW)),
            "rows_negative": infer("matrix", ("X", "FP32", [-1, 3], ROW)),
            "rows_very_negative": infer("matrix", ("X", "FP32", [-5, 3], b"")),
            "rows_too_many": infer("matrix", ("X", "FP32", [9, 3], ROW * 9)),
            "rows_too_many_and_narrow": infer("matrix", ("X", "FP32", [9, 2], ROW * 9)),
            "rows_too_many_of_another_type": infer("matrix", ("X", "FP64", [9, 3], ROW * 9)),
            "rows_two_to_the_32": infer("matrix", ("X", "FP32", [2**32, 3], b"")),
            "rows_two_to_the_32_and_one": infer("matrix", ("X", "FP32", [2**32 + 1, 3], ROW)),
            "rows_disagree": infer("simple", pair[0], ("INPUT1", "INT32", [2, 16], BATCH_OF_16 * 2)),
            "rows_disagree_none": infer("simple", ("INPUT0", "INT32", [0, 16], b""), pair[1]),
            "rows_disagree_and_too_many": infer("simple", pair[0], ("INPUT1", "INT32", [9, 16], BATCH_OF_16 * 9)),
            "type_wrong": infer("matrix", ("X", "FP64", [1, 3], ROW * 2)),
            "type_wrong_and_narrow": infer("matrix", ("X", "FP64", [1, 2], ROW)),
            "type_unknown": infer("matrix", ("X", "FLOAT", [1, 3], ROW)),
            "type_empty": infer("matrix", ("X", "", [1, 3], ROW)),
            "type_lower": infer("matrix", ("X", "fp32", [1, 3], ROW)),
            "type_bf16": infer("matrix", ("X", "BF16", [1, 3], ROW)),
            "bytes_few": infer("matrix", ("X", "FP32", [1, 3], ROW[:-1])),
            "bytes_many": infer("matrix", ("X", "FP32", [1, 3], ROW + b"\0")),
            "bytes_none": infer("matrix", ("X", "FP32", [1, 3], b"")),
            "bytes_few_and_type_wrong": infer("matrix", ("X", "FP64", [1, 3], ROW)),
            "bytes_few_and_narrow": infer("matrix", ("X", "FP32", [1, 2], ROW)),
            "bytes_few_second": infer("simple", pair[0], ("INPUT1", "INT32", [1, 16], b"1234")),
            "bytes_few_both": infer(
                "simple", ("INPUT0", "INT32", [1, 16], b"123"), ("INPUT1", "INT32", [1, 16], b"1234")
            ),
            "data_none": infer("matrix", ("X", "FP32", [1, 3], None)),
            "data_none_second": infer("simple", pair[0], ("INPUT1", "INT32", [1, 16], None)),
            "data_surplus": matrix(raw=[b"more"]),
            "data_none_and_unknown_name": infer("matrix", ("Z", "FP32", [1, 3], None)),
            "input_none": infer("matrix"),
            "input_none_anonymous": infer("matrix", id=""),
            "input_none_with_raw": infer("matrix", raw=[ROW]),
            "input_none_of_two": infer("simple"),
            "input_one_of_two": infer("simple", pair[0]),
            "input_other_of_two": infer("simple", pair[1]),
            "input_unknown": infer("matrix", ("Z", "FP32", [1, 3], ROW)),
            "input_unknown_anonymous": infer("matrix", ("Z", "FP32", [1, 3], ROW), id=""),
            "input_unknown_whole": infer("whole", ("Z", "FP32", [2, 3], ROW * 2)),
            "input_unknown_and_no_shape": infer("matrix", ("Z", "FP32", [], ROW)),
            "input_unknown_of_two": infer("simple", pair[0], ("Z", "INT32", [1, 16], BATCH_OF_16)),
            "input_unknown_besides": infer("matrix", ("X", "FP32", [1, 3], ROW), ("Z", "FP32", [1, 3], ROW)),
            "input_unknown_besides_two": infer("simple", *pair, ("Z", "INT32", [1, 16], BATCH_OF_16)),
            "input_unknown_two": infer("matrix", ("A", "FP32", [1, 3], ROW), ("Z", "FP32", [1, 3], ROW)),
            "input_unknown_three": infer("simple", *[whole_input(name) for name in ("A", "B", "C")]),
            "input_unknown_many": infer("simple", *[whole_input(f"NAME{number}") for number in range(20)]),
            "input_lower": infer("matrix", ("x", "FP32", [1, 3], ROW)),
            "input_twice": infer("matrix", ("X", "FP32", [1, 3], ROW), ("X", "FP32", [1, 3], ROW)),
            "input_twice_anonymous": infer("matrix", ("X", "FP32", [1, 3], ROW), ("X", "FP32", [1, 3], ROW), id=""),
            "input_twice_of_two": infer("simple", pair[0], pair[0]),
            "input_nameless": infer("matrix", ("", "FP32", [1, 3], ROW)),
            "input_with_zero_byte": infer("matrix", ("X\0Y", "FP32", [1, 3], ROW)),
            "both_wrong": infer(
                "simple", ("INPUT0", "FP32", [1, 16], BATCH_OF_16), ("INPUT1", "INT64", [1, 16], BATCH_OF_16 * 2)
            ),
            "both_narrow": infer(
                "simple", ("INPUT0", "INT32", [1, 15], BATCH_OF_16), ("INPUT1", "INT32", [1, 14], BATCH_OF_16)
            ),
            "one_narrow_other_mistyped": infer(
                "simple", ("INPUT0", "INT32", [1, 15], BATCH_OF_16), ("INPUT1", "INT64", [1, 16], BATCH_OF_16)
            ),
        }
    )
    for datatype in DATATYPES[:-1]:
        request = infer(f"same_{datatype.lower()}", ("X", datatype, [2, 2], bytes(4 * SIZES[datatype])))
        yield Case(f"good_{datatype}", "ModelInfer", request)


SIZES = {"BOOL": 1, "INT8": 1, "UINT8": 1, "INT16": 2, "UINT16": 2, "FP16": 2, "INT32": 4, "UINT32": 4, "FP32": 4} | {
    "INT64": 8,
    "UINT64": 8,
    "FP64": 8,
}
FIELDS: Mapping[str, Sequence[object]] = {
    "bool_contents": [True, False],
    "int_contents": [-3, 300],
    "int64_contents": [-3, 2**40],
    "uint_contents": [3, 70_000],
    "uint64_contents": [3, 2**63],
    "fp32_contents": [1.5, -2],
    "fp64_contents": [1.5, -2],
    "bytes_contents": [b"a", b""],
}


def contents() -> Iterator[Case]:
    """Typed contents: each field against each datatype, and wrong in number."""
    for datatype in DATATYPES:
        for field, values in FIELDS.items():
            request = infer(f"same_{datatype.lower()}", ("X", datatype, [1, 2], {field: values}))
            yield Case(f"contents_{datatype}_{field}", "ModelInfer", request)
    three, many = {"fp32_contents": [1, 2, 3]}, {"fp32_contents": [1] * (MOST_ELEMENTS + 1)}
    yield from of(
        {
            "contents_few": infer("matrix", ("X", "FP32", [1, 3], {"fp32_contents": [1, 2]})),
            "contents_many": infer("matrix", ("X", "FP32", [1, 3], {"fp32_contents": [1, 2, 3, 4]})),
            "contents_too_many": infer("unbatched", ("X", "FP32", [1, MOST_ELEMENTS + 1], many)),
            "contents_empty": infer("matrix", ("X", "FP32", [1, 3], {})),
            "contents_empty_of_zero": infer("anywhere", ("X", "FP32", [1, 0, 2], {})),
            "contents_two_fields": infer("matrix", ("X", "FP32", [1, 3], {**three, "int_contents": [1, 2, 3]})),
            "contents_two_wrong_fields": infer(
                "matrix", ("X", "FP32", [1, 3], {"bool_contents": [True], "int_contents": [1]})
            ),
            "contents_two_later": infer("matrix", ("X", "FP32", [1, 3], {**three, "fp64_contents": [1, 2, 3]})),
            "contents_and_raw": infer("matrix", ("X", "FP32", [1, 3], three), raw=[ROW]),
            "contents_and_raw_unknown": infer("matrix", ("Z", "FP32", [1, 3], three), raw=[ROW]),
            "contents_of_one_raw_of_other": infer(
                "simple",
                ("INPUT0", "INT32", [1, 16], {"int_contents": range(16)}),
                ("INPUT1", "INT32", [1, 16], BATCH_OF_16),
            ),
            "contents_of_one_none_of_other": infer(
                "simple", ("INPUT0", "INT32", [1, 16], {"int_contents": range(16)}), ("INPUT1", "INT32", [1, 16], None)
            ),
            "contents_of_both": infer(
                "simple", *[(f"INPUT{n}", "INT32", [1, 16], {"int_contents": range(16)}) for n in (0, 1)]
            ),
            "contents_type_unknown": infer("matrix", ("X", "FLOAT", [1, 3], three)),
            "contents_type_empty_bool": infer("matrix", ("X", "", [1, 3], {"bool_contents": [True]})),
            "contents_declared_otherwise": infer("matrix", ("X", "FP64", [1, 3], {"fp64_contents": [1, 2, 3]})),
            "contents_few_of_two": infer(
                "simple", *[(f"INPUT{n}", "INT32", [1, 16], {"int_contents": range(n + 1)}) for n in (0, 1)]
            ),
            "contents_texts_few": infer("same_bytes", ("X", "BYTES", [1, 2], {"bytes_contents": [b"a"]})),
            "contents_texts_many": infer("same_bytes", ("X", "BYTES", [1, 2], {"bytes_contents": [b"a", b"b", b"c"]})),
            "contents_texts_not_utf8": infer(
                "same_bytes", ("X", "BYTES", [1, 2], {"bytes_contents": [b"a", "ü".encode()]})
            ),
        }
    )


def strings() -> Iterator[Case]:
    """BYTES tensors, well formed and not."""
    forms: Mapping[str, tuple[Sequence[int], bytes]] = {
        "good": ([1, 2], texts(b"a", "ü".encode())),
        "good_rows": ([2, 2], texts(b"a", b"", b"ccc", b"d")),
        "few": ([1, 2], texts(b"a")),
        "many": ([1, 2], texts(b"a", b"b", b"c")),
        "none": ([1, 2], b""),
        "short_prefix": ([1, 2], texts(b"a") + b"\1\0"),
        "prefix_alone": ([1, 2], texts(b"a") + b"\1\0\0\0"),
        "overlong": ([1, 2], texts(b"a") + b"\xff\0\0\0b"),
        "overlong_first": ([1, 2], b"\xff\xff\xff\xff" + texts(b"a", b"b")),
        "trailing": ([1, 2], texts(b"a", b"b") + b"\0"),
        "trailing_prefix": ([1, 2], texts(b"a", b"b") + b"\1\0\0\0"),
        "shape_overflow": ([2**62, 2], b""),
        "rows_none": ([0, 2], b""),
        "narrow": ([1, 1], texts(b"a")),
    }
    for name, (shape, data) in forms.items():
        yield Case(f"text_{name}", "ModelInfer", infer("same_bytes", ("X", "BYTES", shape, data)))
    for name, count in {"some": 1000, "too_many": MOST_ELEMENTS + 1}.items():
        yield Case(f"text_{name}", "ModelInfer", infer("words", ("X", "BYTES", [1, count], bytes(4 * count))))


def outputs() -> Iterator[Case]:
    """Outputs that are asked for."""
    pair = ("INPUT0", "INT32", [1, 16], BATCH_OF_16), ("INPUT1", "INT32", [1, 16], BATCH_OF_16)
    yield from of(
        {
            "output_one": infer("simple", *pair, outputs=["OUTPUT1"]),
            "output_swapped": infer("simple", *pair, outputs=["OUTPUT1", "OUTPUT0"]),
            "output_unknown": matrix(outputs=["nope"]),
            "output_unknown_anonymous": matrix(outputs=["nope"], id=""),
            "output_unknown_besides": infer("simple", *pair, outputs=["OUTPUT0", "nope"]),
            "output_unknown_two": infer("simple", *pair, outputs=["zz", "aa"]),
            "output_unknown_and_input_missing": infer("matrix", outputs=["nope"]),
            "output_unknown_and_shape": infer("matrix", ("X", "FP32", [1, 2], ROW), outputs=["nope"]),
            "output_unknown_and_bytes": infer("matrix", ("X", "FP32", [1, 3], b""), outputs=["nope"]),
            "output_unknown_and_no_data": infer("matrix", ("X", "FP32", [1, 3], None), outputs=["nope"]),
            "output_nameless": matrix(outputs=[""]),
            "output_parameter_unknown": matrix(outputs={"Y": {"custom": "x"}}),
            "output_binary_data": matrix(outputs={"Y": {"binary_data": False}}),
        }
    )
    twice = infer("simple", *pair, outputs=["OUTPUT0"])
    twice.outputs.add(name="OUTPUT0")
    yield Case("output_twice", "ModelInfer", twice)


def classification() -> Iterator[Case]:
    """The best k of an output."""
    two = ("X", "FP32", [2, 4], SCORES)
    for k in (0, 1, 2, 3, 4, 5, 100, -1, 2**40, 2**31, 2**32 + 2):
        yield Case(f"classes_{k}", "ModelInfer", infer("classes", two, outputs={"P": {"classification": k}}))
    for name, value in {"text": "2", "flag": True, "number": 2.0, "nothing": None}.items():
        yield Case(f"classes_{name}", "ModelInfer", infer("classes", two, outputs={"P": {"classification": value}}))
    yield Case("classes_parameter", "ModelInfer", infer("classes", two, parameters={"classification": 2}))
    for datatype in DATATYPES[:-1]:
        size = SIZES[datatype]
        data = (b"\x01" * size + bytes(size)) * 2 if datatype == "BOOL" else bytes(range(1, 4 * size + 1))
        request = infer(f"same_{datatype.lower()}", ("X", datatype, [2, 2], data), outputs={"Y": {"classification": 2}})
        yield Case(f"classes_of_{datatype}", "ModelInfer", request)
    pair = ("INPUT0", "INT32", [1, 16], BATCH_OF_16), ("INPUT1", "INT32", [1, 16], BATCH_OF_16)
    text = ("X", "BYTES", [1, 2], texts(b"a", b"b"))
    yield from of(
        {
            "classes_too_many": infer(
                "unbatched",
                ("X", "FP32", [1, MOST_CLASSES + 1], bytes(4 * (MOST_CLASSES + 1))),
                outputs={"Y": {"classification": MOST_CLASSES + 1}},
            ),
            "classes_few_of_many": infer(
                "unbatched", ("X", "FP32", [2, 512], MANY_SCORES), outputs={"Y": {"classification": 300}}
            ),
            "classes_ties_among_many": infer(
                "unbatched", ("X", "FP32", [2, 512], SCORES * 128), outputs={"Y": {"classification": 300}}
            ),
            "classes_of_text": infer("same_bytes", text, outputs={"Y": {"classification": 1}}),
            "classes_whole": infer("whole", ("X", "FP32", [2, 3], ROW * 2), outputs={"Y": {"classification": 2}}),
            "classes_whole_many": infer("whole", ("X", "FP32", [2, 3], ROW * 2), outputs={"Y": {"classification": 9}}),
            "classes_deep": infer("anywhere", ("X", "FP32", [2, 3, 2], ROW * 4), outputs={"Y": {"classification": 2}}),
            "classes_empty": infer("anywhere", ("X", "FP32", [1, 0, 2], b""), outputs={"Y": {"classification": 2}}),
            "classes_of_one_output": infer("simple", *pair, outputs={"OUTPUT0": {"classification": 3}, "OUTPUT1": {}}),
            "classes_of_unknown_output": matrix(outputs={"nope": {"classification": 1}}),
            "classes_nan": infer(
                "classes", ("X", "FP32", [2, 4], SCORES_WITH_NAN), outputs={"P": {"classification": 4}}
            ),
            "classes_negative_and_shape": infer(
                "classes", ("X", "FP32", [2, 3], SCORES), outputs={"P": {"classification": -1}}
            ),
        }
    )


def parameters() -> Iterator[Case]:
    """Parameters of the request, its inputs and its outputs."""
    for name in (
        "timeout",
        "priority",
        "sequence_id",
        "sequence_start",
        "sequence_end",
        "custom",
        "binary_data_output",
    ):
        for kind, value in {
            "int": 7,
            "negative": -1,
            "zero": 0,
            "bool": True,
            "text": "x",
            "number": 0.5,
            "nothing": None,
        }.items():
            yield Case(f"parameter_{name}_{kind}", "ModelInfer", matrix(parameters={name: value}))
    for name in ("triton_", "triton_custom", "triton_enable_empty_final_response"):
        for value in (True, False, 1, "x"):
            yield Case(f"parameter_{name}_{value}", "ModelInfer", matrix(parameters={name: value}))
    unsigned = matrix()
    unsigned.parameters["priority"].uint64_param = 2**63
    yield Case("parameter_priority_unsigned", "ModelInfer", unsigned)
    custom = matrix()
    custom.parameters["custom"].uint64_param = 1
    yield Case("parameter_custom_unsigned", "ModelInfer", custom)
    sequence = infer(
        "whole",
        ("X", "FP32", [2, 3], ROW * 2),
        parameters={"sequence_id": 7, "sequence_start": True, "sequence_end": True},
    )
    yield Case("sequence_of_a_plain_model", "ModelInfer", sequence)
    of_input = matrix()
    set_parameters(of_input.inputs[0].parameters, {"custom": 1, "binary_data_size": 12})
    yield Case("parameter_of_an_input", "ModelInfer", of_input)
    yield from shared_memory()
    yield from of(
        {
            "parameter_bad_and_input_missing": infer("matrix", parameters={"timeout": "x"}),
            "parameter_bad_and_model_unknown": infer("nope", parameters={"timeout": "x"}),
            "parameter_bad_and_input_twice": infer(
                "matrix", ("X", "FP32", [1, 3], ROW), ("X", "FP32", [1, 3], ROW), parameters={"timeout": "x"}
            ),
            "shm_partial": infer("matrix", ("X", "FP32", [1, 3], ROW), outputs={"Y": {"shared_memory_offset": 0}}),
        }
    )


def shared_memory() -> Iterator[Case]:
    """Tensors in shared memory, and the calls that manage it."""
    region = {"shared_memory_region": "r", "shared_memory_byte_size": 12}
    shared = infer("matrix", ("X", "FP32", [1, 3], None))
    set_parameters(shared.inputs[0].parameters, region)
    yield Case("shm_input", "ModelInfer", shared)
    yield Case("shm_output", "ModelInfer", matrix(outputs={"Y": region}))
    for name, values in {
        "byte_size_alone": {"shared_memory_byte_size": 12},
        "typed": {"shared_memory_region": 1},
    }.items():
        request = infer("matrix", ("X", "FP32", [1, 3], None))
        set_parameters(request.inputs[0].parameters, values)
        yield Case(f"shm_{name}", "ModelInfer", request)
    for kind in ("System", "Cuda"):
        for method in ("Status", "Register", "Unregister"):
            request = getattr(service_pb2, f"{kind}SharedMemory{method}Request")()
            yield Case(f"shm_{kind.lower()}_{method.lower()}", f"{kind}SharedMemory{method}", request)


def described() -> Iterator[Case]:
    """What describes models."""
    for method, kind in {
        "ModelReady": "ModelReadyRequest",
        "ModelMetadata": "ModelMetadataRequest",
        "ModelConfig": "ModelConfigRequest",
        "ModelStatistics": "ModelStatisticsRequest",
    }.items():
        request = getattr(service_pb2, kind)
        names = [
            ("nope", ""),
            ("nope", "1"),
            ("versions", "7"),
            ("versions", "abc"),
            ("nope", "abc"),
            ("versions", "-1"),
            ("versions", "0"),
        ]
        if method != "ModelStatistics":
            names += [
                ("versions", ""),
                ("versions", "1"),
                ("versions", "2"),
                ("simple", ""),
                ("whole", ""),
                ("classes", ""),
            ]
            names += [("same_bytes", ""), ("unbatched", ""), ("anywhere", ""), ("", "")]
        for name, version in names:
            yield Case(f"{method}_{name}_{version}", method, request(name=name, version=version))
    yield Case("index_of_a_repository", "RepositoryIndex", service_pb2.RepositoryIndexRequest(repository_name="r"))
    yield Case("index", "RepositoryIndex", service_pb2.RepositoryIndexRequest())
    yield Case("index_ready", "RepositoryIndex", service_pb2.RepositoryIndexRequest(ready=True))
    yield Case("live", "ServerLive", service_pb2.ServerLiveRequest())
    yield Case("ready", "ServerReady", service_pb2.ServerReadyRequest())
    yield Case("metadata", "ServerMetadata", service_pb2.ServerMetadataRequest())
    yield Case("load_unknown", "RepositoryModelLoad", service_pb2.RepositoryModelLoadRequest(model_name="nope"))
    yield Case(
        "load_from_a_repository",
        "RepositoryModelLoad",
        service_pb2.RepositoryModelLoadRequest(repository_name="r", model_name="matrix"),
    )
    yield Case("unload_unknown", "RepositoryModelUnload", service_pb2.RepositoryModelUnloadRequest(model_name="nope"))
    yield Case(
        "unload_from_a_repository",
        "RepositoryModelUnload",
        service_pb2.RepositoryModelUnloadRequest(repository_name="r", model_name="matrix"),
    )
