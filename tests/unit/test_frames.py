"""The frames and the channels, against examples and against whatever a guest may send."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import GuestError, ProtocolError
from hermes.evidence.recording import Screen
from hermes.guest import ChannelRequest, Output
from hermes.sandbox import frames
from hermes.sandbox.frames import Decoder, Frame, FromGuest, ToGuest
from hermes.sandbox.multiplexer import WINDOW, GuestChannel, Multiplexer
from tests.vectors import vectors

Outcome = tuple[list[Frame], bool]


def named(name: str) -> pytest.MarkDecorator:
    """Run a test for every vector of a list, under the vector's name."""
    found = vectors(name)
    return pytest.mark.parametrize("vector", found, ids=[each["name"] for each in found])


def encoded(vector: dict[str, Any]) -> bytes:
    """Encode what a vector means."""
    type_, channel = ToGuest[vector["frame"]], vector["channel"]
    if type_ is ToGuest.OPEN:
        screen = Screen(*vector["screen"]) if "screen" in vector else None
        request = ChannelRequest(
            vector["user"],
            vector.get("command"),
            screen,
            vector["source"],
            vector["environment"],
        )
        return frames.open_frame(channel, vector["window"], request)
    if "number" in vector:
        return frames.number_frame(type_, channel, vector["number"])
    if "size" in vector:
        return frames.resize_frame(channel, *vector["size"])
    return frames.frame(type_, channel, bytes.fromhex(vector["payload"]))


def decoded(pieces: list[bytes]) -> Outcome:
    """Return the frames of a stream and whether it came to be a ProtocolError."""
    decoder, found = Decoder(), list[Frame]()
    try:
        for piece in pieces:
            found.extend(decoder.feed(piece))
    except ProtocolError:
        return found, True
    return found, False


def held(channel: GuestChannel) -> int:
    """Sum what waits to be read."""
    return sum(len(output.data) for output in channel._output)


@named("to_guest")
def test_a_frame_to_the_guest_has_the_bytes_of_its_vector(vector: dict[str, Any]) -> None:
    """The guest's own test reads the same ones."""
    assert encoded(vector).hex() == vector["hex"]


@named("from_guest")
def test_a_frame_from_the_guest_means_what_its_vector_says(vector: dict[str, Any]) -> None:
    """Type, channel and payload."""
    payload = bytes.fromhex(vector["payload"])
    expected = Frame(FromGuest[vector["frame"]], vector["channel"], payload)
    assert decoded([bytes.fromhex(vector["hex"])]) == ([expected], False)


@named("malformed_from_guest")
def test_a_malformed_frame_is_an_error_at_its_header(vector: dict[str, Any]) -> None:
    """Nothing of a payload is waited for that should not be."""
    assert decoded([bytes.fromhex(vector["hex"])[:8]]) == ([], True)


_PAYLOADS = st.binary(max_size=40)
_FRAMES = st.builds(
    lambda kind, channel, payload: frames._HEADER.pack(kind, channel, len(payload)) + payload,
    st.sampled_from([*FromGuest]) | st.integers(0, 255),
    st.integers(0, 4) | st.integers(0, 0xFFFF),
    _PAYLOADS | st.sampled_from([b"\0\0\0\1", b"\0\1\0\0", b"\0\7", b"x" * frames.LARGEST_OUTPUT]),
)
_STREAMS = st.lists(_FRAMES | _PAYLOADS, max_size=30).map(b"".join)


@given(_STREAMS, st.lists(st.integers(0, 400), max_size=20))
def test_no_cutting_changes_what_a_stream_means(stream: bytes, cuts: list[int]) -> None:
    """Any bytes are frames or a ProtocolError, and the same ones in any pieces."""
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert decoded(pieces) == decoded([stream])


def multiplexer_with_channels(count: int) -> tuple[Multiplexer, list[GuestChannel]]:
    """Return a multiplexer that believes that it has opened channels."""
    multiplexer = Multiplexer("test", lambda _data: None)
    channels = [GuestChannel(multiplexer, number) for number in range(count)]
    multiplexer._channels.update(enumerate(channels))
    return multiplexer, channels


async def every(channel: GuestChannel) -> AsyncIterator[Output]:
    """Read to the end."""
    while (output := await channel.read()) is not None:
        yield output


