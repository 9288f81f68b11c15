"""The request path: what happens to a call, from its bytes to the bytes of its answer."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
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
        tenant, request, arm = self._address(method, call)
        if self.lanes.streams(arm.version):
            raise Decoupled
        inputs, left_out = method.rows(request, arm)
        priority = tenant.priority if call.priority is None else max(tenant.priority, call.priority)
        outputs = await self.lanes.infer(arm.version, inputs, call.deadline, tenant.name, priority)
        return method.answer(request, left_out, outputs, arm)

    async def stream(self, method: StreamMethod, call: Call) -> AsyncGenerator[bytes, None]:
        """Answers one call of a model that sends several responses, with each as it comes.

        Raises:
            GatewayError: The call is refused or failed; no more responses come.
        """
        _, request, arm = self._address(method, call)
        inputs, _ = method.rows(request, arm)
        async with aclosing(self.lanes.stream(arm.version, inputs, call.deadline)) as responses:
            async for response in responses:
                if response.failure is not None and call.ends_on_failure:
                    raise response.failure
                yield method.respond(request, response, arm)

    def _address(self, method: Method, call: Call) -> tuple[Tenant, Any, Arm]:
        """Reads a call; tells whose it is, and the arm that answers it."""
        tenant = self.tenants.admit(call)
        request = method.parse(call.message)
        model, version = method.target(request)
        self.tenants.authorise(tenant, model)
        return tenant, request, self.routes.choose(model, version)
