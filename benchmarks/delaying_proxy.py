"""A TCP proxy that delivers what the server says late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass


@dataclass(slots=True)
class DelayingProxy:
    """Passes bytes on.

    Attributes:
        address: Where it listens.
        delay_seconds: How long what the server says takes.
    """

    server: str
    address: str = ""
    delay_seconds: float = 0.0

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connects a client with the server until one of them leaves."""
        host, _, port = self.server.rpartition(":")
        with suppress(OSError):
            theirs, back = await asyncio.open_connection(host, int(port))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, back, late=False))
                group.create_task(self._pass_on(theirs, writer, late=True))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: bool) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while chunk := await reader.read(65_536):
                if late and self.delay_seconds:
                    loop.call_later(self.delay_seconds, writer.write, chunk)
                else:
                    writer.write(chunk)
        writer.close()


@asynccontextmanager
async def delaying_proxy(server: str) -> AsyncIterator[DelayingProxy]:
    """Runs a proxy before a server; it delays nothing until told to."""
    proxy = DelayingProxy(server)
    listener = await asyncio.start_server(proxy.connect, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    proxy.address = f"{host}:{port}"
    async with listener:
        yield proxy
