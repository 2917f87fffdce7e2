"""What tutorial 8 asks for, made of the real thing: without `--module`, test_loss.py looks at this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meetref.media import fec as correction
from meetref.media import jitter, repair
from meetref.media.jitter import Gap
from meetref.media.repair import LossDetector
from meetref.wire import fec
from meetref.wire.reader import Malformed
from meetref.wire.rtp import original, retransmission

__all__ = [
    "Gap",
    "JitterBuffer",
    "LossDetector",
    "Malformed",
    "PacketCache",
    "original",
    "protect",
    "recover",
    "retransmission",
]


class JitterBuffer(jitter.JitterBuffer[Any]):
    """With a delay that is never shorter than `least`: nothing that is shipped wants that, it plays sound."""

    def __init__(self, clock_rate: int, least: float = 0.0, longest: float = jitter.LONGEST) -> None:
        super().__init__(clock_rate, longest=longest)
        self.least = least

    @property
    def delay(self) -> float:
        return min(max(super().delay, self.least), self.longest)


class PacketCache:
    """Takes packets one by one; what is shipped takes runs of them."""

    def __init__(self) -> None:
        self._cache: repair.PacketCache[Any] = repair.PacketCache()

    def store(self, sequence: int, packet: Any, at: float) -> None:
        self._cache.store(sequence, 1, packet, at)

    def fetch(self, sequence: int, now: float) -> Any:
        found = self._cache.fetch(sequence, now)
        return found[0] if found is not None else None


def protect(packets: Sequence[bytes]) -> bytes:
    return fec.serialize(correction.protect(packets, 1)[0])


def recover(packets: Mapping[int, bytes], payload: bytes, ssrc: int) -> bytes | None:
    try:
        parity = fec.parse(payload)
    except Malformed:
        return None
    recoverer = correction.Recoverer()
    for packet in packets.values():
        recoverer.receive(packet)
    return next(iter(recoverer.receive_parity(parity, ssrc)), None)
