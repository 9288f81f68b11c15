"""The request path: what happens to a call, from its bytes to the bytes of its answer."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from gateway.calls import Call
from gateway.errors import Decoupled, GatewayError, PermissionDenied
from gateway.feature_views import Features, FeatureStatus, Lookup
from gateway.interfaces import (
    Admission,
    Answered,
    BatchedMethod,
    Batcher,
    FeatureReader,
    Method,
    Mirror,
    Parts,
    Router,
    StreamMethod,
    Telemetry,
    Tenant,
    Trials,
)
from gateway.shadows.off import NoMirror
from gateway.telemetry.off import NoTrials
from gateway.types import Arm, Assignment

# Calls that an experiment took, whose arms are compared.
TRIED = frozenset({Assignment.UNIT, Assignment.CALL})
STORED = frozenset({FeatureStatus.FRESH, FeatureStatus.STALE})


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages of one generation of the catalog; telemetry is for those that are called within a stream."""

    tenants: Admission
    routes: Router
    features: FeatureReader
    lanes: Batcher
    telemetry: Telemetry
    trials: Trials = field(default_factory=NoTrials)
    mirror: Mirror = field(default_factory=NoMirror)

    async def answer(self, method: Method, call: Call) -> bytes:
        """Answers one call.

        Raises:
            GatewayError: The call is refused or failed; the error says what to change.
        """
        with self.tenants.admit(call) as tenant:
            request = self._read(method, call, tenant)
            arm = self.routes.choose(method, request, call, tenant)
            return await self._answer(method, request, arm, call, tenant)

    async def answer_batch(self, method: BatchedMethod, call: Call) -> bytes:
        """Answers one call that is a batch of requests; each has the arm that it would have by itself.

        Raises:
            GatewayError: As above; where there are several arms, one that fails costs the items of the others nothing.
        """
        with self.tenants.admit(call) as tenant:
            request = self._read(method, call, tenant)
            parts = self.routes.divide(method, request, call, tenant)
            if len(parts) == 1:
                return await self._answer(method, request, parts[0][0], call, tenant)
            return await self._answer_parts(method, request, parts, call, tenant)

    async def _answer(  # noqa: PLR0913 - what a call is by now
        self, method: Method, request: Any, arm: Arm, call: Call, tenant: Tenant, *, counted: bool = False
    ) -> bytes:
        """Answers a request by an arm: features, inputs, inference, answer.

        Args:
            method: What was called.
            request: The request.
            arm: Who answers.
            call: The call.
            tenant: Who calls.
            counted: Whether its rows were taken from the tenant's quota before.
        """
        trace, is_tried = call.trace, arm.assignment in TRIED
        trace.route(arm)
        if self.lanes.streams(arm.version):
            raise Decoupled
        try:
            features: Sequence[Features] = ()
            wanted = method.lookups(request, arm)
            if wanted:
                check_views(tenant, wanted)
                at_hand = self.features.peek(wanted)
                features = at_hand or await self.features.fetch(wanted)
                trace.fetch(wanted, features, at_hand is not None)
            inputs, left_out = method.rows(request, arm, features)
            if not counted:
                tenant.take_rows(inputs.rows)
            trace.encode(inputs.rows)
            priority = tenant.priority if call.priority is None else max(tenant.priority, call.priority)
            outputs = await self.lanes.infer(arm.version, inputs, call.deadline, tenant.name, priority, trace=trace)
            trace.inferred = perf_counter()
            answer = method.answer(request, left_out, outputs, arm, features)
        except BaseException as error:
            if is_tried:
                self.trials.failed(arm, perf_counter() - trace.routed, error)
            raise
        trace.decided = perf_counter()
        hits = sum(each.status in STORED for each in features) if features else 0
        tenant.charge(arm.version.model, inputs.rows, outputs.seconds, hits)
        if is_tried:
            self.trials.answered(arm, trace.decided - trace.routed, outputs)
        elif arm.assignment is Assignment.SUBSTITUTED:
            self.trials.substituted(arm)
        if arm.shadows:
            asked = Answered(inputs, left_out, outputs, answer, len(call.message))
            self.mirror.offer(method, request, arm, asked, features)
        return answer

    async def _answer_parts(
        self, method: BatchedMethod, request: Any, parts: Parts, call: Call, tenant: Tenant
    ) -> bytes:
        """Answers the parts of a batch side by side, each by its arm.

        Raises:
            GatewayError: What failed the first part, if all have failed.
        """
        items = sum(len(positions) for _, positions in parts)
        method.check_size(items, parts[0][0])
        tenant.take_rows(items)
        traces = [call.trace.part() for _ in parts]
        answers = [
            self._answer(method, method.part(request, positions), arm, call._replace(trace=trace), tenant, counted=True)
            for (arm, positions), trace in zip(parts, traces, strict=True)
        ]
        try:
            found = await asyncio.gather(*answers, return_exceptions=True)
        finally:
            call.trace.join(traces)
        for error in found:
            if not isinstance(error, bytes | GatewayError):
                raise error
        if isinstance(found[0], GatewayError) and not any(isinstance(each, bytes) for each in found):
            raise found[0]
        told = [(positions, answer) for (_, positions), answer in zip(parts, found, strict=True)]
        return method.join(request, told)  # type: ignore[arg-type] # nothing unexpected is left

    async def stream(self, method: StreamMethod, call: Call) -> AsyncGenerator[bytes, None]:
        """Answers one call of a model that sends several responses, with each as it comes.

        `answer` has refused the call as `Decoupled` before, and has counted it.

        Raises:
            GatewayError: The call is refused or failed; no more responses come.
        """
        with self.tenants.admit(call, again=True) as tenant:
            request = self._read(method, call, tenant)
            arm = self.routes.choose(method, request, call, tenant)
            inputs, _ = method.rows(request, arm)
            tenant.take_rows(inputs.rows)
            began = perf_counter()
            async with aclosing(self.lanes.stream(arm.version, inputs, call.deadline)) as responses:
                async for response in responses:
                    if response.failure is not None and call.ends_on_failure:
                        raise response.failure
                    yield method.respond(request, response, arm)
            tenant.charge(arm.version.model, inputs.rows, perf_counter() - began)

    def _read(self, method: Method, call: Call, tenant: Tenant) -> Any:
        """Reads a call that the tenant may make; returns its request."""
        request = method.parse(call.message)
        model, version = method.target(request)
        self.tenants.authorise(tenant, model, version or call.pin or "")
        return request


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
