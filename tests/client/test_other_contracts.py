"""`gapura call --contracts` calls services that nobody knew when the command was written."""

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from erpml.annotations.v1 import annotations_pb2
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2

from gateway.commands.call import call
from tests.client.credit_server import listening

FieldProto = descriptor_pb2.FieldDescriptorProto


def price_request() -> descriptor_pb2.DescriptorProto:
    """A request with a field of each kind, and two named like options that every command has."""
    request = descriptor_pb2.DescriptorProto(name="Request")
    kinds = [
        ("sku", FieldProto.TYPE_STRING, FieldProto.LABEL_OPTIONAL, ""),
        ("target", FieldProto.TYPE_STRING, FieldProto.LABEL_OPTIONAL, ""),
        ("rivals", FieldProto.TYPE_DOUBLE, FieldProto.LABEL_REPEATED, ""),
        ("urgent", FieldProto.TYPE_BOOL, FieldProto.LABEL_OPTIONAL, ""),
        ("season", FieldProto.TYPE_ENUM, FieldProto.LABEL_OPTIONAL, ".erpml.shop.v1.Season"),
        ("parent", FieldProto.TYPE_MESSAGE, FieldProto.LABEL_OPTIONAL, ".erpml.shop.v1.Request"),
        ("image", FieldProto.TYPE_BYTES, FieldProto.LABEL_OPTIONAL, ""),
    ]
    for number, (name, kind, label, type_name) in enumerate(kinds, start=1):
        request.field.add(name=name, number=number, type=kind, label=label, type_name=type_name or None)
    options: Any = request.field[0].options
    options.Extensions[field_behavior_pb2.field_behavior].append(field_behavior_pb2.REQUIRED)
    return request


def contracts(**services: list[str]) -> bytes:
    """Compiles services of a shop, each with the methods named; those in capitals are scored by a model."""
    file = descriptor_pb2.FileDescriptorProto(name="erpml/shop/v1/shop.proto", package="erpml.shop.v1", syntax="proto3")
    file.dependency.extend(["erpml/annotations/v1/annotations.proto", "google/api/field_behavior.proto"])
    file.message_type.append(price_request())
    season = file.enum_type.add(name="Season")
    season.value.add(name="SEASON_UNSPECIFIED", number=0)
    season.value.add(name="SEASON_WINTER", number=1)
    for service, methods in services.items():
        entry = file.service.add(name=service)
        for name in methods:
            request, response = ".erpml.shop.v1.Request", ".erpml.shop.v1.Request"
            method = entry.method.add(name=name, input_type=request, output_type=response)
            if name.startswith("Score"):
                method.options.Extensions[annotations_pb2.serving].model = "shop"
    return descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()


def run(folder: Path, compiled: bytes, *arguments: str) -> Result:
    """Runs `gapura call` with additional contracts."""
    (folder / "shop.binpb").write_bytes(compiled)
    return CliRunner().invoke(call, ["--contracts", str(folder / "shop.binpb"), *arguments])


def test_service_that_scores_one_thing_is_one_command(tmp_path: Path) -> None:
    result = run(tmp_path, contracts(PriceTagService=["ScorePrice", "ListPrices"]), "price-tag", "--help")
    assert "--sku TEXT" in result.output


def test_any_other_service_is_a_group_of_its_methods(tmp_path: Path) -> None:
    compiled = contracts(StockService=["ScoreStock", "ScoreShelf"], ShelfService=["ListShelves"])
    assert "score-shelf" in run(tmp_path, compiled, "stock", "--help").output
    assert "list-shelves" in run(tmp_path, compiled, "shelf", "--help").output


def test_services_of_one_name_carry_their_team(tmp_path: Path) -> None:
    output = run(tmp_path, contracts(CreditService=["ScoreShop"]), "--help").output
    assert "finance-credit" in output
    assert "shop-credit" in output


def test_each_kind_of_field_has_a_fitting_option(tmp_path: Path) -> None:
    compiled = contracts(PriceService=["ScorePrice"])
    text = run(tmp_path, compiled, "price", "--help").output
    assert "[SEASON_UNSPECIFIED|SEASON_WINTER]" in " ".join(text.split()).upper()
    assert "--rivals FLOAT" in text
    assert "--urgent BOOLEAN" in text


def test_field_named_like_a_common_option_keeps_both(tmp_path: Path) -> None:
    text = run(tmp_path, contracts(PriceService=["ScorePrice"]), "price", "--help").output
    assert "--request-target" in text
    assert "--target" in text


def test_values_of_each_kind_reach_the_request(tmp_path: Path) -> None:
    """The server sends each request back as its answer."""
    echo: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    handler = grpc.method_handlers_generic_handler("erpml.shop.v1.PriceService", {"ScorePrice": echo})
    values = ["--sku", "A", "--rivals", "1.5", "--rivals", "2", "--urgent", "true", "--season", "season_winter"]
    more = ["--parent", '{"sku": "B"}', "--image", "AAEC", "--request-target", "T"]
    with listening(lambda server: server.add_generic_rpc_handlers((handler,))) as target:
        compiled = contracts(PriceService=["ScorePrice"])
        result = run(tmp_path, compiled, "price", *values, *more, "--target", target)
    answer = json.loads(result.stdout)
    assert answer.pop("parent")["sku"] == "B"
    assert answer == {
        "sku": "A",
        "target": "T",
        "rivals": [1.5, 2.0],
        "urgent": True,
        "season": "SEASON_WINTER",
        "image": "AAEC",
    }


@pytest.mark.parametrize(
    "compiled", [b"\xff\xff", contracts().replace(b"field_behavior.proto", b"field_behaviox.proto")]
)
def test_unusable_contracts_are_a_usage_error(tmp_path: Path, compiled: bytes) -> None:
    result = run(tmp_path, compiled, "--help")
    assert result.exit_code == 2
    assert "--contracts" in result.output
