"""A connection that ends or breaks fails what is under way at once, and the next call makes a new one."""

import asyncio
import socket
import struct

import pytest

from gateway.backends.triton.faults import Blame, NodeFault
from gateway.backends.triton.http2.call import Call, NotTakenError
from gateway.backends.triton.http2.channel import Channel
from gateway.backends.triton.http2.connection import Connection
from gateway.backends.triton.http2.headers import request_block
from tests.e2e.serving import free_port
from tests.gateway.triton.http2_server import (
    BEGIN,
    CONTINUATION,
    DATA,
    END_HEADERS,
    FRAME_BYTES,
    GOAWAY,
    HEADERS,
    MOST_CALLS,
    PADDED,
    PATH,
    PUSH,
    RESET,
    SETTINGS,
    WINDOW,
    Peer,
    Server,
    calling,
    channel_to_server,
)

REFUSED = struct.pack(">I", 7)


async def fault_of(call: asyncio.Task[bytes]) -> NodeFault:
    """Returns why a call fails, which has to be soon."""
    with pytest.raises(NodeFault) as raised:
        async with asyncio.timeout(10):
            await call
    return raised.value


async def answer_one(server: Server, channel: Channel) -> Peer:
    """Sees a call answered over a new connection."""
    call = calling(channel, b"again")
    peer = await server.peer()
    request = await peer.request()
    assert request.message == b"again"
    peer.answer(request.stream, b"answer")
    assert await call == b"answer"
    return peer


async def test_a_server_that_hangs_up_amid_an_answer_fails_every_call_at_once() -> None:
    async with channel_to_server() as (channel, server):
        calls = [calling(channel) for _ in range(5)]
        peer = await server.peer()
        stream = (await peer.request()).stream
        peer.headers(stream, *BEGIN)
        peer.send(DATA, 0, stream, struct.pack(">BI", 0, 1000) + bytes(500))
        peer.writer.close()
        assert {(await fault_of(call)).blame for call in calls} == {Blame.NODE}
        await answer_one(server, channel)


async def test_a_connection_that_is_reset_fails_every_call_at_once() -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel, seconds=None)
        peer = await server.peer()
        await peer.request()
        peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.writer.transport.abort()
        assert (await fault_of(call)).blame is Blame.NODE
        await answer_one(server, channel)


BAD_BLOCK = b"\xff\xff\xff\xff\xff\xff"


@pytest.mark.parametrize(
    ("kind", "flags", "stream", "payload"),
    [
        pytest.param(DATA, 0, 1, b"x", id="data-before-headers"),
        pytest.param(HEADERS, PADDED | END_HEADERS, 1, b"\x05abc", id="more-padding-than-frame"),
        pytest.param(HEADERS, PADDED | END_HEADERS, 1, b"", id="no-padding-at-all"),
        pytest.param(DATA, 0, 1, bytes(16_385), id="frame-too-large"),
        pytest.param(HEADERS, END_HEADERS, 1, BAD_BLOCK, id="headers-garbled"),
        pytest.param(HEADERS, END_HEADERS, 1, b"\x40\x01\xff\x01x", id="header-names-garbled"),
        pytest.param(CONTINUATION, END_HEADERS, 1, b"", id="continued-without-beginning"),
        pytest.param(PUSH, END_HEADERS, 1, b"\0\0\0\x02", id="push"),
        pytest.param(SETTINGS, 0, 0, b"\0\0\0", id="settings-cut-off"),
        pytest.param(SETTINGS, 0, 0, struct.pack(">HI", FRAME_BYTES, 100), id="frames-too-small"),
        pytest.param(GOAWAY, 0, 0, b"\0\0\0", id="farewell-cut-off"),
        pytest.param(WINDOW, 0, 0, b"\0", id="window-cut-off"),
        pytest.param(RESET, 0, 1, b"\0\0\0\0\0", id="reset-too-long"),
    ],
)
async def test_a_server_that_breaks_the_rules_is_left(kind: int, flags: int, stream: int, payload: bytes) -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel)
        peer = await server.peer()
        await peer.request()
        peer.send(kind, flags, stream, payload)
        fault = await fault_of(call)
        assert fault.blame is Blame.NODE
        assert "the node breaks HTTP/2" in fault.details
        await answer_one(server, channel)


@pytest.mark.parametrize("kind", [DATA, HEADERS])
async def test_headers_that_are_interrupted_end_the_connection(kind: int) -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel)
        peer = await server.peer()
        await peer.request()
        peer.send(HEADERS, 0, 1, peer.block(*BEGIN)[:2])
        peer.send(kind, END_HEADERS, 1, b"")
        assert "interrupted" in (await fault_of(call)).details


async def test_headers_without_end_end_the_connection() -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel)
        peer = await server.peer()
        await peer.request()
        peer.send(HEADERS, 0, 1, b"")
        for _ in range(5):
            peer.send(CONTINUATION, 0, 1, bytes(16_000))
        assert "without end" in (await fault_of(call)).details


async def test_a_server_that_speaks_another_language_is_told() -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel)
        peer = await server.peer()
        peer.writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert "the node breaks HTTP/2: a frame has 4740180 bytes" in (await fault_of(call)).details


