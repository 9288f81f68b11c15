"""Who calls the services that grpcio serves by itself: health and reflection."""

from collections.abc import Callable
from typing import Any

from gateway.calls import Call
from gateway.edge.calls import Sender, read_sender
from gateway.edge.status import wire_status
from gateway.edge.tls import certificate_of
from gateway.errors import GatewayError
from gateway.interfaces import Admission, Tenant


def sender_of(context: Any, *, certified: bool) -> Sender:
    """Tells who sent a grpcio call.

    Args:
        context: The call.
        certified: Whether its certificate is that of its connection, rather than what its metadata say.
    """
    sender = read_sender(context.invocation_metadata())
    return sender._replace(certificate=certificate_of(context.auth_context())) if certified else sender


class Callers:
    """Tells who makes a grpcio call.

    Args:
        tenants: Returns those who know the callers.
        certified: Whether a call has the certificate of its connection, rather than what its metadata say.
    """

    def __init__(self, tenants: Callable[[], Admission], *, certified: bool = False) -> None:
        self._tenants = tenants
        self._certified = certified

    def are_named(self, context: Any) -> bool:
        """Says whether a call has a key or a token."""
        sender = read_sender(context.invocation_metadata())
        return bool(sender.api_key or sender.authorization)

    async def identify(self, context: Any) -> Tenant:
        """Tells whose a call is; ends it where it is nobody's."""
        sender = sender_of(context, certified=self._certified)
        call = Call(b"", sender.api_key, None, certificate=sender.certificate, authorization=sender.authorization)
        try:
            return self._tenants().identify(call)
        except GatewayError as error:
            return await context.abort(*wire_status(error))  # type: ignore[no-any-return] # it raises
