"""TURN on the wire: the methods of its STUN messages, channel data, and both in one TCP stream.

    channel number 4000-4fff (16) | length of the data (16) |
    data, and in a stream padding to four octets, which the length does not count

Stands above `wire/stun` (every other message of TURN is one) and `wire/attribute` (what they carry), below
`protocol/turn` (the client) and `protocol/relay` (the server). Specification: RFC 8656 sections 12.4, 12.5 and 17.
Leaves out: the methods of RFC 6062: what is relayed is UDP only.
Read next: `protocol/relay.py`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from meetref.wire.address import Address
from meetref.wire.attribute import ATTRIBUTES, COOKIE, DATA, XOR_PEER_ADDRESS
from meetref.wire.reader import Malformed
from meetref.wire.stun import HEADER, TYPE_AND_LENGTH

ALLOCATE: Final = 0x003
REFRESH: Final = 0x004
SEND: Final = 0x006  # indications only
DATA_METHOD: Final = 0x007  # indications only
CREATE_PERMISSION: Final = 0x008
CHANNEL_BIND: Final = 0x009
METHODS: Final = frozenset({ALLOCATE, REFRESH, SEND, DATA_METHOD, CREATE_PERMISSION, CHANNEL_BIND})

UDP: Final = 17  # the only value of REQUESTED-TRANSPORT
IPV4: Final = 1  # of REQUESTED-ADDRESS-FAMILY and its relatives
IPV6: Final = 2

CHANNEL_HEADER: Final = Struct("!HH")
FIRST_CHANNEL: Final = 0x4000
LAST_CHANNEL: Final = 0x4FFF
LAST_OLD_CHANNEL: Final = 0x7FFF  # of RFC 5766, before other protocols were given those first octets

SEND_TYPE: Final = 0x0016  # the message type (class and method) of a Send indication
DATA_TYPE: Final = 0x0017
PLAIN_SEND: Final = Struct("!HH4s12sHH8sHH")  # a header, the peer's IPv4 address, and the head of the data
DATA_OFFSET: Final = HEADER.size + TYPE_AND_LENGTH.size
MAXIMUM_FRAME: Final = HEADER.size + 0xFFFF  # octets; no header can announce more


class ChannelData(NamedTuple):
    """`data` of any length (also none) on `channel`, which is from 0x4000 to 0x4fff."""

    channel: int
    data: bytes


def is_channel(number: int, last: int = LAST_CHANNEL) -> bool:
    """Whether a channel may have this number (RFC 8656 section 12)."""
    return FIRST_CHANNEL <= number <= last  # spec: turn/channel-range


def family_of(address: Address) -> int:
    """The number that REQUESTED-ADDRESS-FAMILY has for an address."""
    return IPV6 if address.is_ipv6 else IPV4


def parse_channel_data(octets: bytes) -> ChannelData:
    """Read one message; what follows its data is padding. Raises `Malformed` (RFC 8656 section 12.6)."""
    if len(octets) < CHANNEL_HEADER.size:
        raise Malformed(f"channel data has a header of 4 octets, here are {len(octets)}")
    channel, length = CHANNEL_HEADER.unpack_from(octets)
    if not is_channel(channel):
        raise Malformed(f"no channel has the number {channel:#06x}")
    if length > len(octets) - CHANNEL_HEADER.size:  # spec: turn/channel-data-short
        raise Malformed(f"{length} octets of channel data announced, {len(octets) - CHANNEL_HEADER.size} there", 2)
    return ChannelData(channel, octets[CHANNEL_HEADER.size : CHANNEL_HEADER.size + length])


def serialize_channel_data(channel: int, data: bytes, *, padded: bool = False) -> bytes:
    """One message, `padded` to four octets for a stream. Raises `Malformed` for what does not fit."""
    if not is_channel(channel) or len(data) > 0xFFFF:
        raise Malformed(f"{len(data)} octets do not fit channel {channel:#06x}")
    padding = bytes(-len(data) % 4) if padded else b""  # spec: turn/channel-data-padding
    return CHANNEL_HEADER.pack(channel, len(data)) + data + padding


def serialize_indication(message_type: int, transaction: bytes, peer: Address, data: bytes) -> bytes:
    """A Send or Data indication (`SEND_TYPE`, `DATA_TYPE`) with `data` for or from `peer`, and nothing else.

    The same octets as `stun.serialize` writes, in a quarter of the time: every packet without a channel takes this
    way. Raises `Malformed` for more data than an attribute holds.
    """
    where = ATTRIBUTES[XOR_PEER_ADDRESS].serialize(peer, transaction)
    return frame_indication(message_type, transaction, where, data)


def frame_indication(message_type: int, transaction: bytes, where: bytes, data: bytes) -> bytes:
    """The same with the peer's address as its attribute has it, which for IPv4 does not depend on the transaction."""
    length = 2 * TYPE_AND_LENGTH.size + len(where) + len(data) + -len(data) % 4
    if length > 0xFFFF:
        raise Malformed(f"{len(data)} octets do not fit an indication")
    head = HEADER.pack(message_type, length, COOKIE, transaction) + TYPE_AND_LENGTH.pack(XOR_PEER_ADDRESS, len(where))
    return b"".join((head, where, TYPE_AND_LENGTH.pack(DATA, len(data)), data, bytes(-len(data) % 4)))


