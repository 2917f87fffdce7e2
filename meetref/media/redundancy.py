"""Sound that is said twice: every packet carries the ones before it again, so a lost one is heard from its successor.

Stands above `wire/red` and `media/sequence`. `Redundancy` makes such payloads, `Unwrapping` takes them apart and gives
every sound once. A server that forwards takes apart what comes (`take_apart`) and says twice to whom it helps
(`Doubling`).
Specification: RFC 2198; the sizes are those of libwebrtc, which repeats one packet unless told otherwise.
Leaves out: repeating in lower quality, as RFC 2198 has in mind: for Opus everybody sends the very same octets again.
Read next: `media/fec.py`, which does it for video.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from meetref.media.rewriting import Incoming
from meetref.media.sequence import Unwrapper, difference
from meetref.wire import red
from meetref.wire.rtp import Octets

MAXIMUM_PAYLOAD_SIZE = 1200  # octets, headers included: beyond, the oldest blocks stay away
MAXIMUM_OLDER = 4  # older blocks of a packet that are looked at; libwebrtc sends one
REMEMBERED = 256  # sounds that are known as heard: at 20 ms each, five seconds


class Sound(NamedTuple):
    """One block, with the RTP timestamp it belongs to. `primary`: it travelled as the newest one of its packet."""

    timestamp: int
    payload_type: int
    data: bytes
    primary: bool


class Redundancy:
    """The sending end: makes the payloads of one stream, each with the `distance` sounds before it."""

    def __init__(self, payload_type: int, *, distance: int = 1) -> None:
        self.payload_type = payload_type
        self.distance = distance
        self._former: deque[tuple[int, bytes]] = deque(maxlen=distance)

    def wrap(self, timestamp: int, sound: bytes) -> bytes:
        """The payload of the sound at this RTP timestamp."""
        room = MAXIMUM_PAYLOAD_SIZE - 1 - len(sound)
        older = list[red.Block]()
        for former, data in reversed(self._former):
            offset = difference(timestamp, former, 32)
            room -= 4 + len(data)
            # spec: red/limits, red/redundancy-bounded
            if not 0 < offset <= red.LARGEST_OFFSET or len(data) > red.LARGEST_BLOCK or room < 0:
                break
            older.append(red.Block(self.payload_type, offset, data))
        if sound:
            self._former.append((timestamp, sound))
        return red.serialize(red.Payload(self.payload_type, sound, older[::-1]))

    def forget(self) -> None:
        """Repeat nothing from before now, as when the next sound is somebody else's."""
        self._former.clear()  # spec: red/nobody-else


def unwrap(payload: Octets, timestamp: int) -> list[Sound]:
    """Everything in a payload, oldest first. `timestamp` is the packet's. Raises `Malformed`."""
    read = red.parse(payload)
    # spec: red/timestamps
    sounds = [
        Sound((timestamp - block.timestamp_offset) & 0xFFFFFFFF, block.payload_type, block.data, False)
        for block in read.older
    ]
    return [*sounds, Sound(timestamp, read.payload_type, read.primary, True)]


def numbered(payload: Octets, sequence: int, timestamp: int) -> list[tuple[int, Sound]]:
    """Everything in the packet with this number that can be used, each with its own number, oldest first.

    Senders leave none out, so the one before has the number before (below 0, where numbers wrap). Raises `Malformed`.
    """
    *older, newest = unwrap(payload, timestamp)
    older = older[-MAXIMUM_OLDER:]  # spec: red/recovered-bounded
    usable = [
        (sequence - len(older) + place, each)
        for place, each in enumerate(older)
        if each.data and each.payload_type == newest.payload_type and each.timestamp != timestamp
    ]
    return [*usable, (sequence, newest)]


def take_apart(packet: Incoming) -> list[Incoming]:
    """Leave the newest sound alone in a packet that came as RED; gives the older ones as packets, oldest first.

    Raises `Malformed`.
    """
    *older, (_, newest) = numbered(packet.tail, packet.sequence, packet.timestamp)
    packet.tail = newest.data  # spec: red/stripped
    return [
        Incoming(number, each.timestamp, 0, each.data, True, packet.level)
        for number, each in older  # spec: red/recovered-forwarded
    ]


class Doubling:
    """Forwarding: the packets of one source with the sound before repeated, made once for all viewers who get it so."""

    def __init__(self, payload_type: int) -> None:
        self._redundancy = Redundancy(payload_type)
        self._newest = -(1 << 62)
        self._given: Sequence[Incoming] = ()
        self._made: list[Incoming] = []

    def double(self, packets: Sequence[Incoming], first: int) -> Sequence[Incoming]:
        """The packets of a batch as RED. A viewer to whom the source began with number `first` gets nothing older."""
        if packets is not self._given:  # spec: red/made-once
            self._given, self._made = packets, [self._wrap(packet) for packet in packets]
        if not packets or packets[0].sequence > first:
            return self._made
        pairs = zip(packets, self._made, strict=True)
        # Only the very packet before is ever repeated. spec: red/nobody-else
        return [made if packet.sequence > first else self._alone(packet) for packet, made in pairs]

    def _wrap(self, packet: Incoming) -> Incoming:
        if packet.sequence <= self._newest:
            return self._alone(packet)
        if packet.sequence != self._newest + 1:
            self._redundancy.forget()
        self._newest = packet.sequence
        return replace(packet, tail=self._redundancy.wrap(packet.timestamp, packet.tail))

    def _alone(self, packet: Incoming) -> Incoming:
        return replace(packet, tail=red.serialize(red.Payload(self._redundancy.payload_type, packet.tail)))


class Unwrapping:
    """The receiving end: gives every sound of one stream once, whether its own packet brings it or a later one.

    `recovered` counts those whose packet had not come; it may still come, and is then in `repeated`.
    """

    def __init__(self) -> None:
        self.recovered = 0
        self.repeated = 0
        self._timestamps = Unwrapper(32)
        self._heard: dict[int, None] = {}

    def receive(self, payload: Octets, timestamp: int) -> list[Sound]:
        """What was not heard yet, oldest first. Raises `Malformed`."""
        fresh = list[Sound]()
        for sound in unwrap(payload, timestamp):
            index = self._timestamps.unwrap(sound.timestamp)
            if index in self._heard:
                self.repeated += sound.primary
            elif sound.primary or sound.data:
                self._heard[index] = None
                self.recovered += not sound.primary
                fresh.append(sound)
        while len(self._heard) > REMEMBERED:
            del self._heard[next(iter(self._heard))]
        return fresh
