"""Capture files: what is written is read back, in both byte orders, and nothing else escapes than `Malformed`."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire.pcapng import (
    INTERFACE,
    PACKET,
    SECRETS,
    SECTION,
    Block,
    Interface,
    Packet,
    Secrets,
    Section,
    Unknown,
    parse,
    serialize,
)
from meetref.wire.reader import Malformed
from tests.wire.strangers import read

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
KNOWN = {SECTION, INTERFACE, PACKET, SECRETS}

PACKETS = st.builds(
    Packet,
    st.integers(0, 1),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=50),
    st.none() | TEXT,
    st.sampled_from([None, "in", "out"]),
)
UNKNOWN = st.builds(
    Unknown,
    st.integers(0, 2**32 - 1).filter(lambda kind: kind not in KNOWN),
    st.binary(max_size=40).map(lambda body: body + bytes(-len(body) % 4)),
)
SECRET = st.builds(Secrets, st.binary(max_size=60), st.integers(0, 2**32 - 1))


@st.composite
def files(draw: st.DrawFn) -> list[Block]:
    blocks: list[Block] = []
    for _ in range(draw(st.integers(0, 2))):
        blocks.append(Section(draw(TEXT)))
        blocks += [Interface(draw(TEXT), draw(st.integers(0, 65535))) for _ in range(2)]
        blocks += draw(st.lists(PACKETS | UNKNOWN | SECRET, max_size=5))
    return blocks


@given(files())
def test_round_trip(blocks: list[Block]) -> None:
    assert parse(serialize(blocks)) == blocks


@given(st.binary(max_size=100).map(lambda octets: serialize([Section()]) + octets) | st.binary(max_size=100))
def test_any_octets_are_blocks_or_malformed(octets: bytes) -> None:
    blocks = read(parse, octets)
    assert blocks is None or parse(serialize(blocks)) == blocks


@given(files(), st.data())
def test_a_damaged_file_is_blocks_or_malformed(blocks: list[Block], data: st.DataObject) -> None:
    octets = bytearray(serialize([Section(), Interface("a"), *blocks]))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    damaged = read(parse, bytes(octets))
    assert damaged is None or parse(serialize(damaged)) == damaged


def block(order: str, kind: int, body: bytes) -> bytes:
    length = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + length + body + length


def file_with(order: str, interface_options: bytes, ticks: int) -> bytes:
    return (
        block(order, SECTION, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
        + block(order, INTERFACE, struct.pack(f"{order}HHI", 1, 0, 0) + interface_options)
        + block(order, PACKET, struct.pack(f"{order}IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, 3, 3) + b"abc\0")
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("code", "value", "ticks", "at_ns"),
    [
        (0, b"", 1_500_000, 1_500_000_000),  # microseconds, where nothing is said
        (9, b"\x03\0\0\0", 1_500, 1_500_000_000),
        (9, b"\x09\0\0\0", 1_500, 1_500),
        (9, b"\x8a\0\0\0", 1536, 1_500_000_000),  # 2 to the -10
    ],
)
def test_clocks_of_other_writers(order: str, code: int, value: bytes, ticks: int, at_ns: int) -> None:
    options = struct.pack(f"{order}HH", code, 1) + value if code else b""
    section, interface, packet = parse(file_with(order, options, ticks))
    assert (section, interface) == (Section(""), Interface("", 1))
    assert packet == Packet(0, at_ns, b"abc")


@pytest.mark.parametrize("order", ["<", ">"])
def test_clock_offset(order: str) -> None:
    options = struct.pack(f"{order}HHq", 14, 8, 100)
    assert parse(file_with(order, options, 5))[2] == Packet(0, 100_000_005_000, b"abc")


def test_interfaces_count_from_zero_in_each_section() -> None:
    blocks = [Section(), Interface("a"), Section(), Packet(0, 0, b"")]
    with pytest.raises(Malformed, match="interface 0 of 0"):
        parse(serialize(blocks))


def test_secrets_are_not_printed() -> None:
    assert "CLIENT" not in repr(Secrets(b"CLIENT_RANDOM 00 11"))


@pytest.mark.parametrize(
    "octets",
    [
        serialize([Interface("first")]),
        serialize([Section()])[:-1],
        block("<", SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)),
        block("<", SECTION, struct.pack("<IHHq", 0x1A2B3C4E, 1, 0, -1)),
        serialize([Section()]) + struct.pack("<III", 77, 8, 8),
        serialize([Section()]) + struct.pack("<IIII", 77, 16, 0, 12),
    ],
    ids=["no section", "cut off", "version", "byte order", "too short", "lengths differ"],
)
def test_malformed(octets: bytes) -> None:
    with pytest.raises(Malformed):
        parse(octets)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("resolution", "offset", "ticks"), [(9, -1, 999_999_999), (9, 2**40, 0), (0, 0, 2**40), (0x80, 0, 2**63)]
)
def test_a_time_that_no_file_can_hold_is_malformed(order: str, resolution: int, offset: int, ticks: int) -> None:
    """What was read can be written again, so a clock may not lead out of the 64 bits that a packet has."""
    options = struct.pack(f"{order}HHB3x", 9, 1, resolution) + struct.pack(f"{order}HHq", 14, 8, offset)
    with pytest.raises(Malformed, match="time"):
        parse(file_with(order, options, ticks))


def test_a_text_that_grows_when_it_is_read_can_be_written_again() -> None:
    """Octets that are no UTF-8 become three each; an option has at most 65,535."""
    option = struct.pack("<HH", 4, 0xFFFC) + b"\xff" * 0xFFFC
    octets = block("<", SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + option)
    (section,) = parse(octets)
    (again,) = parse(serialize([section]))
    assert isinstance(section, Section)
    assert isinstance(again, Section)
    assert section.application.startswith(again.application)
    assert len(again.application) > 20_000
