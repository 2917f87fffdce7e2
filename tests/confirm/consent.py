"""Who else asks for consent as vectors/consent says: aioice, whose loop is run without waiting.

It confirms the group `interval`. What ends consent it cannot: it counts requests without an answer, not seconds.
Stands above `tests/confirm/witness.py`. Read next: tests/generate/consent.py.
"""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

from tests.confirm.witness import Case, Witness, asked, package

HOW = {"interval": "Connection.query_consent waits 4 to 6 s each time and asks once, with a new transaction"}
ROUNDS = 200


class Enough(Exception):
    """So many requests were seen."""


class Recorder:
    """A pair and its socket, as far as `query_consent` needs them: every request is answered at once."""

    component, remote_addr = 1, ("192.0.2.2", 2000)

    def __init__(self) -> None:
        self.protocol = self
        self.asked: list[bytes] = []
        self.local_candidate = self.remote_candidate = mock.Mock(component=1, priority=1)

    async def request(self, message: Any, *_: object, retransmissions: int, **__: object) -> None:
        assert retransmissions == 0
        self.asked.append(message.transaction_id)
        if len(self.asked) == ROUNDS:
            raise Enough


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group with which aioice agrees."""
    return asked(data, Witness("aioice", package("aioice"), HOW, _ask))


def _ask(operation: str, cases: list[Case]) -> None:
    waits, recorder = asyncio.run(_run())
    for case in cases:
        first = next(step["at_ms"] for step in case["steps"] if "bind" in step and isinstance(step["at_ms"], list))
        shortest, longest = ((at - 10) / 1000 for at in first)
        assert all(shortest <= wait <= longest for wait in waits)
    assert max(waits) - min(waits) > 1
    assert len(set(recorder.asked)) == ROUNDS


async def _run() -> tuple[list[float], Recorder]:
    import aioice

    connection, recorder, waits = aioice.Connection(ice_controlling=True), Recorder(), list[float]()
    connection.remote_username, connection.remote_password = "peer", "peerpasswordpeerpassword"
    connection._nominated = {1: recorder}

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    with mock.patch("aioice.ice.asyncio.sleep", sleep):
        try:
            await connection.query_consent()
        except Enough:
            pass
    return waits, recorder
