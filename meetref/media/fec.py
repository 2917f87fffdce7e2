"""Forward error correction: packets sent before anybody misses one, from which a lost one is computed.

Stands above `wire/fec`, `wire/flexfec` and `media/sequence`. `Protector` is the sending end of one stream, `Recoverer`
the receiving end of one or several; what is protected are whole RTP packets, as they are before SRTP.
Specification: RFC 5109 sections 8 and 9, RFC 8627 section 6; what libwebrtc adds: octets that each link writes anew,
such as the transport-wide number, count as zeros (`without_mutable`), and video has one level.
Leaves out: more levels than the first (`wire/fec` reads and writes them), and more protection for keyframes.
Read next: `media/protection.py`, how much of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from meetref.media.sequence import Unwrapper, difference
from meetref.wire import fec, flexfec, rtp
from meetref.wire.reader import Malformed

LARGEST_GROUP = 48  # packets: so far a mask of ULPFEC reaches
MOST_FRAMES = 3  # that wait for one FEC packet where frames are small
KEPT_PACKETS = 256  # of each stream
KEPT_REPAIRS = 64
KEPT_STREAMS = 16

MUTABLE = {
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": 0,
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time": 0,
    "urn:ietf:params:rtp-hdrext:toffset": 0,
    "http://www.webrtc.org/experiments/rtp-hdrext/video-timing": 7,
}
"""Which header extensions libwebrtc writes after it has protected a packet, and from which octet on."""

HEAD = 8  # octets that the exclusive-or of a packet has in front: two of the header, the timestamp, the length


def without_mutable(packet: bytes, mutable: Mapping[int, int]) -> bytes:
    """The packet with zeros where each link writes anew: id of a header extension -> its first octet of that kind."""
    if not packet[0] & 0x10 or not mutable:
        return packet
    zeroed = bytearray(packet)
    for number, at, size in rtp.element_places(packet):
        kept = mutable.get(number, size)
        zeroed[at + kept : at + size] = bytes(max(0, size - kept))
    return bytes(zeroed)  # spec: fec/mutable-octets-zero


def masks(count: int, repairs: int) -> list[tuple[int, ...]]:
    """Which of `count` packets each of `repairs` FEC packets covers: every so-manieth.

    Any burst of up to `repairs` packets, and any loss of one packet a mask, can be repaired.
    """
    return [tuple(range(first, count, repairs)) for first in range(min(count, repairs))]


def _number(packet: bytes, reach: int) -> int:
    """What of a packet is exclusive-ored, as a number. Least significant octet first: what is shorter ends in zeros."""
    # spec: fec/protected-string, fec/shorter-ones-padded
    head = bytes((packet[0] & 0x3F, packet[1])) + packet[4:8] + (len(packet) - rtp.HEADER_SIZE).to_bytes(2)
    return int.from_bytes(head + packet[rtp.HEADER_SIZE : rtp.HEADER_SIZE + reach], "little")


def _combined(packets: Iterable[bytes], reach: int) -> bytes:
    number = 0
    for packet in packets:
        number ^= _number(packet, reach)
    return number.to_bytes(HEAD + reach, "little")


def _reach(packets: Iterable[bytes]) -> int:
    return max(len(packet) for packet in packets) - rtp.HEADER_SIZE


def protect(packets: Sequence[bytes], repairs: int) -> list[fec.Parity]:
    """ULPFEC for packets of one stream, in order, of which the last is at most 47 numbers behind the first."""
    base = int.from_bytes(packets[0][2:4])  # spec: fec/base-is-lowest
    parities = []
    for mask in masks(len(packets), repairs):
        covered = [packets[place] for place in mask]
        octets = _combined(covered, _reach(covered))
        covers = tuple(difference(int.from_bytes(packet[2:4]), base) for packet in covered)
        timestamp, length = int.from_bytes(octets[2:6]), int.from_bytes(octets[6:8])
        level = fec.Level(covers, octets[HEAD:])
        parities.append(fec.Parity(base, octets[0], octets[1], timestamp, length, [level]))
    return parities


def repair(packets: Sequence[bytes]) -> tuple[flexfec.Repair, list[int]]:
    """FlexFEC over packets of any streams, and the SSRCs of those as they go into the packet's CSRCs."""
    octets = _combined(packets, _reach(packets))
    numbers: dict[int, list[int]] = {}
    for packet in packets:
        numbers.setdefault(int.from_bytes(packet[8:12]), []).append(int.from_bytes(packet[2:4]))
    streams = list[flexfec.Masked | flexfec.Block]()
    for sequences in numbers.values():
        base = min(sequences, key=lambda sequence: difference(sequence, sequences[0]))
        streams.append(flexfec.Masked(base, tuple(sorted(difference(each, base) for each in sequences))))
    timestamp, length = int.from_bytes(octets[2:6]), int.from_bytes(octets[6:8])
    return flexfec.Repair(octets[0], octets[1], timestamp, length, streams, octets[HEAD:]), list(numbers)


