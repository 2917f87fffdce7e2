"""Who else takes candidates as vectors/trickle says: aioice, for the end of candidates.

A candidate after the end it refuses to its caller, where ours ignores it; neither pairs it. The order of checks it does
not confirm: see tests/confirm/ice.py. Stands above `tests/confirm/witness.py`. Read next: tests/generate/trickle.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tests.confirm.witness import Case, Witness, asked, package

HOW = {"end": "Connection.add_remote_candidate refuses a candidate after the end, and pairs none"}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group with which aioice agrees."""
    return asked(data, Witness("aioice", package("aioice"), HOW, _ask))


def _ask(operation: str, cases: list[Case]) -> None:
    for case in cases:
        asyncio.run(_play(case))


async def _play(case: Case) -> None:
    import aioice

    connection = aioice.Connection(ice_controlling=case["init"]["role"] == "controlling")
    for step in case["steps"]:
        told = step.get("do")
        if told == "end-of-candidates":
            await connection.add_remote_candidate(None)
        elif isinstance(told, dict):
            candidate = aioice.Candidate.from_sdp(told["remote-candidate"].removeprefix("candidate:"))
            try:
                await connection.add_remote_candidate(candidate)
            except ValueError:
                continue
            raise AssertionError("a candidate after the end was taken")
        else:
            assert step["expect"]["pairs"] == connection._check_list
