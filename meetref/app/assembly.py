"""Pictures put together from the packets of one slot, which come in order, with a word about what is missing.

Stands below `app/receiver`, which takes the packets from its jitter buffer.
Specification: RFC 7741 sections 4.1 and 4.2 (where a VP8 frame begins), RFC 3550 section 5.1 (the marker ends it).
Leaves out: decoding. A picture needs those before it, so after a gap nothing is of use until the next keyframe.
Read next: `app/receiver.py`, who asks for that keyframe.
"""

from __future__ import annotations

from collections.abc import Callable

from meetref.wire import rtp, vp8
from meetref.wire.reader import Malformed

MAXIMUM_PARTS = 2048
"""Packets of one picture, more than two megabytes; one that does not end by then is given up."""


class Assembly:
    """`frames` and `keyframes` count whole ones; `playing` says whether a keyframe came and nothing is missing since.

    Each frame goes to `on_frame`, with its timestamp.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.keyframes = 0
        self.playing = False
        self.on_frame: Callable[[bytes, int], None] = lambda frame, timestamp: None
        self._parts: list[bytes] = []
        self._broken = False  # what comes of the picture that is being joined is useless

    def take(self, packet: rtp.Packet) -> None:
        """The next packet. What comes before a keyframe is dropped, and a picture without an end, too."""
        if not self.playing:
            if not starts_keyframe(packet):
                return
            self.playing = True
        self._join(packet)
        if len(self._parts) > MAXIMUM_PARTS:
            self.lose()

    def lose(self) -> None:
        """Something is missing: start anew at the next keyframe."""
        self.playing = False
        self._broken = False
        self._parts.clear()

    def _join(self, packet: rtp.Packet) -> None:
        """Join the parts of a picture. One that another cuts off, or that has padding among its parts, has a hole."""
        try:
            descriptor = vp8.parse(packet.payload)
        except Malformed:
            self._parts.clear()
            self._broken = True
            return
        if descriptor.start and not descriptor.partition:
            self._parts.clear()
            self._broken = False
        if self._broken:
            self._broken = not packet.marker
            return
        if not self._parts and vp8.is_keyframe(packet.payload):
            self.keyframes += 1
        self._parts.append(packet.payload[descriptor.size :])
        if packet.marker:
            self.frames += 1
            self.on_frame(b"".join(self._parts), packet.timestamp)
            self._parts.clear()


def starts_keyframe(packet: rtp.Packet) -> bool:
    """Whether a keyframe begins with this packet."""
    try:
        return vp8.is_keyframe(packet.payload)
    except Malformed:
        return False
