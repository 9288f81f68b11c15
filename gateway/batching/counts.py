"""What became of the calls of a lane: of all of them, and of each tenant's."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from gateway.batching.call import WaitingCall
from gateway.types import Statistics


class Counts:
    """What became of the calls of a lane. What is counted for a tenant is counted in the total as well.

    Attributes:
        total: Of all calls.
    """

    def __init__(self) -> None:
        self.total = Statistics()
        self._tenants = defaultdict[str, Statistics](Statistics)

    def of(self, tenant: str | None) -> Statistics:
        """Returns what is counted for a tenant, or for all; it goes on counting."""
        return self.total if tenant is None else self._tenants[tenant]

    def refuse(self, tenant: str) -> None:
        """Counts a call that was not let in."""
        for each in (self.total, self._tenants[tenant]):
            each.refused += 1
            each.failed.add(0.0)

    def cancel(self, call: WaitingCall) -> None:
        """Counts a call whose caller left before its deadline."""
        for each in (self.total, self._tenants[call.owner]):
            each.cancelled += 1

    def expire(self, calls: Sequence[WaitingCall]) -> None:
        """Counts calls whose deadline has passed."""
        for call in calls:
            for each in (self.total, self._tenants[call.owner]):
                each.expired += 1

    def fail(self, calls: Sequence[WaitingCall], now: float) -> None:
        """Counts calls that have no answer, whatever else is counted of them; `now` is by `perf_counter`."""
        for call in calls:
            for each in (self.total, self._tenants[call.owner]):
                each.failed.add(now - call.arrived)

    def send(self, calls: Sequence[WaitingCall], time: float) -> None:
        """Counts a batch that goes to the backend; `time` is in seconds since 1970."""
        self.total.last_call = time
        for call in calls:
            self._tenants[call.owner].last_call = time

    def retry(self, calls: Sequence[WaitingCall]) -> None:
        """Counts calls that are tried apart."""
        for call in calls:
            for each in (self.total, self._tenants[call.owner]):
                each.retried += 1

    def compute(self, calls: Sequence[WaitingCall], rows: int, seconds: float) -> None:
        """Counts a batch of so many rows that the backend answered: once for each tenant that took part."""
        count_batch(self.total, rows, seconds)
        for tenant, part in by_tenant(calls).items():
            own = rows if part is calls else sum([call.inputs.rows for call in part])
            count_batch(self._tenants[tenant], own, seconds * own / rows)

    def succeed(self, calls: Sequence[WaitingCall], started: float, now: float) -> None:
        """Counts the calls of a batch that are still awaited, and get their answer.

        Args:
            calls: The batch.
            started: When it left, in seconds of `perf_counter`.
            now: When its calls get their answers, by the same clock.
        """
        for tenant, part in by_tenant(calls).items():
            arrived = [call.arrived for call in part if not call.outputs.done()]
            count, sum_arrived = len(arrived), sum(arrived)
            for each in (self.total, self._tenants[tenant]):
                each.succeeded.add(count * now - sum_arrived, count)
                each.queued.add(count * started - sum_arrived, count)


def count_batch(statistics: Statistics, rows: int, seconds: float) -> None:
    """Counts a batch, or a tenant's part of it."""
    statistics.rows += rows
    statistics.computed.add(seconds)
    statistics.batch_sizes[rows].add(seconds)


def by_tenant(calls: Sequence[WaitingCall]) -> Mapping[str, Sequence[WaitingCall]]:
    """Groups calls by the tenant that they are counted for; most batches have one."""
    if len(calls) == 1:
        return {calls[0].owner: calls}
    tenants = {call.owner for call in calls}
    if len(tenants) == 1:
        return {tenants.pop(): calls}
    parts: dict[str, list[WaitingCall]] = {tenant: [] for tenant in tenants}
    for call in calls:
        parts[call.owner].append(call)
    return parts
