"""The messages of one stream on their way out: in order where that matters, and bounded."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

# A message to be, what a writer has failed with, or the end of a writer.
Item = asyncio.Future[bytes] | Exception | None


class Outbox:
    """A queue of messages, some of which are still being made, and the tasks that write to it.

    Args:
        most: Messages that it holds, and writers from which on `room` waits.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._queue: asyncio.Queue[Item] = asyncio.Queue(most)
        self._writers: set[asyncio.Task[None]] = set()
        self._open = 0
        self._room = asyncio.Event()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Lets one more task write, before the first message is taken or while one is being made."""
        self._open += 1
        task = asyncio.create_task(self._run(work))
        self._writers.add(task)
        task.add_done_callback(self._end)

    async def room(self) -> None:
        """Waits until another writer may start."""
        while len(self._writers) > self._most:
            self._room.clear()
            await self._room.wait()

    async def put(self, message: asyncio.Future[bytes]) -> None:
        """Adds a message; it is cancelled if it cannot be added."""
        try:
            await self._queue.put(message)
        except asyncio.CancelledError:
            message.cancel()
            raise

    async def put_made(self, message: bytes) -> None:
        """Adds a message that is made."""
        made = asyncio.get_running_loop().create_future()
        made.set_result(message)
        await self._queue.put(made)

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """Yields the messages that are not empty, until every writer has ended.

        Raises:
            Exception: What the making of a message, or a writer, has failed with.
        """
        while self._open:
            item = await self._queue.get()
            if item is None:
                self._open -= 1
            elif isinstance(item, Exception):
                raise item
            else:
                try:
                    if made := await item:
                        yield made
                finally:
                    item.cancel()

    async def close(self) -> None:
        """Ends the writers, and whatever is being made."""
        unfinished: list[asyncio.Future[Any]] = [*self._writers]
        while not self._queue.empty():
            item = self._queue.get_nowait()
            if isinstance(item, asyncio.Future):
                unfinished.append(item)
        for each in unfinished:
            each.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Writes; tells of the end unless it is cancelled, when nobody reads any more."""
        end = None
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whoever reads the messages gets it
            end = error
        await self._queue.put(end)

    def _end(self, writer: asyncio.Task[None]) -> None:
        self._writers.discard(writer)
        self._room.set()
