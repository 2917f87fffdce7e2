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


class PacketCache(repair.PacketCache[bytes]):
    """Takes packets one by one; what is shipped takes a run of them."""

    def store(self, sequence: int, packet: Any, at: float) -> None:
        super().store(sequence, (packet,), at)


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
