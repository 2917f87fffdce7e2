"""RTP packets: what is written is read back, and no octets raise anything but `Malformed`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import rtp
from meetref.wire.reader import Malformed
from tests.wire.strangers import read

words = st.integers(0, 2**32 - 1)
one_byte_elements = st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16), max_size=6)
two_byte_elements = st.dictionaries(st.integers(1, 255), st.binary(max_size=255), max_size=4)


@st.composite
def packets(draw: st.DrawFn) -> rtp.Packet:
    profile = draw(st.sampled_from([None, rtp.ONE_BYTE, rtp.TWO_BYTE, 0x1007, 0xABCD]))
    elements: dict[int, bytes] = {}
    body = b""
    if profile == rtp.ONE_BYTE:
        elements = draw(one_byte_elements)
    elif profile in (rtp.TWO_BYTE, 0x1007):
        elements = draw(two_byte_elements)
    elif profile is not None:
        body = draw(st.integers(0, 5).flatmap(lambda size: st.binary(min_size=size * 4, max_size=size * 4)))
    return rtp.Packet(
        payload_type=draw(st.integers(0, 127)),
        sequence=draw(st.integers(0, 65535)),
        timestamp=draw(words),
        ssrc=draw(words),
        payload=draw(st.binary(max_size=40)),
        marker=draw(st.booleans()),
        csrcs=draw(st.lists(words, max_size=15)),
        extension_profile=profile,
        extensions=elements,
        extension_body=body,
        padding_size=draw(st.integers(0, 255)),
    )


@given(packets())
def test_round_trip(packet: rtp.Packet) -> None:
    assert rtp.parse(rtp.serialize(packet)) == packet


@given(packets())
def test_the_hot_path_sees_what_the_parser_sees(packet: rtp.Packet) -> None:
    for data in (rtp.serialize(packet), memoryview(rtp.serialize(packet))):
        start, end = rtp.payload_bounds(data)
        assert bytes(data[start:end]) == packet.payload
        for number in range(256):
            found = rtp.find_extension(data, number)
            value = bytes(data[found[0] : sum(found)]) if found else None
            assert value == packet.extensions.get(number)


@given(st.binary(max_size=120) | packets().map(rtp.serialize).flatmap(lambda data: st.integers(0, len(data)).map(
    lambda size: data[:size])))  # fmt: skip
def test_any_octets_are_a_packet_or_malformed(data: bytes) -> None:
    bounds = read(rtp.payload_bounds, data)
    assert bounds is None or rtp.HEADER_SIZE <= bounds[0] <= bounds[1] <= len(data)
    packet = read(rtp.parse, data)
    assert packet is None or rtp.parse(rtp.serialize(packet)) == packet
    repaired = read(rtp.original, data, 96, 1)
    assert repaired is None or (repaired[1] & 0x7F, repaired[8:12]) == (96, b"\0\0\0\1")
    if len(data) >= rtp.HEADER_SIZE:
        found = read(rtp.find_extension, data, 3)
        assert found is None or sum(found) <= len(data)


@given(packets(), st.integers(0, 127), st.integers(0, 65535), words)
def test_a_retransmission_gives_the_original_back(packet: rtp.Packet, kind: int, sequence: int, ssrc: int) -> None:
    data = rtp.serialize(packet)
    repeated = rtp.retransmission(data, kind, sequence, ssrc)
    read = rtp.parse(repeated)
    assert (read.payload_type, read.sequence, read.ssrc, read.timestamp, read.marker) == (
        *(kind, sequence, ssrc),
        *(packet.timestamp, packet.marker),
    )
    packet.padding_size = 0
    assert rtp.parse(rtp.original(repeated, packet.payload_type, packet.ssrc)) == packet


@pytest.mark.spec("rtp/one-byte-when-small", "rtp/extension-only-with-elements")
def test_the_smallest_form_is_chosen() -> None:
    def profile(extensions: dict[int, bytes]) -> int | None:
        return rtp.parse(rtp.serialize(rtp.Packet(96, 1, 2, 3, extensions=extensions))).extension_profile

    assert profile({}) is None
    assert profile({1: b"a", 14: bytes(16)}) == rtp.ONE_BYTE
    for large in ({15: b"a"}, {1: b""}, {1: bytes(17)}):
        assert profile(large) == rtp.TWO_BYTE


@pytest.mark.parametrize(
    "packet",
    [
        rtp.Packet(96, 1, 2, 3, csrcs=[0] * 16),
        rtp.Packet(96, 1, 2, 3, padding_size=256),
        rtp.Packet(96, 1, 2, 3, extension_profile=rtp.ONE_BYTE, extensions={15: b"a"}),
        rtp.Packet(96, 1, 2, 3, extension_profile=rtp.ONE_BYTE, extensions={1: b""}),
        rtp.Packet(96, 1, 2, 3, extensions={256: b"a"}),
        rtp.Packet(96, 1, 2, 3, extensions={1: bytes(256)}),
    ],
)
def test_what_does_not_fit_is_not_written(packet: rtp.Packet) -> None:
    with pytest.raises(Malformed):
        rtp.serialize(packet)


@pytest.mark.spec("rtp/audio-level")
def test_audio_level() -> None:
    assert rtp.audio_level(0x80) == (True, 0)
    assert rtp.audio_level(0x7F) == (False, 127)
    assert rtp.audio_level(0xFF) == (True, 127)
