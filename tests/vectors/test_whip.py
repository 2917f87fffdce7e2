"""Plays vectors/whip to our doors, in memory. Read next: tests/generate/whip.py, where the cases come from."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from trio.testing import MockClock

from meetref.app.replay.verdict import Outcome
from meetref.app.replay.web import Answer
from meetref.app.replay.whip import WhipTarget
from meetref.app.tokens import make_token
from tests.app.test_whip import NOW, SECRET, door, guarded
from tests.app.web import Web
from tests.vectors.machinesteps import Case, parameters

PATHS = {"whip": "/whip/algebra", "whep": "/whep/algebra"}


class Memory:
    """Asks a web in memory, as `app/replay/whip` wants to."""

    def __init__(self, web: Web) -> None:
        self._web = web

    async def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        answer = await self._web.ask(method, path, body, **dict(headers))
        return Answer(answer.status, dict(reversed(answer.headers)), answer.body)


async def outcome_of(case: Case) -> Outcome:
    """What becomes of a case, with a server that wants tokens where the case wants one that does."""
    wants_token = "token" in case["init"]
    token = make_token(SECRET, room="algebra", now=NOW, valid_for=60) if wants_token else None
    async with door(**(guarded() if wants_token else {})) as at:
        return await WhipTarget(Memory(at.web), PATHS, token).play(case)


@pytest.mark.parametrize("case", parameters("whip/requests"))
async def test_requests(autojump_clock: MockClock, case: Case) -> None:
    outcome = await outcome_of(case)
    assert (outcome.verdict, outcome.got) == ("pass", "as required"), outcome