class Protector:
    """Makes ULPFEC for one stream, an FEC packet for every `row` packets; 0: none.

    A group is a frame, or a few where frames are smaller than a row. `mutable`: see `without_mutable`.
    """

    def __init__(self, *, row: int = 0, mutable: Mapping[int, int] | None = None) -> None:
        self.row = row
        self.mutable = mutable or {}
        self.protected = 0
        self.repairs = 0
        self._group: list[bytes] = []
        self._frames = 0
        self._owed = 0.0  # FEC packets, so that groups of all sizes have as many as rows

    def add(self, packet: bytes) -> list[fec.Parity]:
        """What is to be sent behind this packet. The marker ends a frame."""
        group = self._group
        made = list[fec.Parity]()
        if group and not 0 < difference(int.from_bytes(packet[2:4]), int.from_bytes(group[0][2:4])) < LARGEST_GROUP:
            made = self._finish()
        if not self.row:
            return made
        group.append(without_mutable(packet, self.mutable))
        self._frames += packet[1] >> 7
        if packet[1] >> 7 and (len(group) >= self.row or self._frames >= MOST_FRAMES):
            made += self._finish()
        return made

    def _finish(self) -> list[fec.Parity]:
        made = list[fec.Parity]()
        if self.row:
            self._owed += len(self._group) / self.row
            made = protect(self._group, max(1, int(self._owed)))
            self._owed = max(0.0, self._owed - len(made))
        self.protected += len(self._group)
        self.repairs += len(made)
        self._group.clear()
        self._frames = 0
        return made


@dataclass(slots=True)
class _Repair:
    """One FEC packet, less the packets that are there. `missing` are SSRCs and extended sequence numbers."""

    missing: set[tuple[int, int]]
    number: int
    reach: int


class _Stream:
    """The packets of one stream that came last, by extended sequence number."""

    __slots__ = ("packets", "sequences")

    def __init__(self) -> None:
        self.sequences = Unwrapper(16)
        self.packets: dict[int, bytes] = {}

    def keep(self, index: int, packet: bytes) -> None:
        self.packets[index] = packet
        if len(self.packets) > KEPT_PACKETS:
            del self.packets[next(iter(self.packets))]

    @property
    def oldest(self) -> int:
        """Before this number nothing is repaired any more."""
        return (self.sequences.highest or 0) - KEPT_PACKETS


