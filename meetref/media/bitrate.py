"""What one stream takes: octets and pictures a second of the last two seconds, for each of its layers.

Stands below `meeting/track`, which feeds it with every packet that comes; asked a few times a second, for
`media/ladder`. Specification: none. Keyframes, which are rare, count as what they take in ten seconds: one of the last
two would make a stream look twice as dear, and that for as long as nobody watches it.
Leaves out: what a link carries in all (`media/bandwidth`).
Read next: `media/ladder.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

WINDOW = 2.0  # seconds
KEYFRAMES_WINDOW = 10.0  # seconds that keyframes are spread over
STEP = 0.1  # seconds of one bucket
SETTLED = 1.0  # seconds after a beginning, which is a keyframe, until when a stream looks dearer than it is
LAYERS = 4
HEADERS = 76
"""Octets of a packet on its way to a viewer that are not payload: IP, UDP, RTP with an extension, SRTP's tag, the
descriptor."""


class Rate(NamedTuple):
    """What it takes to send the layers up to one of them."""

    bitrate_bps: int
    frame_rate: float


@dataclass(slots=True)
class _Bucket:
    """What came in one step: of each temporal layer, and of the next size behind that of the one below it."""

    number: int
    octets: list[int]
    pictures: list[int]

    def has(self, size: int) -> bool:
        """Whether any picture ended in it."""
        return any(self.pictures[LAYERS * size : LAYERS * size + LAYERS])

    def widen(self, sizes: int) -> None:
        for counts in self.octets, self.pictures:
            counts += [0] * (sizes * LAYERS - len(counts))


class Sized(Protocol):
    """What is looked at of a packet (`media/rewriting.Incoming`)."""

    tail: bytes
    timestamp: int
    starts: bool
    marker: int
    temporal: int
    spatial: int | None
    ends: bool


class LayerRates:
    """One stream. `add` what comes; `of_sizes` tells of each layer with all below it, the lowest first.

    `sizes` is how many spatial layers it has had, 1 where it says of none.
    """

    __slots__ = ("_buckets", "_keyframe", "_keyframes", "_since", "sizes")

    def __init__(self) -> None:
        self.sizes = 1
        self._buckets: deque[_Bucket] = deque()
        self._since: float | None = None
        self._keyframe = -1  # the timestamp of the newest keyframe
        # What came of keyframes, the number of a bucket and octets, in each size.
        self._keyframes: list[deque[tuple[int, int]]] = [deque()]

    def add(self, packets: Sequence[Sized], now: float) -> int:
        """Count the packets of a batch; how many pictures ended in it."""
        number = int(now / STEP)
        buckets = self._buckets
        if not buckets or buckets[-1].number < number:
            self._forget(now)
            if not buckets:  # the first, or the first after a rest: what was before it does not count as nothing sent
                self._since = now
            buckets.append(_Bucket(number, [0] * LAYERS * self.sizes, [0] * LAYERS * self.sizes))
        octets, pictures = buckets[-1].octets, buckets[-1].pictures
        if self.sizes > 1 or (packets and packets[0].spatial is not None):
            return self._add_sizes(packets, buckets[-1])
        ended = 0
        for packet in packets:
            if packet.starts:
                self._keyframe = packet.timestamp
            if packet.timestamp == self._keyframe:
                self._add_of_keyframe(len(packet.tail) + HEADERS, number)
            else:
                octets[packet.temporal] += len(packet.tail) + HEADERS
            if packet.marker:
                pictures[packet.temporal] += 1
                ended += 1
        return ended

    def _add_sizes(self, packets: Sequence[Sized], bucket: _Bucket) -> int:
        """The same where there are spatial layers."""
        sizes = 1 + max((packet.spatial or 0 for packet in packets), default=0)
        if sizes > self.sizes:
            self._keyframes += [deque() for _ in range(self.sizes, sizes)]
            self.sizes = sizes
            for each in self._buckets:
                each.widen(sizes)
        for packet in packets:
            size, octets = packet.spatial or 0, len(packet.tail) + HEADERS
            layer = LAYERS * size + packet.temporal
            if packet.starts:
                self._keyframe = packet.timestamp
            if packet.timestamp == self._keyframe:
                self._add_of_keyframe(octets, bucket.number, size)
            else:
                bucket.octets[layer] += octets
            bucket.pictures[layer] += packet.marker > 0 if packet.spatial is None else packet.ends
        return sum(packet.marker > 0 for packet in packets)

    def _add_of_keyframe(self, octets: int, number: int, size: int = 0) -> None:
        keyframes = self._keyframes[size]
        before = keyframes.pop()[1] if keyframes and keyframes[-1][0] == number else 0
        keyframes.append((number, before + octets))

    def _forget(self, now: float) -> None:
        oldest = int((now - WINDOW) / STEP)
        while self._buckets and self._buckets[0].number <= oldest:
            self._buckets.popleft()
        for keyframes in self._keyframes:
            while keyframes and keyframes[0][0] <= int((now - KEYFRAMES_WINDOW) / STEP):
                keyframes.popleft()

    def is_settled(self, now: float) -> bool:
        """Whether enough has come since the beginning, or since the last rest, to say what the stream takes."""
        return self._since is not None and now - self._since >= SETTLED

    def of_sizes(self, now: float) -> list[list[Rate]]:
        """Of each size with all below it, what each temporal layer takes up to the highest that came lately.

        None of a size that did not come lately.
        """
        self._forget(now)
        told, below = list[list[Rate]](), [0.0] * LAYERS  # spec: simulcast/spatial-layers
        for size in range(self.sizes):
            octets, pictures = self._a_second(size, now)
            highest = max((layer for layer in range(LAYERS) if octets[layer] or pictures[layer]), default=-1)
            if highest >= 0:
                keyframes = sum(octets for _, octets in self._keyframes[size]) / KEYFRAMES_WINDOW
                below = [keyframes + lower + sum(octets[: layer + 1]) for layer, lower in enumerate(below)]
            told.append([Rate(round(8 * below[layer]), sum(pictures[: layer + 1])) for layer in range(highest + 1)])
        return told

    def _a_second(self, size: int, now: float) -> tuple[list[float], list[float]]:
        """Octets, but those of keyframes, and pictures a second of each temporal layer of a size."""
        columns = range(LAYERS * size, LAYERS * size + LAYERS)
        lasted = max(min(now - self._began(size), WINDOW), STEP)
        octets = [sum(bucket.octets[column] for bucket in self._buckets) / lasted for column in columns]
        return octets, [sum(bucket.pictures[column] for bucket in self._buckets) / lasted for column in columns]

    def _began(self, size: int) -> float:
        """Since when a size comes: one that was added a moment ago is not told as smaller than it is."""
        first = next((bucket.number for bucket in self._buckets if bucket.has(size)), 0)
        is_new = size and first > next((bucket.number for bucket in self._buckets if bucket.has(0)), first)
        return first * STEP if is_new or self._since is None else self._since
