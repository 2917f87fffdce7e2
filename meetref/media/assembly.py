"""Pictures put together from the packets of one stream, which come in order, with a word about what is missing.

Stands on `media/joining`, which knows the codecs; below `app/receiver` and `archive/frames`.
Specification: RFC 3550 section 5.1 (the marker ends a picture); where one begins is each codec's own.
Leaves out: decoding. A picture needs those before it, so after a gap nothing is of use until the next keyframe.
Read next: `app/receiver.py`, who asks for that keyframe.
"""

from __future__ import annotations

from collections.abc import Callable

from meetref.media.joining import JOININGS
from meetref.wire import rtp
from meetref.wire.reader import Malformed

MAXIMUM_PARTS = 2048
"""Packets of one picture, more than two megabytes; one that does not end by then is given up."""


class Assembly:
    """`frames` and `keyframes` count whole ones; `playing` says whether a keyframe came and nothing is missing since.

    Each frame goes to `on_frame`, with its timestamp. `codec` is the name in SDP, one of `JOININGS`.
    """

    def __init__(self, codec: str = "VP8") -> None:
        self.frames = 0
        self.keyframes = 0
        self.playing = False
        self.on_frame: Callable[[bytes, int], None] = lambda frame, timestamp: None
        self.is_key = False
        """Whether the frame that was given last is a keyframe."""
        self._joining = JOININGS[codec]
        self._parts: list[bytes] = []
        self._timestamp: int | None = None  # of the picture that is being joined
        self._broken = False  # what comes of the picture that is being joined is useless
        self._begins_key = False

    @property
    def is_between(self) -> bool:
        """Whether no picture is half there."""
        return not self._parts and not self._broken

    def starts_keyframe(self, payload: bytes) -> bool:
        """Whether a keyframe begins with this payload."""
        return self._joining.starts_keyframe(payload)

    def take(self, packet: rtp.Packet) -> None:
        """The next packet. What comes before a keyframe is dropped, and a picture without an end, too."""
        if not self.playing:
            if not self.starts_keyframe(packet.payload):
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
            begins = self._begins(packet)
        except Malformed:
            self._parts.clear()
            self._broken = True
            return
        self._timestamp = packet.timestamp
        if begins:
            self._parts.clear()
            self._broken = False
        if self._broken:
            self._broken = not packet.marker
            return
        if not self._parts:
            self._begins_key = self.starts_keyframe(packet.payload)
        self._parts.append(packet.payload)
        if packet.marker:
            self._finish(packet.timestamp)

    def _begins(self, packet: rtp.Packet) -> bool:
        """Raises `Malformed`."""
        if not packet.payload:
            raise Malformed("a packet of nothing")
        if self._joining.begins is None:
            return packet.timestamp != self._timestamp
        return self._joining.begins(packet.payload)

    def _finish(self, timestamp: int) -> None:
        try:
            frame = self._joining.join(self._parts)
        except Malformed:
            self.lose()
            return
        self._parts.clear()
        self.is_key = self._begins_key
        self.frames += 1
        self.keyframes += self.is_key
        self.on_frame(frame, timestamp)
