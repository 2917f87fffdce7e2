"""Who else tells RTCP from RTP as vectors/multiplex does: aiortc.

Nobody at hand offers the other decisions as a function: they are buried in whole programs, and those groups stay
provisional. Stands above `tests/confirm/witness.py`. Read next: tests/generate/multiplex.py.
"""

from __future__ import annotations

from typing import Any

from tests.confirm.witness import Case, Witness, asked, one_by_one, package

AIORTC = {"rtcp": "is_rtcp gives the same answer"}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for the group about RTCP, when aiortc agrees with all of it."""
    return asked(data, Witness("aiortc", package("aiortc"), AIORTC, one_by_one(_ask_aiortc)))


def _ask_aiortc(operation: str, case: Case) -> None:
    from aiortc import rtp

    assert rtp.is_rtcp(bytes.fromhex(case["in"]["hex"])) == case["out"]["rtcp"], f"aiortc disagrees on {case['id']}"
