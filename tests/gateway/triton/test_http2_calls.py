"""A call is sent as gRPC has it, and gets its own answer or the server's own words, in whatever pieces they come."""

import asyncio
import struct

import grpc
import pytest

from gateway.backends.triton.faults import Blame, NodeFault
from tests.gateway.triton.http2_server import (
    BEGIN,
    CONTINUATION,
    DATA,
    DONE,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    PATH,
    PRIORITY,
    RESET,
    calling,
    channel_to_server,
    frame_bytes,
)


async def test_a_request_is_sent_as_grpc_has_it_and_its_answer_returned() -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel, b"what is asked", 2.0)
        peer = await server.peer()
        request = await peer.request()
        assert request.message == b"what is asked"
        timeout = request.headers.pop("grpc-timeout")
        assert 1500 < int(timeout.removesuffix("m")) <= 2000
        assert request.headers == {
            ":method": "POST",
            ":scheme": "http",
            ":path": PATH,
            ":authority": server.address,
            "te": "trailers",
            "content-type": "application/grpc",
            "user-agent": "gapura",
        }
        peer.answer(request.stream, b"what is answered")
        assert await call == b"what is answered"


async def test_a_call_without_a_deadline_names_none() -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel, seconds=None)
        peer = await server.peer()
        request = await peer.request()
        assert "grpc-timeout" not in request.headers
        peer.answer(request.stream, b"")
        assert await call == b""


async def test_answers_in_any_order_go_to_their_callers() -> None:
    async with channel_to_server() as (channel, server):
        calls = [calling(channel, bytes([number])) for number in range(20)]
        peer = await server.peer()
        requests = [await peer.request() for _ in calls]
        for request in requests:
            peer.headers(request.stream, *BEGIN)
        for request in reversed(requests):
            peer.data(request.stream, request.message * 1000)
        for request in requests[::2] + requests[1::2]:
            peer.headers(request.stream, *DONE, flags=END_STREAM)
        assert await asyncio.gather(*calls) == [bytes([number]) * 1000 for number in range(20)]
        assert server.accepted == 1


async def test_an_answer_may_come_byte_by_byte_padded_and_continued() -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel)
        peer = await server.peer()
        stream = (await peer.request()).stream
        block, padding, body = peer.block(*BEGIN), bytes(7), struct.pack(">BI", 0, 6) + b"answer"
        sent = b"".join(
            (
                frame_bytes(HEADERS, PADDED | PRIORITY, stream, bytes((7, 0, 0, 0, 0, 16)) + block[:3] + padding),
                frame_bytes(CONTINUATION, 0, stream, block[3:5]),
                frame_bytes(CONTINUATION, END_HEADERS, stream, block[5:]),
                frame_bytes(0xFA, 0xFF, stream, b"of a kind that nobody knows"),
                frame_bytes(DATA, PADDED, stream, b"\x07" + body[:2] + padding),
                frame_bytes(DATA, 0, stream, b""),
                frame_bytes(DATA, PRIORITY, stream, body[2:]),
                frame_bytes(HEADERS, END_STREAM, stream, peer.block(*DONE)),
                frame_bytes(CONTINUATION, END_HEADERS, stream, b""),
            )
        )
        for byte in sent:
            peer.writer.write(bytes([byte]))
            await peer.writer.drain()
            await asyncio.sleep(0.0005)
        assert await call == b"answer"


async def test_an_answer_of_many_frames_is_put_together() -> None:
    answer = bytes(range(256)) * 40_000
    async with channel_to_server() as (channel, server):
        call = calling(channel)
        peer = await server.peer()
        peer.answer((await peer.request()).stream, answer)
        assert await call == answer


