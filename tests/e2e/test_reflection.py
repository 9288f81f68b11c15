"""Reflection, as tools that have no contracts see the gateway: with a key, and what that key's tenant may call."""

import gapura_client
import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.e2e.conftest import Serving

OWN = {
    "inference.GRPCInferenceService",
    "erpml.hub.v1.FeatureStoreService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
}


def test_reflection_lists_and_describes_every_service_that_may_be_called(serving: Serving) -> None:
    with gapura_client.connect(serving.address, api_key=serving.api_key) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert OWN | {"erpml.finance.v1.CreditService"} <= set(database.get_services())
        pool = DescriptorPool(database)
        assert "ScoreCredit" in pool.FindServiceByName("erpml.finance.v1.CreditService").methods_by_name
        assert "ModelInfer" in pool.FindServiceByName("inference.GRPCInferenceService").methods_by_name


def test_reflection_shows_nothing_of_another_teams_contracts(serving: Serving) -> None:
    with gapura_client.connect(serving.address, api_key=serving.foreign_key) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(database.get_services()) == OWN | {"erpml.online_sales.v1.PricingService"}  # team4's own
        for find, name in (
            (database.FindFileContainingSymbol, "erpml.finance.v1.CreditService"),
            (database.FindFileContainingSymbol, "erpml.finance.v1.ScoreCreditRequest"),
            (database.FindFileByName, "erpml/finance/v1/credit_service.proto"),
        ):
            with pytest.raises(KeyError):
                find(name)


def test_reflection_answers_nobody_without_a_key(serving: Serving) -> None:
    with grpc.insecure_channel(serving.address) as channel, pytest.raises(grpc.RpcError) as refused:
        ProtoReflectionDescriptorDatabase(channel).get_services()
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
