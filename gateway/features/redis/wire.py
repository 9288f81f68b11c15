"""One connection to Redis: answers come in the order of the questions, and what is late ends the connection.

It speaks the protocol by hiredis, without the streams of redis-py: for 64 keys this takes half of their CPU time.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from hiredis import ProtocolError, PushNotification, Reader, pack_command
from redis.exceptions import ResponseError

MORE: Final = object()

# What is larger could not come in time: it counts as late before it fills the memory.
MOST_ANSWER_BYTES = 32 * 1024 * 1024

# A timer that fires so late says nothing of Redis: its answer may lie in the socket. In seconds.
LATE_LOOP_SECONDS = 0.01
GRACE_SECONDS = 0.005


def pack(*words: str | bytes | int) -> bytes:
    """Returns a command as it goes out."""
    packed: bytes = pack_command(words)  # type: ignore[arg-type]  # its type information wants just one word
    return packed


class Question:
    """Commands that were sent together.

    Attributes:
        future: Gets their answers.
        number: How many there are.
        answers: Those that came.
        due: When the last has to be there, in seconds of the event loop's clock.
        timer: Fires then.
    """

    __slots__ = ("answers", "due", "future", "number", "timer")

    def __init__(self, future: "asyncio.Future[list[Any]]", number: int, due: float) -> None:
        self.future = future
        self.number = number
        self.answers: list[Any] = []
        self.due = due
        self.timer: asyncio.TimerHandle | None = None


class Wire(asyncio.Protocol):
    """A connection.

    Args:
        lost: Is called with it, once, when it ends.
        pushed: Is called with what Redis says unasked.

    Attributes:
        ended: Whether it has ended.
    """

    def __init__(self, lost: Callable[["Wire"], None], pushed: Callable[[list[Any]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._lost, self._pushed = lost, pushed
        self._reader = Reader(replyError=ResponseError, notEnoughData=MORE)
        self._questions: deque[Question] = deque()
        self._transport: asyncio.Transport | None = None
        self._why: Exception | None = None
        self._unfinished_bytes = 0
        self.ended = False

    @property
    def waiting(self) -> int:
        """Number of questions whose answers are not there."""
        return len(self._questions)

    def ask(self, packed: bytes, number: int, seconds: float) -> "asyncio.Future[list[Any]]":
        """Sends commands.

        Args:
            packed: The commands, as they go out.
            number: How many they are.
            seconds: For how long to wait for all answers; otherwise the connection ends.

        Returns:
            The answers, among which are the errors that Redis answered with; or TimeoutError, or another OSError, or
            what Redis said at the end, as ResponseError.
        """
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        if self._transport is None or self.ended:
            future.set_exception(self._why or ConnectionResetError("the connection has ended"))
            return future
        question = Question(future, number, self._loop.time() + seconds)
        question.timer = self._loop.call_at(question.due, self._expire, question)
        self._questions.append(question)
        self._transport.write(packed)
        return future

    def close(self, why: Exception | None = None) -> None:
        """Ends the connection, without waiting; what was asked fails with the reason."""
        self._why = self._why or why
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the connection."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own are none

    def data_received(self, data: bytes) -> None:
        """Takes what came."""
        if self.ended:
            return
        questions, reader = self._questions, self._reader
        self._unfinished_bytes += len(data)
        if self._unfinished_bytes > MOST_ANSWER_BYTES:
            self.close(TimeoutError("the answer is too large to be in time"))
            return
        try:
            reader.feed(data)
            while (answer := reader.gets()) is not MORE:
                self._unfinished_bytes = 0
                if type(answer) is PushNotification:
                    self._pushed(answer)
                elif questions:
                    question = questions[0]
                    question.answers.append(answer)
                    if len(question.answers) == question.number:
                        self._settle(questions.popleft())
                elif isinstance(answer, ResponseError):
                    self._why = answer  # such as that there are too many clients
        except ProtocolError as error:
            self.close(ConnectionResetError(f"this is not Redis: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Takes that the other end, or the network, ended it."""
        self._why = self._why or exc
        self._end()

    def _settle(self, question: Question) -> None:
        """Hands over answers that are complete."""
        if question.timer is not None:
            question.timer.cancel()
        if not question.future.done():
            question.future.set_result(question.answers)

    def _expire(self, question: Question) -> None:
        """Ends the connection, since an answer is late; if it is rather this process that is, it has a moment more."""
        if self._loop.time() - question.due > LATE_LOOP_SECONDS:
            question.due = self._loop.time() + GRACE_SECONDS
            question.timer = self._loop.call_at(question.due, self._expire, question)
            return
        self.close(TimeoutError("no answer in time"))

    def _end(self) -> None:
        if self.ended:
            return
        self.ended = True
        why = self._why or ConnectionResetError("Redis closed the connection")
        for question in self._questions:
            if question.timer is not None:
                question.timer.cancel()
            if not question.future.done():
                question.future.set_exception(why)
        self._questions.clear()
        self._lost(self)
