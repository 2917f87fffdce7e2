"""What one stream takes: octets and pictures a second of the last two seconds, for each temporal layer.

Stands below `meeting/track`, which feeds it with every packet that comes; asked a few times a second, for
`media/ladder`. Specification: none. Keyframes, which are rare, count as what they take in ten seconds: one of the last
two would make a stream look twice as dear, and that for as long as nobody watches it.
Leaves out: what a link carries in all (`media/bandwidth`).
Read next: `media/ladder.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
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
    number: int
    octets: list[int] = field(default_factory=lambda: [0] * LAYERS)
    pictures: list[int] = field(default_factory=lambda: [0] * LAYERS)


class Sized(Protocol):
    """What is looked at of a packet (`media/rewriting.Incoming`)."""

    tail: bytes
    timestamp: int
    starts: bool
    marker: int
    temporal: int


class LayerRates:
    """One stream. `add` what comes; `rates` tells of each layer with all below it, the lowest first."""

    __slots__ = ("_buckets", "_keyframe", "_keyframes", "_since")

    def __init__(self) -> None:
        self._buckets: deque[_Bucket] = deque()
        self._since: float | None = None
        self._keyframe = -1  # the timestamp of the newest keyframe
        self._keyframes: deque[tuple[int, int]] = deque()  # what came of keyframes: the number of a bucket, and octets

    def add(self, packets: Iterable[Sized], now: float) -> int:
        """Count the packets of a batch; how many pictures ended in it."""
        number = int(now / STEP)
        buckets = self._buckets
        if not buckets or buckets[-1].number < number:
            self._forget(now)
            if not buckets:  # the first, or the first after a rest: what was before it does not count as nothing sent
                self._since = now
            buckets.append(_Bucket(number))
        octets, pictures = buckets[-1].octets, buckets[-1].pictures
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

    def _add_of_keyframe(self, octets: int, number: int) -> None:
        keyframes = self._keyframes
        before = keyframes.pop()[1] if keyframes and keyframes[-1][0] == number else 0
        keyframes.append((number, before + octets))

    def _forget(self, now: float) -> None:
        oldest = int((now - WINDOW) / STEP)
        while self._buckets and self._buckets[0].number <= oldest:
            self._buckets.popleft()
        while self._keyframes and self._keyframes[0][0] <= int((now - KEYFRAMES_WINDOW) / STEP):
            self._keyframes.popleft()

    def is_settled(self, now: float) -> bool:
        """Whether enough has come since the beginning, or since the last rest, to say what the stream takes."""
        return self._since is not None and now - self._since >= SETTLED

    def rates(self, now: float) -> list[Rate]:
        """An entry for each layer up to the highest that came lately; none while nothing comes."""
        self._forget(now)
        if not self._buckets or self._since is None:
            return []
        lasted = max(min(now - self._since, WINDOW), STEP)
        octets = [sum(bucket.octets[layer] for bucket in self._buckets) for layer in range(LAYERS)]
        pictures = [sum(bucket.pictures[layer] for bucket in self._buckets) for layer in range(LAYERS)]
        highest = max((layer for layer in range(LAYERS) if pictures[layer] or octets[layer]), default=-1)
        keyframes = sum(size for _, size in self._keyframes) / KEYFRAMES_WINDOW
        return [
            Rate(round(8 * (keyframes + sum(octets[: layer + 1]) / lasted)), sum(pictures[: layer + 1]) / lasted)
            for layer in range(highest + 1)
        ]
