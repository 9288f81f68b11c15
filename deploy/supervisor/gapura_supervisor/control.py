"""Orders to a running supervisor, over a private unix socket: one line in, lines out, the last says how it ended."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gapura_supervisor.errors import SupervisionError

DONE, FAILED = "done", "failed "
_WAIT_SECONDS = 600.0

Say = Callable[[str], None]
Order = Callable[[Say], Awaitable[None]]


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Yields a name for a socket that is short enough, however long its path is."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class Control:
    """Takes orders while it is open, one at a time.

    Args:
        path: Of the socket, in a folder that nobody else may enter.
        orders: What can be asked for, by name.
    """

    def __init__(self, path: Path, orders: dict[str, Order]) -> None:
        self._path = path
        self._orders = orders
        self._busy = asyncio.Lock()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Starts to listen."""
        self._path.unlink(missing_ok=True)
        with reachable(self._path) as name:
            self._server = await asyncio.start_unix_server(self._serve, name)

    def close(self) -> None:
        """Takes no further orders."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(f"{line}\n".encode())

        try:
            say(await self._carry_out((await reader.readline()).decode().strip(), say))
        finally:
            with suppress(OSError):
                writer.close()

    async def _carry_out(self, name: str, say: Say) -> str:
        """Returns how an order ended."""
        order = self._orders.get(name)
        if order is None:
            return f"{FAILED}there is no order '{name}'"
        if self._busy.locked():
            return f"{FAILED}another order is being carried out"
        async with self._busy:
            try:
                await order(say)
            except SupervisionError as error:
                return FAILED + "\t".join(str(error).splitlines())
            except Exception as error:  # noqa: BLE001 - who asked must not be told that the supervisor has ended
                return f"{FAILED}a defect: {error!r}"
        return DONE


def give_order(path: Path, name: str, say: Say) -> None:
    """Asks a running supervisor for something, and waits until it is done.

    Raises:
        SupervisionError: Nobody listens, or it was not done; the message says why.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_WAIT_SECONDS)
        try:
            with reachable(path) as short:
                client.connect(short)
        except OSError as error:
            raise SupervisionError(f"nothing runs here ({path.parent}): `gapura up` starts it") from error
        client.sendall(f"{name}\n".encode())
        last = ""
        for line in client.makefile():
            if last:
                say(last)
            last = line.rstrip("\n")
    if last.startswith(FAILED):
        raise SupervisionError(last.removeprefix(FAILED).replace("\t", "\n"))
    if last != DONE:
        raise SupervisionError("the supervisor has ended meanwhile")
