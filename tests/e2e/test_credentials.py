"""Every RPC of every service, as callers see it who have no business there: refused, without a hint of what there is.

The RPCs are those of the descriptors, so that a new one cannot be forgotten.
"""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToJson
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from tritonclient.grpc import service_pb2

from gateway.tenancy.changing import changing_tenants
from tests.conftest import Published
from tests.e2e.serving import COMMAND, add_tenant, scratch_environment, serve

MODEL, MADE_UP = "team3_credit_scoring", "team3_credit_nothing"
VIEW, FEATURE_STORE = "customer_credit", "/erpml.hub.v1.FeatureStoreService/"
ISSUER, AUDIENCE = "https://login.erp.example", "gapura"
OPEN = {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"}
HEADER_ALG_NONE = {"alg": "none", "typ": "JWT"}
SHOWN = ("team3", "credit")


def load_contracts() -> DescriptorPool:
    """Returns the typed contracts, in a pool of their own."""
    pool = DescriptorPool()
    described = descriptor_pb2.FileDescriptorSet.FromString(files("erpml").joinpath("contracts.binpb").read_bytes())
    for file in described.file:
        pool.Add(file)
    return pool


def all_methods() -> Iterator[MethodDescriptor]:
    """Yields every RPC that the gateway serves: typed ones, Triton's, health and reflection."""
    described = descriptor_pb2.FileDescriptorSet.FromString(files("erpml").joinpath("contracts.binpb").read_bytes())
    pool = load_contracts()
    for file in described.file:
        for service in pool.FindFileByName(file.name).services_by_name.values():
            yield from service.methods
    for module in (service_pb2, health_pb2, reflection_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from service.methods


METHODS = {f"/{method.containing_service.full_name}/{method.name}": method for method in all_methods()}


@dataclass(frozen=True, slots=True)
class Doors:
    """A gateway with tenants of every kind, and metadata by which somebody tries to get in.

    Attributes:
        address: Where it listens.
        good: Metadata of a caller that is let in.
        bad: Metadata of those that are not known, by what is wrong with them.
        foreign: Metadata of a tenant of another team.
    """

    address: str
    good: Mapping[str, str]
    bad: Mapping[str, Mapping[str, str]]
    foreign: Mapping[str, str]


def sign(key: Any, **claims: Any) -> str:
    """Returns a token of the issuer for the tenant `finance`, but for these claims."""
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "finance-erp", "exp": time.time() + 600}
    return jwt.encode(usual | claims, key, algorithm="RS256", headers={"kid": "one"})


def bearer(token: str) -> dict[str, str]:
    """Returns metadata with a token."""
    return {"authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def doors(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """Serves with tenants by key and by token."""
    folder = tmp_path_factory.mktemp("doors")
    tenants = folder / "tenants.yaml"
    private, other = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    public = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key())), "kid": "one", "alg": "RS256"}
    (folder / "jwks.json").write_text(json.dumps({"keys": [public]}))
    issuer = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": str(folder / "jwks.json")}
    tenants.write_text(yaml.safe_dump({"issuers": [issuer]}))
    environment = scratch_environment(published.environment, TENANTS=str(tenants), USAGE=str(folder / "usage"))
    good = add_tenant(environment, "finance", "team3_*", "--operator", "--token", f"{ISSUER} finance-erp")
    expired = add_tenant(environment, "late", "team3_*", "--operator")
    revoked = add_tenant(environment, "gone", "team3_*", "--operator")
    foreign = add_tenant(environment, "support", "team7_*", "--services", "*")
    expire(tenants, "late")
    subprocess.run([*COMMAND, "tenants", "revoke", "gone", "--all"], env=environment, check=True, capture_output=True)
    unsigned = ".".join(
        (
            *(
                jwt.utils.base64url_encode(json.dumps(part).encode()).decode()
                for part in (
                    HEADER_ALG_NONE,
                    {"iss": ISSUER, "aud": AUDIENCE, "sub": "finance-erp", "exp": time.time() + 600},
                )
            ),
            "",
        )
    )
    bad = {
        "no key": {},
        "wrong key": {"x-api-key": f"{good[:-1]}{'A' if good[-1] != 'A' else 'B'}"},
        "made-up key": {"x-api-key": "gapura_00000000_nothing"},
        "expired key": {"x-api-key": expired},
        "revoked key": {"x-api-key": revoked},
        "expired token": bearer(sign(private, exp=time.time() - 600)),
        "token of another issuer": bearer(sign(private, iss="https://elsewhere.example")),
        "token signed by another": bearer(sign(other)),
        "token for another audience": bearer(sign(private, aud="another")),
        "token of nobody": bearer(sign(private, sub="nobody")),
        "alg none": bearer(unsigned),
        "no token": {"authorization": "Basic Zm9vOmJhcg=="},
        "good key, bad token": {"x-api-key": good, **bearer(sign(other))},
    }
    with serve(environment) as (_, address):
        yield Doors(address, {"x-api-key": good}, bad, {"x-api-key": foreign})
        with grpc.insecure_channel(
            address
        ) as channel:  # the issuer's token is good, so bad ones were bad for their fault
            assert (
                outcome(channel, "/inference.GRPCInferenceService/ServerLive", MODEL, bearer(sign(private)))[0] == "OK"
            )


def expire(tenants: Path, name: str) -> None:
    """Lets a tenant's keys have expired."""
    with changing_tenants(tenants) as known:
        past = datetime.now(UTC) - timedelta(minutes=1)
        keys = tuple(key.model_copy(update={"expires_at": past}) for key in known[name].keys)
        known[name] = known[name].model_copy(update={"keys": keys})


def names_at(path: str) -> tuple[str, str]:
    """Returns the name of something that there is, a model or a feature view, and a made-up one."""
    return (VIEW, MADE_UP) if path.startswith(FEATURE_STORE) else (MODEL, MADE_UP)


def request_of(method: MethodDescriptor, model: str) -> Any:
    """Returns a request that names a model wherever one can be named."""
    request = message_factory.GetMessageClass(method.input_type)()
    for field in ("name", "model_name", "service", "file_containing_symbol", "view"):
        if field in method.input_type.fields_by_name:
            setattr(request, field, model)
    return request


def outcome(channel: grpc.Channel, path: str, model: str, metadata: Mapping[str, str]) -> tuple[str, str]:
    """Makes a call; returns its code, and the message or the answer."""
    method = METHODS[path]
    kind = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }[method.client_streaming, method.server_streaming]
    answer_class = message_factory.GetMessageClass(method.output_type)
    call: Any = kind(path, None, answer_class.FromString)
    request = request_of(method, model).SerializeToString()
    pairs = tuple(metadata.items())
    try:
        if not method.server_streaming:
            answer = call(request, metadata=pairs, timeout=10)
        else:
            answers = call(iter([request]) if method.client_streaming else request, metadata=pairs, timeout=10)
            answer = next(answers)
            answers.cancel()
    except grpc.RpcError as error:
        return error.code().name, error.details() or ""
    return "OK", MessageToJson(answer)


@pytest.mark.parametrize("path", sorted(METHODS))
def test_nobody_gets_in_without_a_credential_that_is_good(doors: Doors, path: str) -> None:
    with grpc.insecure_channel(doors.address) as channel:
        for fault, metadata in doors.bad.items():
            known, made_up = (outcome(channel, path, name, metadata) for name in names_at(path))
            assert known == made_up, fault
            code, message = known
            assert code == "UNAUTHENTICATED", (fault, message)
            assert not any(name in message for name in SHOWN), (fault, message)


@pytest.mark.parametrize("path", sorted(METHODS))
def test_another_teams_key_shows_nothing_of_a_model_or_a_view(doors: Doors, path: str) -> None:
    name, other = names_at(path)
    with grpc.insecure_channel(doors.address) as channel:
        known, made_up = (outcome(channel, path, each, doors.foreign) for each in (name, other))
        if path == f"{FEATURE_STORE}ListViews":
            assert known == ("OK", "{}")
        elif path.startswith("/erpml."):
            assert known[0] == "PERMISSION_DENIED"
        assert known[0] == made_up[0]
        assert known[1].replace(name, other) == made_up[1].replace(name, other)


def test_only_the_gateway_as_a_whole_tells_everybody_of_its_health(doors: Doors) -> None:
    with grpc.insecure_channel(doors.address) as channel:
        for path in OPEN:
            assert outcome(channel, path, "", {}) == ("OK", '{\n  "status": "SERVING"\n}')
            assert outcome(channel, path, "", doors.bad["wrong key"])[0] == "UNAUTHENTICATED"
        assert "SERVING" in outcome(channel, "/grpc.health.v1.Health/Check", MODEL, doors.good)[1]
        assert outcome(channel, "/grpc.health.v1.Health/Check", MODEL, doors.foreign)[0] == "NOT_FOUND"


def test_a_bad_key_is_refused_before_the_message_is_read(doors: Doors) -> None:
    with grpc.insecure_channel(doors.address) as channel:
        call: Any = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        for metadata, code in ((doors.bad["wrong key"], "UNAUTHENTICATED"), (doors.good, "INVALID_ARGUMENT")):
            with pytest.raises(grpc.RpcError) as refused:
                call(b"\xff\xff not a message", metadata=list(metadata.items()), timeout=10)
            assert refused.value.code().name == code
