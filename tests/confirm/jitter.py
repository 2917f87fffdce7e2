"""Who else puts the packets of vectors/jitter in order: aiortc's jitter buffer, which counts packets and knows no time.

It gives a frame out when the one behind it has begun, so the last one is not asked about. Times, and what is done about
loss, no witness says: libwebrtc's NetEQ decides them inside its decoder.
Stands above `tests/confirm/witness.py`. Read next: tests/generate/jitter.py.
"""

from __future__ import annotations

from typing import Any

from tests.confirm.witness import Case, Witness, asked, one_by_one, package

HOW = {"order": "JitterBuffer gives the same packets out in the same order, all but the last"}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group with which aiortc agrees."""
    return asked(data, Witness("aiortc", package("aiortc"), HOW, one_by_one(_ask)))


def _ask(operation: str, case: Case) -> None:
    from aiortc.jitterbuffer import JitterBuffer
    from aiortc.rtp import RtpPacket

    buffer, told = JitterBuffer(capacity=64), []
    for _, sequence, timestamp in case["in"]["packets"]:
        packet = RtpPacket(sequence_number=sequence, timestamp=timestamp)
        packet._data = sequence.to_bytes(2)  # type: ignore[attr-defined]  # where a depayloader puts it
        _, frame = buffer.add(packet)
        while frame is not None:
            told.append(int.from_bytes(frame.data))
            frame = buffer._remove_frame(0)
    ours = [row[1] for row in case["out"]["released"]]
    assert told == ours[:-1], f"{case['id']}: aiortc says {told}"
