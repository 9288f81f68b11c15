"""Frames come out whole however they are cut up, and headers say what was meant."""

from itertools import pairwise

import pytest
from hpack import Decoder, Encoder
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.triton.http2.frames import CONTINUATION, FRAME_BYTES, HEADERS, ProtocolError, write_frame
from gateway.backends.triton.http2.headers import read_block, request_block, timeout_field, write_field
from gateway.backends.triton.http2.inbox import Inbox

KINDS = st.integers(0, 255).filter(lambda kind: kind not in (HEADERS, CONTINUATION))
FRAMES = st.tuples(KINDS, st.integers(0, 255), st.integers(0, 2**31 - 1), st.binary(max_size=300))


@given(st.lists(FRAMES), st.lists(st.integers(0, 3000)))
def test_frames_are_the_same_however_they_arrive(frames: list[tuple[int, int, int, bytes]], cuts: list[int]) -> None:
    sent = b"".join(write_frame(*frame) for frame in frames)
    ends = [0, *sorted(cuts), len(sent)]
    pieces = [sent[start:end] for start, end in pairwise(ends)]
    inbox = Inbox()
    assert [frame for piece in pieces for frame in inbox.cut(piece)] == frames


@given(st.binary(max_size=FRAME_BYTES * 2))
def test_nonsense_is_refused_or_waited_for(data: bytes) -> None:
    try:
        for frame in Inbox().cut(data):
            if frame[0] == HEADERS:
                read_block(frame[3])
    except ProtocolError:
        pass


def test_a_request_reads_the_same_to_a_foreign_decoder() -> None:
    block = request_block("10.0.0.1:8001", "/p/m") + timeout_field(0.25)
    fields = {str(name): str(value) for name, value in Decoder().decode(block)}
    assert (fields[":authority"], fields[":path"], fields["grpc-timeout"]) == ("10.0.0.1:8001", "/p/m", "250m")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0, "1m"), (-1.0, "1m"), (1.2345, "1234m"), (99_999.0, "99999000m"), (1e6, "1000000S"), (1e20, "99999999S")],
)
def test_a_deadline_has_at_most_eight_digits(seconds: float, told: str) -> None:
    assert timeout_field(seconds) == write_field("grpc-timeout", told)


def test_a_text_too_long_for_its_length_is_refused() -> None:
    assert write_field("n", "v" * 126)
    with pytest.raises(ValueError, match="too long"):
        write_field("n", "v" * 127)


def test_blocks_are_read_alike_each_time_and_remember_nothing() -> None:
    encoder = Encoder()
    first = encoder.encode([("grpc-status", "0"), ("x", "once")])
    second = encoder.encode([("grpc-status", "0"), ("x", "once")])  # refers to the first
    assert read_block(first) == read_block(first) == {"grpc-status": "0", "x": "once"}
    with pytest.raises(ProtocolError, match="headers cannot be read"):
        read_block(second)
