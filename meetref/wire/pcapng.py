"""Capture files that Wireshark reads: a run of blocks, each of which says its type and its length at both ends.

    block: type (4), total length (4), body padded to four octets, total length (4)
    option, at the end of many bodies: code (2), length (2), value padded to four octets; code 0 ends them

Stands above nothing; `net/capture` writes such files, `meetref pcap` and the tests of sessions read them.
Specification: draft-ietf-opsawg-pcapng, sections 3.1 (blocks), 3.5 (options), 4.1 (section), 4.2 (interface), 4.3
(packet), 4.7 (secrets).
Leaves out: simple packets, names, statistics and custom blocks; they are kept as `Unknown`. Files are written
little-endian and read in both orders.
Read next: `wire/udp.py` (what stands in a packet), `net/capture.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Literal

from meetref.wire.reader import Malformed, Reader

SECTION, INTERFACE, PACKET, SECRETS = 0x0A0D0D0A, 1, 6, 10
BYTE_ORDER_MAGIC = 0x1A2B3C4D
LINK_TYPE_RAW = 101  # IPv4 or IPv6 packets, without anything in front
TLS_KEY_LOG = 0x544C534B
NANOSECONDS = 9
MICROSECONDS = 6  # what an interface counts in that does not say

COMMENT, END_OF_OPTIONS = 1, 0
SECTION_APPLICATION = 4
INTERFACE_NAME, INTERFACE_RESOLUTION, INTERFACE_OFFSET = 2, 9, 14
PACKET_FLAGS = 2
DIRECTIONS: dict[int, Literal["in", "out"]] = {1: "in", 2: "out"}  # the lowest two bits of the flags

MAXIMUM_OPTION = 0xFFFF
SMALLEST_BLOCK = 12


@dataclass(slots=True, frozen=True)
class Section:
    """Begins a file; `application` wrote it. Interfaces are counted from 0 in each section."""

    application: str = "meetref"


@dataclass(slots=True, frozen=True)
class Interface:
    """Where packets were captured: here, one endpoint of a conversation."""

    name: str
    link_type: int = LINK_TYPE_RAW


@dataclass(slots=True, frozen=True)
class Packet:
    """`data` as seen on the interface with that number, `at_ns` nanoseconds after the clock's zero."""

    interface: int
    at_ns: int
    data: bytes
    comment: str | None = None
    direction: Literal["in", "out"] | None = None


@dataclass(slots=True, frozen=True)
class Secrets:
    """What later packets are decrypted with: lines of an NSS key log, unless `kind` says otherwise."""

    data: bytes
    kind: int = TLS_KEY_LOG

    def __repr__(self) -> str:
        return f"Secrets({len(self.data)} octets)"


@dataclass(slots=True, frozen=True)
class Unknown:
    """A block of another type; its `body` is a multiple of four octets."""

    kind: int
    body: bytes


Block = Section | Interface | Packet | Secrets | Unknown


# --- writing ----------------------------------------------------------------------------------------

WORD = Struct("<I")
OPTION = Struct("<HH")
SECTION_BODY = Struct("<IHHq")
INTERFACE_BODY = Struct("<HHI")
PACKET_BODY = Struct("<IIIII")
SECRETS_BODY = Struct("<II")


def serialize(blocks: Iterable[Block]) -> bytes:
    """A file, or a further piece of one."""
    return b"".join(serialize_block(block) for block in blocks)


def serialize_block(block: Block) -> bytes:
    """The octets of one block, a multiple of four."""
    match block:
        case Section(application):
            body = SECTION_BODY.pack(BYTE_ORDER_MAGIC, 1, 0, -1) + _options((SECTION_APPLICATION, application.encode()))
            return _framed(SECTION, body)
        case Interface(name, link_type):
            options = _options((INTERFACE_NAME, name.encode()), (INTERFACE_RESOLUTION, bytes([NANOSECONDS])))
            return _framed(INTERFACE, INTERFACE_BODY.pack(link_type, 0, 0) + options)
        case Packet():
            return _framed(PACKET, _packet_body(block))
        case Secrets(data, kind):
            return _framed(SECRETS, SECRETS_BODY.pack(kind, len(data)) + _padded(data))
        case Unknown(kind, body):
            return _framed(kind, body)


def _packet_body(packet: Packet) -> bytes:
    size = len(packet.data)
    fixed = PACKET_BODY.pack(packet.interface, packet.at_ns >> 32, packet.at_ns & 0xFFFFFFFF, size, size)
    options = []
    if packet.comment is not None:
        options.append((COMMENT, packet.comment.encode()))
    if packet.direction is not None:
        options.append((PACKET_FLAGS, WORD.pack(1 if packet.direction == "in" else 2)))
    return fixed + _padded(packet.data) + _options(*options)


def _options(*options: tuple[int, bytes]) -> bytes:
    if not options:
        return b""
    # A text that was read from something else than UTF-8 may have grown.
    cut = [(code, value[:MAXIMUM_OPTION]) for code, value in options]
    pieces = [OPTION.pack(code, len(value)) + _padded(value) for code, value in cut]
    return b"".join(pieces) + OPTION.pack(END_OF_OPTIONS, 0)


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)


def _framed(kind: int, body: bytes) -> bytes:
    length = WORD.pack(SMALLEST_BLOCK + len(body))
    return WORD.pack(kind) + length + body + length


# --- reading ----------------------------------------------------------------------------------------


