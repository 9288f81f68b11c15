"""Neither side sends more than the other takes, and nobody waits for windows without need."""

import asyncio
import struct

import pytest

from gateway.backends.triton.faults import Blame, NodeFault
from tests.gateway.triton.http2_server import (
    ACK,
    BEGIN,
    DATA,
    END_STREAM,
    FRAME_BYTES,
    HEADERS,
    MOST_CALLS,
    PING,
    RESET,
    SETTINGS,
    STREAM_WINDOW,
    WINDOW,
    Peer,
    calling,
    channel_to_server,
)

LARGE = bytes(range(250)) * 240
MIB = 1024 * 1024


async def acknowledged(peer: Peer) -> None:
    """Waits until the client has taken our settings."""
    while not (await peer.take(SETTINGS)).flags & ACK:
        pass


def widen(peer: Peer, stream: int, size: int) -> None:
    """Takes more from the client."""
    peer.send(WINDOW, 0, stream, struct.pack(">I", size))


async def test_the_server_is_told_to_keep_no_headers_to_push_nothing_and_never_to_wait() -> None:
    async with channel_to_server() as (channel, server):
        calling(channel)
        told = (await (await server.peer()).take(SETTINGS)).payload
    assert dict(struct.iter_unpack(">HI", told)) == {1: 0, 2: 0, STREAM_WINDOW: 2**31 - 1}


async def test_only_a_question_is_answered_and_not_an_answer() -> None:
    async with channel_to_server() as (channel, server):
        calling(channel)
        peer = await server.peer()
        peer.send(PING, ACK, 0, b"answer..")
        peer.send(PING, 0, 0, b"question")
        frame = await peer.take(PING)
        assert (frame.flags, frame.payload) == (ACK, b"question")


async def test_a_small_request_waits_for_windows_too() -> None:
    async with channel_to_server() as (channel, server):
        warm = calling(channel)
        peer = await server.peer()
        peer.answer((await peer.request()).stream, b"")
        await warm
        peer.settings((STREAM_WINDOW, 1000))
        await acknowledged(peer)
        calling(channel, LARGE[:5000])
        assert len((await peer.take(DATA)).payload) == 1000


async def test_many_small_requests_wait_for_the_window_of_the_connection() -> None:
    async with channel_to_server() as (channel, server):
        for _ in range(20):
            calling(channel, LARGE[:5000])
        peer = await server.peer()
        taken = 0
        while (frame := await peer.take(DATA, PING)).kind == DATA:
            taken += len(frame.payload)
            if taken == 65_535:
                peer.send(PING, 0, 0, b"and more")
        assert taken == 65_535


async def test_a_request_waits_for_the_window_of_its_stream_and_holds_up_no_other() -> None:
    async with channel_to_server() as (channel, server):
        warm = calling(channel)
        peer = await server.peer()
        peer.settings((STREAM_WINDOW, 1000))
        peer.answer((await peer.request()).stream, b"")
        await warm
        await acknowledged(peer)
        large, small = calling(channel, LARGE), calling(channel, b"small")
        stream = (await peer.take(HEADERS)).stream
        first = await peer.take(DATA)
        assert (first.stream, len(first.payload), first.flags) == (stream, 1000, 0)
        request = await peer.request()
        assert request.message == b"small"
        peer.answer(request.stream, b"at once")
        assert await small == b"at once"
        body = first.payload
        while len(body) < len(LARGE) + 5:
            widen(peer, stream, 7000)
            frame = await peer.take(DATA)
            assert len(frame.payload) <= 7000
            body += frame.payload
        assert body[5:] == LARGE
        assert frame.flags & END_STREAM
        peer.answer(stream, b"at last")
        assert await large == b"at last"


async def test_requests_wait_for_the_window_of_the_connection() -> None:
    async with channel_to_server() as (channel, server):
        calls = [calling(channel, LARGE) for _ in range(3)]
        peer = await server.peer()
        bodies: dict[int, bytes] = {}
        taken = 0
        while sum(map(len, bodies.values())) < 3 * (len(LARGE) + 5):
            frame = await peer.take(DATA)
            bodies[frame.stream] = bodies.get(frame.stream, b"") + frame.payload
            taken += len(frame.payload)
            assert len(frame.payload) <= 16_384
            assert taken <= 65_535
            if taken == 65_535:
                widen(peer, 0, taken)
                taken = 0
        assert [body[5:] for body in bodies.values()] == [LARGE] * 3
        for stream in bodies:
            peer.answer(stream, b"answer")
        assert await asyncio.gather(*calls) == [b"answer"] * 3


