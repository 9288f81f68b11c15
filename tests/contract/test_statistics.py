"""`ModelStatistics` counts what was done."""

from typing import Any

from tritonclient.grpc import service_pb2

from tests.contract.cases import ROW, Case, failing_request, infer
from tests.contract.targets import Target


def stats(target: Target, **fields: str) -> list[Any]:
    """Returns the statistics of models."""
    return list(
        target.ask(Case("", "ModelStatistics", service_pb2.ModelStatisticsRequest(**fields))).answer.model_stats
    )


def test_rows_batches_and_times_are_counted(served: Target) -> None:
    (before,) = stats(served, name="anywhere")
    for rows in (1, 1, 3):
        request = infer("anywhere", ("X", "FP32", [rows, 1, 2], ROW[:8] * rows))
        assert served.ask(Case("", "ModelInfer", request)).code == "OK"
    (after,) = stats(served, name="anywhere")
    assert after.inference_count - before.inference_count == 5
    assert after.execution_count - before.execution_count == 3
    assert after.inference_stats.success.count - before.inference_stats.success.count == 3
    for name in ("success", "queue", "compute_infer"):
        assert getattr(after.inference_stats, name).ns > getattr(before.inference_stats, name).ns
    assert after.last_inference > before.last_inference
    sizes = [{each.batch_size: each.compute_infer.count for each in when.batch_stats} for when in (before, after)]
    assert sizes[1][1] - sizes[0].get(1, 0) == 2
    assert sizes[1][3] - sizes[0].get(3, 0) == 1


def test_failures_are_counted_apart(served: Target) -> None:
    (before,) = stats(served, name="failing")
    assert served.ask(Case("", "ModelInfer", failing_request("f"))).code == "INTERNAL"
    (after,) = stats(served, name="failing")
    assert after.inference_stats.fail.count - before.inference_stats.fail.count == 1
    assert after.inference_stats.success.count == before.inference_stats.success.count


def test_every_version_is_listed_in_tritons_order(direct: Target, served: Target) -> None:
    listed = [[(each.name, each.version) for each in stats(target)] for target in (direct, served)]
    assert listed[0] == listed[1]
    assert [each.version for each in stats(served, name="versions")] == ["1", "2"]
    assert [each.version for each in stats(served, name="versions", version="1")] == ["1"]


def test_the_parts_of_a_fresh_answer_are_those_of_triton(direct: Target, served: Target) -> None:
    parts = [
        {field.name for field, _ in stats(target, name="versions")[0].inference_stats.ListFields()}
        for target in (direct, served)
    ]
    assert parts[0] == parts[1]
