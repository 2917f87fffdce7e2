"""Datagrams on a stream: a length of two octets in front of each, and nothing else.

    0                   1
    | length (16 bits)  | that many octets | length | ...

Stands above nothing; `net/streampath` puts STUN, DTLS and media through it. Specification: RFC 4571 section 2.
Leaves out: frames of length zero have nothing in them; they are skipped, as the document allows.
Read next: `net/streampath.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from meetref.wire.reader import Malformed

MAXIMUM_SIZE = 0xFFFF


def frame(data: bytes) -> bytes:
    """`data` with its length in front. Raises `Malformed` when it is too long."""
    if len(data) > MAXIMUM_SIZE:
        raise Malformed(f"a frame holds {MAXIMUM_SIZE} octets, here are {len(data)}")
    return len(data).to_bytes(2, "big") + data  # spec: ice/tcp-framing, multiplex/framing


class Deframer:
    """Cuts a stream into frames; what is not whole yet waits. It never holds more than one frame and one piece."""

    def __init__(self) -> None:
        self._octets = bytearray()

    def feed(self, octets: bytes | bytearray) -> Iterator[bytes]:
        """Take what arrived, give the frames that are whole. Any octets are frames of something."""
        self._octets += octets
        position = 0
        while len(self._octets) - position >= 2:
            end = position + 2 + int.from_bytes(self._octets[position : position + 2], "big")
            if end > len(self._octets):
                break
            if end > position + 2:
                yield bytes(self._octets[position + 2 : end])
            position = end
        del self._octets[:position]