@pytest.mark.parametrize(
    ("code", "words", "blame"),
    [
        (3, "index out of range", Blame.REQUEST),
        (5, "Request for unknown model: 'm' is not found", Blame.MODEL_MISSING),
        (13, "Stub process 'm_0_0' is not healthy.", Blame.MODEL_SICK),
        (13, "Prüfung: 100 %\nfailed", Blame.UNCLEAR),
        (14, "about to stop", Blame.NODE),
        (4, "too late", Blame.TIME),
        (99, "a code that nobody knows", Blame.UNCLEAR),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
async def test_a_refusal_is_told_in_the_servers_code_and_words(
    code: int, words: str, blame: Blame, *, begun: bool
) -> None:
    encoded = words.replace("%", "%25").replace("\n", "%0A").replace("ü", "%C3%BC")
    async with channel_to_server() as (channel, server):
        call = calling(channel)
        peer = await server.peer()
        stream = (await peer.request()).stream
        told = (("grpc-status", str(code)), ("grpc-message", encoded))
        if begun:
            peer.headers(stream, *BEGIN)
        peer.headers(stream, *(() if begun else BEGIN), *told, flags=END_STREAM)
        with pytest.raises(NodeFault) as refused:
            await call
    assert refused.value.blame is blame
    assert refused.value.details == (f"cannot be reached: {words}" if blame is Blame.NODE else words)
    assert refused.value.code.value[0] == (code if code < 17 else 2)


@pytest.mark.parametrize(
    ("status", "code"),
    [("503", grpc.StatusCode.UNAVAILABLE), ("404", grpc.StatusCode.UNIMPLEMENTED), ("200", grpc.StatusCode.UNKNOWN)],
)
async def test_an_answer_without_a_grpc_status_is_none(status: str, code: grpc.StatusCode) -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel)
        peer = await server.peer()
        stream = (await peer.request()).stream
        peer.headers(stream, (":status", status))
        peer.send(DATA, END_STREAM, stream, b"<html>")
        with pytest.raises(NodeFault, match=f"HTTP status {status}") as fault:
            await call
    assert fault.value.code is code


async def test_trailers_without_a_grpc_status_leave_that_of_http() -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel)
        peer = await server.peer()
        stream = (await peer.request()).stream
        peer.headers(stream, (":status", "503"))
        peer.headers(stream, ("x", "y"), flags=END_STREAM)
        with pytest.raises(NodeFault) as fault:
            await call
    assert fault.value.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("data", [b"", b"\0\0\0", b"\0\0\0\0\4abc", b"\0\0\0\0\2abc", b"\1\0\0\0\3abc"])
async def test_what_is_not_one_message_is_no_answer(data: bytes) -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel)
        peer = await server.peer()
        stream = (await peer.request()).stream
        peer.headers(stream, *BEGIN)
        peer.send(DATA, 0, stream, data)
        peer.headers(stream, *DONE, flags=END_STREAM)
        with pytest.raises(NodeFault, match="not one message") as fault:
            await call
    assert fault.value.blame is Blame.UNCLEAR


@pytest.mark.parametrize(
    ("error", "blame"), [(0x2, Blame.NODE), (0x8, Blame.NODE), (0xB, Blame.NODE), (0x1, Blame.NODE)]
)
async def test_a_call_that_the_server_cuts_off_is_the_nodes_fault(error: int, blame: Blame) -> None:
    async with channel_to_server() as (channel, server):
        call, other = calling(channel), calling(channel)
        peer = await server.peer()
        stream = (await peer.request()).stream
        peer.headers(stream, *BEGIN)
        peer.send(RESET, 0, stream, struct.pack(">I", error))
        peer.answer((await peer.request()).stream, b"another's")
        with pytest.raises(NodeFault, match="RST_STREAM") as fault:
            await call
        assert await other == b"another's"
    assert fault.value.blame is blame


async def test_a_call_whose_time_is_over_fails_and_is_cancelled_at_the_server() -> None:
    async with channel_to_server() as (channel, server):
        call, other = calling(channel, seconds=0.2), calling(channel)
        peer = await server.peer()
        late, kept = await peer.request(), await peer.request()
        with pytest.raises(NodeFault) as fault:
            await call
        assert (fault.value.blame, fault.value.code) == (Blame.TIME, grpc.StatusCode.DEADLINE_EXCEEDED)
        reset = await peer.take(RESET)
        assert (reset.stream, reset.payload) == (late.stream, b"\0\0\0\x08")
        peer.answer(late.stream, b"too late")  # it harms nobody
        peer.answer(kept.stream, b"in time")
        assert await other == b"in time"


async def test_cancelling_the_caller_cancels_the_call_at_the_server_and_no_other() -> None:
    async with channel_to_server() as (channel, server):
        call, other = calling(channel), calling(channel)
        peer = await server.peer()
        gone, kept = await peer.request(), await peer.request()
        call.cancel()
        assert (await peer.take(RESET)).stream == gone.stream
        peer.answer(kept.stream, b"answer")
        assert await other == b"answer"
        assert call.cancelled()
