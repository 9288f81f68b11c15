"""Opens channels to the gateway for asyncio callers."""

from collections.abc import Iterable
from typing import Any

import grpc.aio

from gapura_client.aio_interceptors import interceptors_for
from gapura_client.endpoint import check_plaintext_key
from gapura_client.settings import call_defaults, channel_options

__all__ = ["connect"]


def connect(  # noqa: PLR0913 - settings are keywords, each with a default
    target: str,
    *,
    api_key: str | None = None,
    timeout_seconds: float = 5.0,
    credentials: grpc.ChannelCredentials | None = None,
    allow_plaintext: bool = False,
    options: Iterable[tuple[str, Any]] = (),
) -> grpc.aio.Channel:
    """Opens a channel to the gateway, for any generated stub; call it where the event loop runs.

    The channel connects with its first call and serves any number of calls at once: open one and keep it. Unary
    calls raise subclasses of `GapuraError`; a cancelled task cancels its call. Calls that fail with UNAVAILABLE
    are sent again, up to three times within their deadline.

    Args:
        target: gRPC name of the gateway, as in `gapura.internal:9003`, `dns:///gapura:9003` or `unix:/run/g.sock`.
        api_key: Key of the tenant, sent as `x-api-key` with each call.
        timeout_seconds: Deadline of calls that do not pass `timeout`, streaming calls included.
        credentials: How to encrypt, as from `grpc.ssl_channel_credentials()`. Without it nothing is encrypted.
        allow_plaintext: Send the key unencrypted to other machines too. For networks closed to others.
        options: gRPC channel arguments; they replace those of this library.

    Returns:
        An open channel; await its `close()`, or use it as an asynchronous context manager.

    Raises:
        PlaintextKeyError: The key would travel unencrypted to another machine.
        ValueError: The key cannot be a header, or the time is not finite and positive.

    Example:
        >>> async with connect("127.0.0.1:9003", api_key=key) as channel:
        ...     answer = await CreditServiceStub(channel).ScoreCredit(request, timeout=0.5)
    """
    check_plaintext_key(target, api_key, encrypted=credentials is not None, allow_plaintext=allow_plaintext)
    interceptors = interceptors_for(call_defaults(api_key, timeout_seconds))
    arguments = channel_options(target, options)
    if credentials is None:
        return grpc.aio.insecure_channel(target, arguments, interceptors=interceptors)
    return grpc.aio.secure_channel(target, credentials, arguments, interceptors=interceptors)
