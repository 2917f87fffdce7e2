"""Who else misses the packets of vectors/repair: aiortc's generator of NACKs, which knows no times.

Whenever our side asks for something, aiortc misses it; and what aiortc misses at the end, our side has asked for. It
keeps no more than 128 numbers, and takes the first packet that came for the first that was sent, so the bounds are not
asked about; neither are the answers, which it gives whenever it is asked.
Stands above `tests/confirm/witness.py`. Read next: tests/generate/repair.py.
"""

from __future__ import annotations

from typing import Any

from tests.confirm.witness import Case, Witness, asked, one_by_one, package

HOW = {"ask": "NackGenerator misses what is asked for, each time that it is, and nothing at the end that never was"}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group with which aiortc agrees."""
    return asked(data, Witness("aiortc", package("aiortc"), HOW, one_by_one(_ask)))


def _ask(operation: str, case: Case) -> None:
    from aiortc.rtcrtpreceiver import NackGenerator
    from aiortc.rtp import RtpPacket

    events: list[tuple[int, str, list[int]]] = []
    for step in case["steps"]:
        events += [(step["at_ms"], "comes", step["do"]["packets"])] if "do" in step else []
        events += [(each["at_ms"], "is asked for", each["lost"]) for each in step.get("expect", {}).get("asked", [])]
    generator, ever = NackGenerator(), set[int]()
    for at, what, numbers in sorted(events, key=lambda event: event[0]):
        if what == "comes":
            for number in numbers:
                generator.add(RtpPacket(sequence_number=number))
        else:
            ever.update(numbers)
            surplus = set(numbers) - generator.missing
            assert not surplus, f"{case['id']}: at {at} ms aiortc does not miss {sorted(surplus)}"
    assert generator.missing <= ever, f"{case['id']}: aiortc misses {sorted(generator.missing - ever)}, too"
