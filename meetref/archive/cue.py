"""What the server and its studio say to each other over two pipes: packets in, parts of segments out.

    |size: 32|message: MessagePack|          again and again, in both directions

Stands below `archive/studio`, the process that encodes, and `archive/broadcast`, the server's end of it.
Specification: ours, between two processes of one version; MessagePack by msgspec.
Leaves out: versions: both ends are started from the same files.
Read next: `archive/studio.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

LONGEST = 16 * 2**20  # octets of a message


class Open(msgspec.Struct, tag="open", array_like=True):
    """A stream of packets begins; `about` is what a recorder is told of it (docs/recording.md)."""

    stream: int
    about: dict[str, Any]


class Packet(msgspec.Struct, tag="packet", array_like=True):
    """A packet of RTP or RTCP, as it came."""

    stream: int
    octets: bytes


class Close(msgspec.Struct, tag="close", array_like=True):
    """A stream is over."""

    stream: int


class Note(msgspec.Struct, tag="note", array_like=True):
    """Somebody came, went, muted...: an event as a recording's manifest has it."""

    event: dict[str, Any]


class Began(msgspec.Struct, tag="began", array_like=True):
    """What renditions there will be, `archive/window.Format` by fields, and the wall clock of the show's first sample.

    `part` is the number of the first part that comes: 0, unless another studio has died.
    """

    began_at: float
    formats: list[dict[str, Any]]
    part: int = 0


class Piece(msgspec.Struct, tag="piece", array_like=True):
    """The next part of a rendition."""

    rendition: str
    octets: bytes
    duration: int
    is_independent: bool
    ends_segment: bool


class Wanted(msgspec.Struct, tag="wanted", array_like=True):
    """A stream needs a keyframe."""

    stream: int


class Made(msgspec.Struct, tag="made", array_like=True):
    """All that a studio says of one picture: a studio that is killed has said all of it, or nothing."""

    messages: list[Began | Piece | Wanted]


ToStudio: TypeAlias = Open | Packet | Close | Note
FromStudio: TypeAlias = Began | Piece | Wanted

_ENCODER = msgspec.msgpack.Encoder()


def packed(message: ToStudio | Made) -> bytes:
    """The octets of a message."""
    octets = _ENCODER.encode(message)
    return len(octets).to_bytes(4, "big") + octets


class Unpacking:
    """Messages out of a pipe, which cuts them as it likes. `kinds` are the ones that this end is told."""

    def __init__(self, kinds: Any) -> None:
        self._decoder = msgspec.msgpack.Decoder(kinds)
        self._waiting = bytearray()

    def feed(self, octets: bytes) -> Iterator[Any]:
        """The messages that are whole now. Raises `ValueError` for one that is none."""
        self._waiting += octets
        while len(self._waiting) >= 4:
            size = int.from_bytes(self._waiting[:4], "big")
            if size > LONGEST:
                raise ValueError(f"a message of {size} octets")
            if len(self._waiting) < 4 + size:
                return
            message = bytes(self._waiting[4 : 4 + size])
            del self._waiting[: 4 + size]
            yield self._decoder.decode(message)