class Recoverer:
    """Computes lost packets. Everything that arrives is shown to it, and what was lost comes back.

    What is `mutable` (see `without_mutable`) is zero in what comes back. Bounded: `KEPT_PACKETS` of each stream, the
    first `KEPT_STREAMS` streams, the newest `KEPT_REPAIRS` FEC packets that still miss something.
    """

    def __init__(self, *, mutable: Mapping[int, int] | None = None) -> None:
        self.mutable = mutable or {}
        self.recovered = 0
        self.refused = 0
        """FEC packets about unknown streams or packets long gone, and computed packets that are none."""
        self._streams: dict[int, _Stream] = {}
        self._repairs: list[_Repair] = []

    def receive(self, packet: bytes) -> list[bytes]:
        """Note a packet of a protected stream; gives the packets that can now be computed. Never raises."""
        try:
            packet = without_mutable(packet, self.mutable) if rtp.payload_offset(packet) else packet
        except Malformed:
            self.refused += 1
            return []
        ssrc = int.from_bytes(packet[8:12])
        stream = self._streams.get(ssrc)
        if stream is None:
            if len(self._streams) == KEPT_STREAMS:
                self.refused += 1
                return []
            stream = self._streams[ssrc] = _Stream()
        index = stream.sequences.unwrap(int.from_bytes(packet[2:4]))
        if index in stream.packets or index < stream.oldest:
            return []
        stream.keep(index, packet)
        return self._settle([((ssrc, index), packet)])

    def receive_parity(self, parity: fec.Parity, ssrc: int) -> list[bytes]:
        """An FEC packet of ULPFEC for the stream `ssrc`. Only its first level counts."""
        level = parity.levels[0]
        head = bytes((parity.first_recovery, parity.second_recovery))
        head += parity.timestamp_recovery.to_bytes(4) + parity.length_recovery.to_bytes(2)
        return self._take(head + level.data, [(ssrc, parity.base_sequence, level.covers)])

    def receive_repair(self, packet: flexfec.Payload, ssrcs: Sequence[int]) -> list[bytes]:
        """An FEC packet of FlexFEC for the streams `ssrcs`, the CSRCs of its packet; also one that just repeats."""
        if isinstance(packet, flexfec.Retransmission):
            fresh = [] if self._is_known(packet.packet) else [packet.packet]
            return fresh + self.receive(packet.packet)
        head = bytes((packet.first_recovery, packet.second_recovery))
        head += packet.timestamp_recovery.to_bytes(4) + packet.length_recovery.to_bytes(2)
        streams = zip(ssrcs, packet.streams, strict=False)
        return self._take(head + packet.data, [(ssrc, each.base_sequence, each.covers) for ssrc, each in streams])

    def _is_known(self, packet: bytes) -> bool:
        stream = self._streams.get(int.from_bytes(packet[8:12]))
        return stream is not None and stream.sequences.nearest(int.from_bytes(packet[2:4])) in stream.packets

    def _take(self, octets: bytes, covered: list[tuple[int, int, tuple[int, ...]]]) -> list[bytes]:
        reach = len(octets) - HEAD
        taken = _Repair(set(), int.from_bytes(octets, "little"), reach)
        for ssrc, base, covers in covered:
            stream = self._streams.get(ssrc)
            if stream is None or len(covers) > KEPT_PACKETS:
                self.refused += 1
                return []
            first = stream.sequences.nearest(base)
            for index in (first + distance for distance in covers):
                packet = stream.packets.get(index)
                if packet is not None:
                    taken.number ^= _number(packet, reach)
                elif index < stream.oldest:
                    self.refused += 1
                    return []
                else:
                    taken.missing.add((ssrc, index))
        if not taken.missing:
            return []
        self._repairs.append(taken)
        del self._repairs[:-KEPT_REPAIRS]
        return self._settle([])

    def _settle(self, arrived: list[tuple[tuple[int, int], bytes]]) -> list[bytes]:
        """Put what arrived into the repairs, and what they give into the others, until none gives any more."""
        computed = list[bytes]()
        while True:
            for key, packet in arrived:
                for each in self._repairs:
                    if key in each.missing:
                        each.missing.remove(key)
                        each.number ^= _number(packet, each.reach)
            # spec: fec/one-missing, fec/repeated-until-none
            solvable = next((each for each in self._repairs if len(each.missing) <= 1), None)
            if solvable is None:
                return computed
            self._repairs.remove(solvable)
            arrived = self._solve(solvable)
            computed += [packet for _, packet in arrived]

    def _solve(self, solvable: _Repair) -> list[tuple[tuple[int, int], bytes]]:
        """The packet that is left when all others are taken out, or nothing."""
        for ssrc, index in solvable.missing:
            octets = solvable.number.to_bytes(HEAD + solvable.reach, "little")
            length = int.from_bytes(octets[6:8])
            # spec: fec/recovered-header, fec/recovered-length
            head = rtp.fixed.pack(0x80 | octets[0] & 0x3F, octets[1], index & 0xFFFF, int.from_bytes(octets[2:6]), ssrc)
            packet = head + octets[HEAD : HEAD + length]
            if length <= solvable.reach and _is_packet(packet):  # spec: fec/recovered-checked
                self.recovered += 1
                self._streams[ssrc].keep(index, packet)
                return [((ssrc, index), packet)]
            self.refused += 1
        return []


def _is_packet(data: bytes) -> bool:
    try:
        rtp.payload_bounds(data)
    except Malformed:
        return False
    return True
