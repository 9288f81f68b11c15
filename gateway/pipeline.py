"""The request path: what happens to a call, from its bytes to the bytes of its answer."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from gateway.calls import Call
from gateway.errors import Decoupled, PermissionDenied
from gateway.feature_views import Features, FeatureStatus, Lookup
from gateway.interfaces import Admission, Batcher, FeatureReader, Method, Router, StreamMethod, Telemetry, Tenant
from gateway.types import Arm

STORED = frozenset({FeatureStatus.FRESH, FeatureStatus.STALE})


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages of one generation of the catalog; telemetry is for those that are called within a stream."""

    tenants: Admission
    routes: Router
    features: FeatureReader
    lanes: Batcher
    telemetry: Telemetry

    async def answer(self, method: Method, call: Call) -> bytes:
        """Answers one call.

        Raises:
            GatewayError: The call is refused or failed; the error says what to change.
        """
        trace = call.trace
        with self.tenants.admit(call) as tenant:
            request, arm = self._address(method, call, tenant)
            trace.route(arm)
            if self.lanes.streams(arm.version):
                raise Decoupled
            features: Sequence[Features] = ()
            wanted = method.lookups(request, arm)
            if wanted:
                check_views(tenant, wanted)
                at_hand = self.features.peek(wanted)
                features = at_hand or await self.features.fetch(wanted)
                trace.fetch(wanted, features, at_hand is not None)
            inputs, left_out = method.rows(request, arm, features)
            tenant.take_rows(inputs.rows)
            trace.encode(inputs.rows)
            priority = tenant.priority if call.priority is None else max(tenant.priority, call.priority)
            outputs = await self.lanes.infer(arm.version, inputs, call.deadline, tenant.name, priority, trace=trace)
            trace.inferred = perf_counter()
            answer = method.answer(request, left_out, outputs, arm, features)
            trace.decided = perf_counter()
            hits = sum(each.status in STORED for each in features) if features else 0
            tenant.charge(arm.version.model, inputs.rows, outputs.seconds, hits)
            return answer

    async def stream(self, method: StreamMethod, call: Call) -> AsyncGenerator[bytes, None]:
        """Answers one call of a model that sends several responses, with each as it comes.

        `answer` has refused the call as `Decoupled` before, and has counted it.

        Raises:
            GatewayError: The call is refused or failed; no more responses come.
        """
        with self.tenants.admit(call, again=True) as tenant:
            request, arm = self._address(method, call, tenant)
            inputs, _ = method.rows(request, arm)
            tenant.take_rows(inputs.rows)
            began = perf_counter()
            async with aclosing(self.lanes.stream(arm.version, inputs, call.deadline)) as responses:
                async for response in responses:
                    if response.failure is not None and call.ends_on_failure:
                        raise response.failure
                    yield method.respond(request, response, arm)
            tenant.charge(arm.version.model, inputs.rows, perf_counter() - began)

    def _address(self, method: Method, call: Call, tenant: Tenant) -> tuple[Any, Arm]:
        """Reads a call; returns its request, and the arm that answers it."""
        request = method.parse(call.message)
        model, version = method.target(request)
        self.tenants.authorise(tenant, model, version)
        return request, self.routes.choose(model, version)


def check_views(tenant: Tenant, wanted: Sequence[Lookup | None]) -> None:
    """Lets a call read the feature views that it looks up.

    Raises:
        PermissionDenied: The tenant's policy does not name one of them.
    """
    for view in {lookup.view.name for lookup in wanted if lookup is not None}:
        if not tenant.may_look_up(view):
            told = f"tenant '{tenant.name}' may not read feature view '{view}'; say all of its features in the request"
            told = f"{told}, or ask for it to be added to its feature_views"
            raise PermissionDenied("VIEW_NOT_ALLOWED", told, tenant=tenant.name, view=view)