@given(st.lists(_STREAMS, max_size=10), st.booleans())
def test_a_hostile_guest_is_refused_and_costs_no_more_than_its_window(
    streams: list[bytes], closing: bool
) -> None:
    """Whatever it sends, there is no exception but ProtocolError and no memory without credit."""
    multiplexer, channels = multiplexer_with_channels(3)
    channels[0].closing = closing
    try:
        for stream in streams:
            multiplexer.feed(stream)
    except ProtocolError:
        pass
    for channel in channels:
        assert held(channel) <= WINDOW
        assert held(channel) == 0 or not channel.closing


async def test_small_pieces_of_output_are_read_together() -> None:
    """Those of one stream, in order, up to 128 KiB at once."""
    multiplexer, (channel,) = multiplexer_with_channels(1)
    pieces = [(FromGuest.OUTPUT, b"a"), *[(FromGuest.OUTPUT, b"b" * 32_000)] * 3]
    pieces += [(FromGuest.OUTPUT, b"c" * 32_000), (FromGuest.OUTPUT, b"d" * 32_000)]
    pieces += [(FromGuest.ERROR_OUTPUT, b"e"), (FromGuest.ERROR_OUTPUT, b"f")]
    for kind, data in [*pieces, (FromGuest.OUTPUT, b"g"), (FromGuest.NO_OUTPUT, b"")]:
        multiplexer.feed(frames._HEADER.pack(kind, 0, len(data)) + data)
    read = [output async for output in every(channel)]
    assert [(output.data, output.stderr) for output in read] == [
        (b"a" + b"b" * 96_000 + b"c" * 32_000, False),
        (b"d" * 32_000, False),
        (b"ef", True),
        (b"g", False),
    ]
    assert held(channel) == 0


def test_output_beyond_the_window_is_an_error() -> None:
    """Up to the last byte of it, it is kept."""
    multiplexer, channels = multiplexer_with_channels(1)
    full = frames._HEADER.pack(FromGuest.OUTPUT, 0, frames.LARGEST_OUTPUT)
    for _ in range(WINDOW // frames.LARGEST_OUTPUT):
        multiplexer.feed(full + b"x" * frames.LARGEST_OUTPUT)
    assert held(channels[0]) == WINDOW
    with pytest.raises(ProtocolError, match="more than it may"):
        multiplexer.feed(frames._HEADER.pack(FromGuest.OUTPUT, 0, 1) + b"x")


def test_a_request_that_no_guest_takes_is_not_sent() -> None:
    """A command of megabytes is an error of the channel, not of the sandbox."""
    request = ChannelRequest("root", "x" * frames.LARGEST_OPEN)
    with pytest.raises(GuestError, match="larger than a guest takes"):
        frames.open_frame(0, WINDOW, request)


def test_input_is_fed_at_once_while_all_of_it_is_granted() -> None:
    """A byte more is refused whole, as is what a program that has ended would not take."""
    multiplexer, (channel,) = multiplexer_with_channels(1)
    sent: list[bytes] = []
    multiplexer._send = sent.append
    assert not channel.write_now(b"k")
    channel.take(Frame(FromGuest.OPENED, 0, (4).to_bytes(4, "big")))
    assert channel.write_now(b"key")
    assert not channel.write_now(b"ab")
    assert channel.write_now(b"s")
    channel.take(Frame(FromGuest.TAKEN, 0, (4).to_bytes(4, "big")))
    channel.take(Frame(FromGuest.EXITED, 0, b"\0\0"))
    assert not channel.write_now(b"k")
    assert sent == [frames.frame(ToGuest.DATA, 0, data) for data in (b"key", b"s")]


async def test_what_waits_to_be_read_lets_others_have_their_turn() -> None:
    """Once before each piece, so that one program's output holds up nobody else's."""
    multiplexer, (channel,) = multiplexer_with_channels(1)
    for _number in range(2):
        payload = b"x" * frames.LARGEST_OUTPUT
        multiplexer.feed(frames._HEADER.pack(FromGuest.OUTPUT, 0, len(payload)) + payload)
    turns: list[str] = []
    asyncio.get_running_loop().call_soon(turns.append, "other")
    await channel.read()
    assert turns == ["other"]