def peek_send(octets: bytes) -> tuple[bytes, bytes] | None:
    """The peer's address as its attribute has it, and the data, of a Send indication that has just these two.

    None for everything else, which `stun.parse` reads; also for IPv6, where the transaction hides the address. It is
    for the one message that is not rare.
    """
    size = len(octets)
    if size < PLAIN_SEND.size:
        return None
    kind, length, cookie, _, first, first_size, where, second, second_size = PLAIN_SEND.unpack_from(octets)
    if kind != SEND_TYPE or cookie != COOKIE or length != size - HEADER.size:
        return None
    if first == XOR_PEER_ADDRESS and first_size == 8 and second == DATA:
        end = PLAIN_SEND.size + second_size
        return (where, octets[PLAIN_SEND.size : end]) if size == end + -second_size % 4 else None
    last = size - TYPE_AND_LENGTH.size - 8
    if first != DATA or DATA_OFFSET + first_size + -first_size % 4 != last:
        return None
    if TYPE_AND_LENGTH.unpack_from(octets, last) != (XOR_PEER_ADDRESS, 8):
        return None
    return octets[-8:], octets[DATA_OFFSET : DATA_OFFSET + first_size]


def split_stream(octets: bytes) -> tuple[list[bytes], int]:
    """The whole messages at the beginning of `octets`, and where the rest begins, which is of less than one message.

    STUN messages and channel data come as they were sent, the latter without padding. The rest never has more than
    `MAXIMUM_FRAME` octets. Raises `Malformed` where neither begins: such a stream cannot be read on.
    """
    frames: list[bytes] = []
    position, end = 0, len(octets)
    while end - position >= CHANNEL_HEADER.size:
        kind, length = CHANNEL_HEADER.unpack_from(octets, position)
        if kind < FIRST_CHANNEL:  # spec: turn/stream-framing
            size = HEADER.size + length
            if end - position >= 8 and octets[position + 4 : position + 8] != COOKIE:
                raise Malformed("no STUN magic cookie in the stream", position + 4)
            following = position + size
        elif kind <= LAST_OLD_CHANNEL:  # one that nobody bound is to be dropped, and not the stream with it
            size = CHANNEL_HEADER.size + length
            following = position + size + -length % 4
        else:
            raise Malformed(f"neither STUN nor channel data begins with {kind:#06x}", position)
        if following > end:
            break
        frames.append(octets[position : position + size])
        position = following
    return frames, position
