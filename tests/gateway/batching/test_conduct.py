"""How calls may go to a model follows from its configuration."""

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from gateway.batching.conduct import Conduct, conduct_of


@pytest.mark.parametrize(
    ("config", "conduct"),
    [
        ("max_batch_size: 8", Conduct(alone=False, in_order=False, one_at_a_time=False)),
        ("max_batch_size: 8 dynamic_batching {}", Conduct(alone=False, in_order=False, one_at_a_time=False)),
        ("max_batch_size: 0", Conduct(alone=True, in_order=True, one_at_a_time=False)),
        ("max_batch_size: 8 sequence_batching {}", Conduct(alone=True, in_order=True, one_at_a_time=True)),
        (
            "max_batch_size: 8 model_transaction_policy { decoupled: true }",
            Conduct(alone=True, in_order=True, one_at_a_time=True),
        ),
    ],
)
def test_models_with_state_or_several_responses_or_no_batches_see_calls_apart(config: str, conduct: Conduct) -> None:
    message = text_format.Parse(config, model_config_pb2.ModelConfig())
    assert conduct_of(message.SerializeToString()) == conduct
