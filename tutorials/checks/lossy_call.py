"""A call over a line that loses, made of the machines of tutorial 8; test_loss.py counts the frames that come out."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter
from types import ModuleType
from typing import Any

from meetref.media.sequence import Unwrapper
from meetref.wire import rtp

FRAMES, BUDGET = 1500, 0.15


class Call:
    """Thirty frames a second, three packets each, over a line that loses in both directions; both ends are yours."""

    def __init__(self, module: ModuleType, *, loss: float, round_trip: float, seed: int, computing: bool) -> None:
        self.module, self.loss, self.round_trip, self.computing = module, loss, round_trip, computing
        self.dice, self.order, self.repeats = random.Random(seed), itertools.count(), itertools.count()
        self.line: list[tuple[float, int, str, Any]] = []
        self.buffer = module.JitterBuffer(90000, least=BUDGET, longest=BUDGET)
        self.detector, self.numbers = module.LossDetector(round_trip_time=round_trip), Unwrapper(16)
        self.cache, self.received = module.PacketCache(), dict[int, bytes]()
        self.shown, self.asked = Counter[int](), 0
        for frame in range(FRAMES):
            parts = [
                rtp.Packet(96, 65000 + 3 * frame + part & 0xFFFF, 3000 * frame, 7, bytes(500 + part), part == 2)
                for part in range(3)
            ]
            self.put("camera", [rtp.serialize(part) for part in parts], frame / 30)

    def put(self, end: str, what: Any, at: float) -> None:
        heapq.heappush(self.line, (at, next(self.order), end, what))

    def travel(self, end: str, what: Any, now: float) -> None:
        if self.dice.random() >= self.loss:
            self.put(end, what, now + self.round_trip / 2)

    def run(self, *, asking: bool) -> float:
        """The share of frames of which every packet came out."""
        while True:
            now = min(
                self.line[0][0] if self.line else math.inf, self.buffer.next_timeout(), self.detector.next_timeout()
            )
            if now == math.inf:
                return sum(count == 3 for count in self.shown.values()) / FRAMES
            self.shown.update(item for item in self.buffer.release(now) if isinstance(item, int))
            while self.line and self.line[0][0] <= now:
                self.arrive(*heapq.heappop(self.line)[2:], now)
            wanted = self.detector.due(now) if self.detector.next_timeout() <= now else []
            if wanted and asking:
                self.asked += len(wanted)
                self.travel("sender", wanted, now)

    def arrive(self, end: str, what: Any, now: float) -> None:
        if end == "camera":
            for packet in what:
                self.cache.store(int.from_bytes(packet[2:4]), packet, now)
                self.travel("viewer", packet, now)
            if self.computing:
                self.travel("parity", self.module.protect(what), now)
        elif end == "sender":
            for packet in filter(None, (self.cache.fetch(number, now) for number in what)):
                self.travel("repair", self.module.retransmission(packet, 97, next(self.repeats), 8), now)
        elif end == "viewer":
            self.take(what, now)
        elif end == "repair":
            self.take(self.module.original(what, 96, 7), now)
        elif (found := self.module.recover(self.received, what, 7)) is not None:
            self.take(found, now)

    def take(self, packet: bytes, now: float) -> None:
        header = rtp.parse(packet)
        self.received[header.sequence] = packet
        if len(self.received) > 64:
            del self.received[next(iter(self.received))]
        self.detector.receive(self.numbers.unwrap(header.sequence), now)
        self.buffer.insert(header.sequence, header.timestamp, header.timestamp, now)