class Layouts:
    """The structs of one byte order; a section says which is its own."""

    def __init__(self, order: Literal["<", ">"]) -> None:
        self.word = Struct(f"{order}I")
        self.option = Struct(f"{order}HH")
        self.section = Struct(f"{order}HHq")
        self.interface = Struct(f"{order}HHI")
        self.packet = Struct(f"{order}IIIII")
        self.secrets = Struct(f"{order}II")
        self.offset = Struct(f"{order}q")


LITTLE, BIG = Layouts("<"), Layouts(">")


def parse(data: bytes) -> list[Block]:
    """Read a whole file. Raises `Malformed`."""
    blocks: list[Block] = []
    layouts = LITTLE
    clocks: list[tuple[int, int]] = []  # of each interface of this section: resolution and offset in seconds
    reader = Reader(data)
    while reader.remaining:
        start = reader.offset
        (kind,) = reader.struct(layouts.word, "block type")  # a section's reads the same in both orders
        if kind == SECTION:
            layouts, clocks = _byte_order(data, start), []
        elif not blocks:
            raise Malformed("a capture file begins with a section", start)
        body = _block_body(reader, start, layouts)
        if kind == INTERFACE:
            interface, clock = _parse_interface(body, layouts)
            clocks.append(clock)
            blocks.append(interface)
        else:
            blocks.append(_parse_body(kind, body, layouts, clocks))
    return blocks


def _byte_order(data: bytes, start: int) -> Layouts:
    magic = data[start + 8 : start + 12]
    for layouts in (LITTLE, BIG):
        if magic == layouts.word.pack(BYTE_ORDER_MAGIC):
            return layouts
    raise Malformed("neither byte order", start + 8)


def _block_body(reader: Reader, start: int, layouts: Layouts) -> Reader:
    """A reader of what stands between the two lengths, which must agree."""
    (length,) = reader.struct(layouts.word, "block length")
    if length < SMALLEST_BLOCK or length % 4:
        raise Malformed(f"a block of {length} octets", start + 4)
    reader.bytes(length - SMALLEST_BLOCK, "block")
    body = Reader(reader.data, start + 8, reader.offset)
    if reader.struct(layouts.word, "block length")[0] != length:
        raise Malformed("the two lengths of a block differ", reader.offset - 4)
    return body


def _parse_body(kind: int, body: Reader, layouts: Layouts, clocks: list[tuple[int, int]]) -> Block:
    if kind == SECTION:
        return _parse_section(body, layouts)
    if kind == PACKET:
        return _parse_packet(body, layouts, clocks)
    if kind == SECRETS:
        secret, size = body.struct(layouts.secrets, "secrets")
        return Secrets(body.bytes(size, "secrets"), secret)
    return Unknown(kind, body.rest())


def _parse_section(body: Reader, layouts: Layouts) -> Section:
    body.bytes(4, "byte order")
    major, _, _ = body.struct(layouts.section, "section")
    if major != 1:
        raise Malformed(f"version {major} of the format", body.offset)
    options = dict(_parse_options(body, layouts))
    return Section(_text(options.get(SECTION_APPLICATION, b"")))


def _parse_interface(body: Reader, layouts: Layouts) -> tuple[Interface, tuple[int, int]]:
    link_type, _, _ = body.struct(layouts.interface, "interface")
    options = dict(_parse_options(body, layouts))
    resolution = options.get(INTERFACE_RESOLUTION, bytes([MICROSECONDS]))
    offset = options.get(INTERFACE_OFFSET, bytes(8))
    if len(resolution) != 1 or len(offset) != 8:
        raise Malformed("the clock of an interface", body.offset)
    clock = resolution[0], layouts.offset.unpack(offset)[0]
    return Interface(_text(options.get(INTERFACE_NAME, b"")), link_type), clock


def _parse_packet(body: Reader, layouts: Layouts, clocks: list[tuple[int, int]]) -> Packet:
    interface, high, low, size, _ = body.struct(layouts.packet, "packet")
    if interface >= len(clocks):
        raise Malformed(f"interface {interface} of {len(clocks)}", body.offset)
    resolution, offset = clocks[interface]
    at_ns = _nanoseconds(high << 32 | low, resolution) + offset * 10**9
    if not 0 <= at_ns < 1 << 64:
        raise Malformed("a time before 1970 or after 2554", body.offset)
    data = body.bytes(size, "packet")
    body.bytes(-size % 4, "padding")
    comment = direction = None
    for code, value in _parse_options(body, layouts):
        if code == COMMENT and comment is None:
            comment = _text(value)
        elif code == PACKET_FLAGS and len(value) == 4:
            direction = DIRECTIONS.get(layouts.word.unpack(value)[0] & 3)
    return Packet(interface, at_ns, data, comment, direction)


def _nanoseconds(ticks: int, resolution: int) -> int:
    """The highest bit of the resolution says whether it is a negative power of 2 or of 10."""
    if resolution & 0x80:
        return ticks * 10**9 >> (resolution & 0x7F)
    return int(ticks * 10**9 // 10**resolution)


def _parse_options(body: Reader, layouts: Layouts) -> Iterator[tuple[int, bytes]]:
    while body.remaining:
        code, size = body.struct(layouts.option, "option")
        if code == END_OF_OPTIONS:
            return
        value = body.bytes(size, "option")
        body.bytes(-size % 4, "padding")
        yield code, value


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", errors="replace")