async def test_a_window_that_the_server_narrows_under_way_is_kept() -> None:
    async with channel_to_server() as (channel, server):
        calling(channel, LARGE * 2)
        peer = await server.peer()
        size = 0
        while size < 65_535:
            size += len((await peer.take(DATA)).payload)
        peer.settings((STREAM_WINDOW, 60_000))
        await acknowledged(peer)
        widen(peer, 0, MIB)
        widen(peer, 1, 5_535)  # the window is now as wide as nothing
        widen(peer, 1, 100)
        assert len((await peer.take(DATA)).payload) == 100


async def test_frames_are_as_large_as_the_server_allows() -> None:
    async with channel_to_server() as (channel, server):
        warm = calling(channel)
        peer = await server.peer()
        peer.settings((FRAME_BYTES, 100_000))
        peer.answer((await peer.request()).stream, b"")
        await warm
        await acknowledged(peer)
        widen(peer, 0, MIB)
        peer.send(PING, 0, 0, b"in order")
        await peer.take(PING)
        calling(channel, LARGE)
        assert len((await peer.take(DATA)).payload) == len(LARGE) + 5


async def test_the_window_of_the_connection_is_made_whole_as_answers_arrive() -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel)
        peer = await server.peer()
        first = await peer.take(WINDOW)
        assert (first.stream, first.payload) == (0, struct.pack(">I", 2**31 - 1 - 65_535))
        peer.answer((await peer.request()).stream, bytes(17 * MIB))
        again = await peer.take(WINDOW)
        assert again.stream == 0
        assert struct.unpack(">I", again.payload)[0] >= 16 * MIB
        assert await call == bytes(17 * MIB)


async def test_the_window_is_made_whole_for_answers_that_nobody_awaits() -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel)
        peer = await server.peer()
        await peer.take(WINDOW)
        stream = (await peer.request()).stream
        call.cancel()
        peer.answer(stream, bytes(17 * MIB))
        assert (await peer.take(WINDOW)).stream == 0


async def test_no_more_calls_are_under_way_than_the_server_allows() -> None:
    async with channel_to_server() as (channel, server):
        calls = [calling(channel, b"first")]
        peer = await server.peer()
        first = await peer.request()
        peer.settings((MOST_CALLS, 1))
        await acknowledged(peer)
        calls += [calling(channel, b"gone"), calling(channel, b"late", 0.2), calling(channel, b"second")]
        with pytest.raises(NodeFault) as late:
            await calls[2]
        assert late.value.blame is Blame.TIME
        calls[1].cancel()
        peer.send(PING, 0, 0, b"anybody?")
        frame = await peer.take(HEADERS, PING)
        assert (frame.kind, frame.flags, frame.payload) == (PING, ACK, b"anybody?")
        peer.answer(first.stream, b"one")
        second = await peer.request()
        assert second.message == b"second"
        peer.answer(second.stream, b"two")
        assert [await calls[0], await calls[3]] == [b"one", b"two"]


async def test_calls_that_wait_are_sent_when_the_server_allows_more() -> None:
    async with channel_to_server() as (channel, server):
        first = calling(channel, b"first")
        peer = await server.peer()
        requests = [await peer.request()]
        peer.settings((MOST_CALLS, 1))
        await acknowledged(peer)
        second = calling(channel, b"second")
        await asyncio.sleep(0.05)
        peer.settings((MOST_CALLS, 2))
        requests.append(await peer.request())
        for request in requests:
            peer.answer(request.stream, request.message)
        assert [await first, await second] == [b"first", b"second"]


async def test_an_answer_before_the_request_is_sent_ends_the_sending() -> None:
    async with channel_to_server() as (channel, server):
        call = calling(channel, LARGE * 2)
        peer = await server.peer()
        stream = (await peer.take(HEADERS)).stream
        peer.headers(stream, *BEGIN, ("grpc-status", "3"), ("grpc-message", "too large"), flags=END_STREAM)
        with pytest.raises(NodeFault, match="too large"):
            await call
        assert (await peer.take(RESET)).stream == stream
        widen(peer, 0, MIB)
        other = calling(channel, b"other")
        request = await peer.request()
        assert request.message == b"other"
        peer.answer(request.stream, b"answer")
        assert await other == b"answer"
