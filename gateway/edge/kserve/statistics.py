"""`ModelStatistics`: what lanes have counted, in Triton's words.

Triton counts the computing of a batch once for each call in it; so do these, as what calls took beyond their wait.
"""

from typing import Any

from tritonclient.grpc import service_pb2

from gateway.types import ModelVersion, Statistics, Timing

NANOSECONDS, MILLISECONDS = 1_000_000_000, 1_000


def describe_statistics(version: ModelVersion, counted: Statistics) -> Any:
    """Returns the `inference.ModelStatistics` of a version."""
    answered = counted.succeeded.count
    computing = Timing(answered, max(counted.succeeded.seconds - counted.queued.seconds, 0))
    return service_pb2.ModelStatistics(
        name=version.model,
        version=str(version.number),
        last_inference=int(counted.last_call * MILLISECONDS),
        inference_count=counted.rows,
        execution_count=counted.computed.count,
        inference_stats=service_pb2.InferStatistics(
            success=duration(counted.succeeded),
            fail=duration(counted.failed),
            queue=duration(counted.queued),
            compute_input=duration(Timing(answered)),
            compute_infer=duration(computing),
            compute_output=duration(Timing(answered)),
            cache_hit=duration(Timing()),
            cache_miss=duration(Timing()),
        ),
        batch_stats=[
            service_pb2.InferBatchStatistics(
                batch_size=rows,
                compute_input=duration(Timing(batches.count)),
                compute_infer=duration(batches),
                compute_output=duration(Timing(batches.count)),
            )
            for rows, batches in sorted(counted.batch_sizes.items())
        ],
    )


def duration(timing: Timing) -> Any:
    """Returns an `inference.StatisticDuration`."""
    return service_pb2.StatisticDuration(count=timing.count, ns=int(timing.seconds * NANOSECONDS))
