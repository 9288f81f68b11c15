"""The request path: what happens to a call, from its bytes to the bytes of its answer."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from gateway.errors import Decoupled
from gateway.interfaces import Admission, Batcher, Method, Router, StreamMethod, Tenant
from gateway.types import Arm, Call


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages of one generation of the catalog."""

    tenants: Admission
    routes: Router
    lanes: Batcher

    async def answer(self, method: Method, call: Call) -> bytes:
        """Answers one call.

        Raises:
            GatewayError: The call is refused or failed; the error says what to change.
        """
        with self.tenants.admit(call) as tenant:
            request, arm = self._address(method, call, tenant)
            if self.lanes.streams(arm.version):
                raise Decoupled
            inputs, left_out = method.rows(request, arm)
            tenant.take_rows(inputs.rows)
            priority = tenant.priority if call.priority is None else max(tenant.priority, call.priority)
            outputs = await self.lanes.infer(arm.version, inputs, call.deadline, tenant.name, priority)
            answer = method.answer(request, left_out, outputs, arm)
            tenant.charge(arm.version.model, inputs.rows, outputs.seconds)
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
