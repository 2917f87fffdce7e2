"""Who else reads vectors/feedback as we do: Pion's RTCP library (`tests/confirm/pionrtcp`).

tshark 4.0 and aiortc 1.16 know no congestion control feedback, and nobody gives out the reports that a feedback comes
to.
Read next: tests/generate/feedback.py; tests/peers/pion_rtcp/main.go.
"""

from __future__ import annotations

from typing import Any

from tests.confirm import pionrtcp
from tests.confirm.witness import Case, Witness, asked

PION = {
    "parse": "rtcp.Unmarshal gives the same fields, Marshal the same octets where they are canonical; or it refuses"
}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    return asked(data, Witness("Pion rtcp", pionrtcp.version, PION, _ask))


def _ask(operation: str, cases: list[Case]) -> None:
    for case, said in pionrtcp.packets_of(cases):
        for packet in said:
            for stream in packet["streams"]:
                stream["marks"] = stream["marks"] if any(stream["marks"]) else []
        assert said == [case["out"]], f"Pion reads {case['id']} otherwise"
