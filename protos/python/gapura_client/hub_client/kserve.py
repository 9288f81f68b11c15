"""The messages of `inference.GRPCInferenceService` that the hub client needs, built here.

They are the same on the wire as KServe's own, and have another package and pool, so that a process may use
`tritonclient` beside this library.
"""

from typing import Any

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool

PACKAGE = "gapura_client.kserve"
_FILE = f"{PACKAGE.replace('.', '/')}.proto"
_PLAIN = {
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
}

# Message -> its fields: name, number, type; `*` stands before the type of a repeated field.
_MESSAGES = {
    "ModelRequest": (("name", 1, "string"), ("version", 2, "string")),
    "TensorMetadata": (("name", 1, "string"), ("datatype", 2, "string"), ("shape", 3, "*int64")),
    "ModelMetadataResponse": (
        ("name", 1, "string"),
        ("versions", 2, "*string"),
        ("inputs", 4, "*TensorMetadata"),
        ("outputs", 5, "*TensorMetadata"),
    ),
    "ModelParameter": (("string_value", 1, "string"),),
    "NamedParameter": (("key", 1, "string"), ("value", 2, "ModelParameter")),  # a map, as it is on the wire
    "ModelConfig": (("max_batch_size", 4, "int32"), ("parameters", 14, "*NamedParameter")),
    "ModelConfigResponse": (("config", 1, "ModelConfig"),),
    "Tensor": (("name", 1, "string"), ("datatype", 2, "string"), ("shape", 3, "*int64")),
    "ModelInferRequest": (
        ("model_name", 1, "string"),
        ("model_version", 2, "string"),
        ("inputs", 5, "*Tensor"),
        ("raw_input_contents", 7, "*bytes"),
    ),
    "ModelInferResponse": (
        ("model_name", 1, "string"),
        ("model_version", 2, "string"),
        ("outputs", 5, "*Tensor"),
        ("raw_output_contents", 6, "*bytes"),
    ),
}


def _build() -> dict[str, Any]:
    """Returns the message classes by name."""
    file = descriptor_pb2.FileDescriptorProto(name=_FILE, package=PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            message.field.add(name=field, number=number, **_typed(kind.removeprefix("*")), label=_label(kind))
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found = pool.FindFileByName(_FILE).message_types_by_name
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in found.items()}


def _typed(kind: str) -> dict[str, Any]:
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    return {"type": descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE, "type_name": f".{PACKAGE}.{kind}"}


def _label(kind: str) -> Any:
    labels = descriptor_pb2.FieldDescriptorProto
    return labels.LABEL_REPEATED if kind.startswith("*") else labels.LABEL_OPTIONAL


_CLASSES = _build()
ModelRequest: Any = _CLASSES["ModelRequest"]
ModelMetadataResponse: Any = _CLASSES["ModelMetadataResponse"]
ModelConfigResponse: Any = _CLASSES["ModelConfigResponse"]
ModelInferRequest: Any = _CLASSES["ModelInferRequest"]
ModelInferResponse: Any = _CLASSES["ModelInferResponse"]
