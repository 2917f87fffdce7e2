"""Datagrams on a stream, however the stream is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire.framing import MAXIMUM_SIZE, Deframer, frame
from meetref.wire.reader import Malformed


@pytest.mark.spec("ice/tcp-framing", "multiplex/framing")
def test_the_length_stands_in_front() -> None:
    assert frame(b"abc").hex() == "0003616263"


@pytest.mark.spec("ice/tcp-framing", "multiplex/framing")
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=12), st.lists(st.integers(1, 50), min_size=1))
def test_what_was_framed_comes_out_again_in_any_pieces(frames: list[bytes], sizes: list[int]) -> None:
    octets, deframer, found = b"".join(map(frame, frames)), Deframer(), list[bytes]()
    turn = 0
    while octets:
        size = sizes[turn % len(sizes)]
        found += deframer.feed(octets[:size])
        octets, turn = octets[size:], turn + 1
    assert found == frames


def test_frames_of_nothing_are_skipped() -> None:
    assert list(Deframer().feed(b"\0\0\0\0\0\1x\0\0")) == [b"x"]


def test_what_is_too_long_for_its_length_is_refused() -> None:
    assert len(frame(bytes(MAXIMUM_SIZE))) == MAXIMUM_SIZE + 2
    with pytest.raises(Malformed):
        frame(bytes(MAXIMUM_SIZE + 1))


@given(st.lists(st.binary(max_size=70), max_size=30))
def test_any_octets_are_frames_and_never_more_than_one_is_held(pieces: list[bytes]) -> None:
    deframer = Deframer()
    for piece in pieces:
        for found in deframer.feed(piece):
            assert found
        assert len(deframer._octets) <= MAXIMUM_SIZE + 2 + len(piece)