async def test_a_server_that_goes_away_answers_what_it_has_taken_and_the_rest_goes_over_a_new_connection() -> None:
    async with channel_to_server() as (channel, server):
        calls = [calling(channel, bytes([number])) for number in range(4)]
        leaving = await server.peer()
        requests = [await leaving.request() for _ in calls]
        leaving.send(GOAWAY, 0, 0, struct.pack(">II", 2**31 - 1, 0))
        leaving.send(GOAWAY, 0, 0, struct.pack(">II", requests[1].stream, 0))
        peer = await server.peer()
        again = [await peer.request() for _ in range(2)]
        assert [request.message for request in again] == [b"\2", b"\3"]
        for request in requests[:2]:
            leaving.answer(request.stream, b"old " + request.message)
        for request in again:
            peer.answer(request.stream, b"new " + request.message)
        assert await asyncio.gather(*calls) == [b"old \0", b"old \1", b"new \2", b"new \3"]
        with pytest.raises(asyncio.IncompleteReadError):  # with its last answer the old one is closed
            await leaving.take(DATA)
        assert server.accepted == 2


async def test_calls_that_wait_for_a_place_go_over_the_new_connection() -> None:
    async with channel_to_server() as (channel, server):
        first = calling(channel, b"first")
        leaving = await server.peer()
        leaving.settings((MOST_CALLS, 1))
        taken = await leaving.request()
        second = calling(channel, b"second")
        await asyncio.sleep(0.05)
        leaving.send(GOAWAY, 0, 0, struct.pack(">II", taken.stream, 0))
        peer = await server.peer()
        request = await peer.request()
        assert request.message == b"second"
        peer.answer(request.stream, b"two")
        leaving.answer(taken.stream, b"one")
        assert [await first, await second] == [b"one", b"two"]


async def test_an_idle_connection_that_goes_away_is_closed_and_replaced() -> None:
    async with channel_to_server() as (channel, server):
        leaving = await answer_one(server, channel)
        leaving.send(GOAWAY, 0, 0, struct.pack(">II", 2**31 - 1, 0))
        with pytest.raises(asyncio.IncompleteReadError):
            await leaving.take(DATA)
        await answer_one(server, channel)


async def test_a_call_that_the_server_has_not_looked_at_is_made_again_and_not_for_ever() -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel)
        peer = await server.peer()
        peer.send(RESET, 0, (await peer.request()).stream, REFUSED)
        peer.answer((await peer.request()).stream, b"answer")
        assert await call == b"answer"
        call = calling(channel)
        for _ in range(3):
            peer.send(RESET, 0, (await peer.request()).stream, REFUSED)
        fault = await fault_of(call)
        assert (fault.blame, fault.details) == (Blame.NODE, "cannot be reached: the node takes no calls")


async def test_numbers_of_streams_come_to_an_end_and_then_another_connection_is_needed() -> None:
    server = Server()
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(lambda _: None, 2**31 - 3), host, port)
    calls = [Call(request_block("a", PATH), b"", None) for _ in range(3)]
    for call in calls[:2]:
        assert connection.usable
        connection.start(call, None)
    assert not connection.usable
    connection.start(calls[2], None)
    with pytest.raises(NotTakenError):
        await calls[2].answer
    peer = await server.peer()
    for _ in range(2):
        peer.answer((await peer.request()).stream, b"answer")
    assert [await call.answer for call in calls[:2]] == [b"answer"] * 2
    await connection.lost
    server.hang_up()
    listener.close()


async def test_a_node_that_is_not_there_is_told_at_once() -> None:
    channel = Channel(f"127.0.0.1:{free_port()}", PATH)
    faults = await asyncio.gather(*(fault_of(calling(channel)) for _ in range(10)))
    assert {fault.blame for fault in faults} == {Blame.NODE}
    assert not [fault for fault in faults if "too long" in fault.details]
    await channel.close()


async def test_callers_who_come_together_share_one_connection_even_if_the_first_of_them_goes() -> None:
    async with channel_to_server() as (channel, server):
        first, *others = [calling(channel) for _ in range(10)]
        await asyncio.sleep(0)
        first.cancel()
        peer = await server.peer()
        for _ in others:
            peer.answer((await peer.request()).stream, b"answer")
        assert await asyncio.gather(*others) == [b"answer"] * 9
        assert server.accepted == 1


async def test_a_node_that_takes_no_connection_costs_no_more_than_the_deadline() -> None:
    with socket.socket() as deaf, socket.socket() as one, socket.socket() as two:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for filling in (one, two):
            filling.settimeout(0)
            filling.connect_ex(deaf.getsockname())
        channel = Channel(f"127.0.0.1:{deaf.getsockname()[1]}", PATH)
        assert (await fault_of(calling(channel, seconds=0.2))).blame is Blame.TIME
        waiting = calling(channel)
        await asyncio.sleep(0.05)
        channel.give_up("the node stopped answering")
        assert (await fault_of(waiting)).blame is Blame.NODE
        await channel.close()


async def test_who_gives_up_fails_what_is_under_way_and_may_call_again() -> None:
    async with channel_to_server() as (channel, server):
        calls = [calling(channel, seconds=None) for _ in range(3)]
        peer = await server.peer()
        await peer.request()
        channel.give_up("the node stopped answering")
        assert {(await fault_of(call)).blame for call in calls} == {Blame.NODE}
        await answer_one(server, channel)


async def test_what_is_closed_fails_what_is_under_way_and_whatever_comes_later() -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel, seconds=None)
        await (await server.peer()).request()
        await channel.close()
        assert "the connection was closed" in (await fault_of(call)).details
        assert "the connection was closed" in (await fault_of(calling(channel))).details
        assert server.accepted == 1
