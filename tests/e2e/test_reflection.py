"""Reflection, as tools that have no contracts see the gateway: without a key."""

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.e2e.conftest import Serving


def test_reflection_lists_and_describes_every_service(serving: Serving) -> None:
    with grpc.insecure_channel(serving.address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        listed = set(database.get_services())
        assert {"erpml.finance.v1.CreditService", "inference.GRPCInferenceService", "grpc.health.v1.Health"} <= listed
        pool = DescriptorPool(database)
        assert "ScoreCredit" in pool.FindServiceByName("erpml.finance.v1.CreditService").methods_by_name
        assert "ModelInfer" in pool.FindServiceByName("inference.GRPCInferenceService").methods_by_name
