"""What the first octets of a datagram or of a TCP stream say about the rest.

Many protocols share the one UDP port and the one TCP port; this is the only place that tells them apart.
Stands below `net/` and `protocol/peer`, which ask it for every datagram, so it is one table look-up.
Specification: RFC 7983 as updated by RFC 9443 (datagrams), RFC 5761 section 4 (RTCP among RTP), RFC 4571 (the length
in front of ICE-TCP). Leaves out: telling TURN channels from QUIC by the sender's address; we speak no QUIC.
Read next: `wire/stun.py`, then `protocol/ice.py`.
"""

from __future__ import annotations

from typing import Literal

DatagramKind = Literal["stun", "zrtp", "dtls", "turn-channel", "quic", "rtp", "unknown"]
StreamKind = Literal["stun", "ice-tcp", "tls", "http", "unknown"]

# First and last value of the first octet, both inclusive (RFC 9443, figure 3).
RANGES: list[tuple[int, int, DatagramKind]] = [
    (0, 3, "stun"),
    (16, 19, "zrtp"),
    (20, 63, "dtls"),
    (64, 79, "turn-channel"),
    (80, 127, "quic"),
    (128, 191, "rtp"),
    (192, 255, "quic"),
]

_kinds: list[DatagramKind] = ["unknown"] * 256  # spec: multiplex/unknown-dropped
for _first, _last, _kind in RANGES:
    _kinds[_first : _last + 1] = [_kind] * (_last + 1 - _first)

STREAM_HEAD_SIZE = 10  # octets after which `classify_stream` always has an answer

COOKIE = b"\x21\x12\xa4\x42"
METHODS = "GET HEAD POST PUT DELETE OPTIONS PATCH CONNECT TRACE PRI"  # PRI begins HTTP/2

# A shape is what must stand where: (offset, octets). The shapes of different kinds exclude each other.
Shape = list[tuple[int, bytes]]
SHAPES: dict[StreamKind, list[Shape]] = {
    "stun": [[(0, bytes([octet])), (4, COOKIE)] for octet in range(4)],
    "ice-tcp": [[(2, bytes([octet])), (6, COOKIE)] for octet in range(4)],
    # A handshake record with a ClientHello of less than 2^16 octets.
    "tls": [[(0, b"\x16\x03"), (5, b"\x01\x00")]],
    "http": [[(0, f"{method} ".encode())] for method in METHODS.split()],
}


def classify_datagram(first_octet: int) -> DatagramKind:
    """The protocol of a datagram, by its first octet (0 to 255). RTP stands for RTCP too: see `is_rtcp`."""
    return _kinds[first_octet]  # spec: multiplex/first-octet


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram of kind "rtp" is RTCP (RFC 5761 section 4: packet types 192 to 223)."""
    return len(data) > 1 and 192 <= data[1] <= 223  # spec: multiplex/rtcp-packet-types


def classify_stream(head: bytes) -> StreamKind | None:
    """The protocol of a TCP stream by what has arrived of it; None while more octets are needed.

    Ten octets always decide, often fewer do, and an answer never changes when more arrive.
    """
    # spec: multiplex/stream-head
    undecided = False
    for kind, shapes in SHAPES.items():
        for shape in shapes:
            if all(_agrees(head, offset, octets) for offset, octets in shape):
                if len(head) >= shape[-1][0] + len(shape[-1][1]):
                    return kind
                undecided = True
    return None if undecided else "unknown"


def _agrees(head: bytes, offset: int, octets: bytes) -> bool:
    """Whether what is there of `octets` at `offset` is right; what is not there yet may still be."""
    return octets.startswith(head[offset : offset + len(octets)])
