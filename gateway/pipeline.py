"""The request path: what happens to a call, from its bytes to the bytes of its answer."""

from dataclasses import dataclass

from gateway.interfaces import Admission, Batcher, Method, Router
from gateway.types import Call


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
        tenant = self.tenants.admit(call)
        request = method.parse(call.message)
        model, version = method.target(request)
        self.tenants.authorise(tenant, model)
        arm = self.routes.choose(model, version)
        inputs, left_out = method.rows(request, arm)
        outputs = await self.lanes.infer(arm.version, inputs, call.deadline)
        return method.answer(request, left_out, outputs, arm)
