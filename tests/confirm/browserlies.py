"""What browsers do when they are told the lies of vectors/{handshake12,handshake13}/refusals and get dtls/strays.

Their peer is an endpoint of ours, as programs have it in `refusals.py` and `strays.py`. That they go on shows in the
answer to an INIT of SCTP, sent as data; that they gave up, in the alert, or in the state of the page's connection. A
browser offers both versions, so our endpoint says which one it is.
Stands above `browserdoor.py`; below `tests/confirm/{handshake12,handshake13,dtls}.py`.
Leaves out: settings of a victim; a browser has its own. Read next: tests/confirm/browserdoor.py.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import trio

from meetref.wire.tls import P_256, P_384, X25519
from tests.confirm.browserdoor import STATE, Door, answers, init, open_door
from tests.confirm.refusals import Telling, agrees, lie_of
from tests.confirm.strays import Disturbed, told_by
from tests.confirm.witness import Case, Entries, Witness, asked, is_wanted, one_by_one
from tests.generate.dtlslies import CERTIFICATES, Lie
from tests.peer_registry import why_absent
from tests.peers.browsers import BROWSERS, Browser, BrowserError
from tests.peers.sdp_conversations import served_page

REFUSING = "told the same as the other end of a page's RTCPeerConnection, it gives the same alert, or an allowed one"
DROPPING = "as the other end of a page's RTCPeerConnection it completes the handshake, or has, and takes the data once"
ALIKE = 6  # connections of a page at the same time
FOUND_WITHIN, ALIVE_WITHIN = 10.0, 0.4
TRIES = (4.0, 8.0, 20.0)
"""Seconds for a case, and for each time that it is asked again: a busy machine takes its time."""
FIRST, SECOND = 0x01020304, 0x05060708

Tell = Callable[[Browser, Case, float], Awaitable[str]]
"""What comes of a case within so many seconds: an alert, "gone", "connected", or "silence"."""


def refusals(data: dict[str, Any], version: str) -> Entries:
    """An entry for each browser on this machine and each group of refusals with which it agrees."""

    async def tell(browser: Browser, case: Case, patience: float) -> str:
        role, lie = lie_of(version, case)
        groups = lie.liar.get("groups") or lie.victim.get("groups") or (X25519, P_256, P_384)
        return await _tell(browser, version, role, replace(lie, liar={**lie.liar, "groups": groups}), patience)

    return _entries(data, "refusal", REFUSING, tell, agrees)


def strays(data: dict[str, Any]) -> Entries:
    """The same for strays."""

    async def tell(browser: Browser, case: Case, patience: float) -> str:
        return await _disturb(browser, case, patience)

    return _entries(data, "stray", DROPPING, tell, lambda case, answer: answer == "connected")


def _entries(data: dict[str, Any], operation: str, how: str, tell: Tell, right: Callable[[Case, str], bool]) -> Entries:
    entries: Entries = []
    for name in BROWSERS:
        cases = _wanted(data, operation, name.capitalize())
        if cases and why_absent(name) is None:
            entries += trio.run(_ask, name, data, cases, operation, how, tell, right)
    return entries


def _wanted(data: dict[str, Any], operation: str, name: str) -> list[Case]:
    groups = [group for group in data["groups"] if group["params"]["operation"] == operation]
    return [case for group in groups if is_wanted(data, group, name) for case in group["tests"]]


async def _ask(
    name: str,
    data: dict[str, Any],
    cases: list[Case],
    operation: str,
    how: str,
    tell: Tell,
    right: Callable[[Case, str], bool],
) -> Entries:
    """One browser for all groups: first it is told everything, then it is judged as every witness is."""
    said: dict[str, str] = {}
    limiter = trio.CapacityLimiter(ALIKE)

    async def ask(browser: Browser, case: Case) -> None:
        async with limiter:
            for patience in TRIES:
                try:
                    said[case["id"]] = await tell(browser, case, patience)
                except (BrowserError, TimeoutError, trio.TooSlowError) as error:
                    said[case["id"]] = f"no answer: {error}"
                if right(case, said[case["id"]]):
                    return

    async with BROWSERS[name]() as browser, served_page() as url:
        await browser.open(url)
        async with trio.open_nursery() as nursery:
            for case in cases:
                nursery.start_soon(ask, browser, case)
        version = browser.version

    def judge(operation: str, case: Case) -> None:
        answer = said[case["id"]]
        assert right(case, answer), f"{case['id']} {case['comment']}: {answer}"

    return asked(data, Witness(name.capitalize(), lambda: version, {operation: how}, one_by_one(judge)))


# --- lies -----------------------------------------------------------------------------------------


async def _tell(browser: Browser, version: str, role: str, lie: Lie, patience: float) -> str:
    began = trio.current_time()
    said: list[bytes] = []
    telling = Telling(version, role, lie, said.append)

    def now() -> float:
        return trio.current_time() - began

    def hear(data: bytes) -> None:
        telling.hear(data, now())

    async with open_door(browser, fingerprint_of_peer(role), setup_of_peer(role), hear) as (door, name):
        await until_found(door)
        telling.flush()
        asks_at = math.inf
        with trio.move_on_after(patience):
            while telling.alert is None and not any(answers(data, FIRST) for data in telling.received):
                if telling.connected and asks_at == math.inf:
                    asks_at = trio.current_time()
                if trio.current_time() >= asks_at and not telling.is_over:
                    asks_at = trio.current_time() + ALIVE_WITHIN
                    telling.liar.send(init(FIRST), now())
                    telling.flush()
                await pass_on(door, said)
                with trio.move_on_after(ALIVE_WITHIN / 4) as scope:
                    await door.take()
                telling.wait(now())
                if scope.cancelled_caught and await _has_ended(browser, name):
                    break
        if telling.alert is None and not await _has_ended(browser, name):
            return "connected" if telling.connected else "silence"
        with trio.move_on_after(patience / 5):  # its last words may still be on their way
            while telling.alert is None:
                await door.take()
        return telling.alert or "gone"


# --- strays ---------------------------------------------------------------------------------------


async def _disturb(browser: Browser, case: Case, patience: float) -> str:
    version, role, moment, stray = told_by(case)
    began = trio.current_time()
    said: list[bytes] = []
    end: Disturbed | None = None

    def now() -> float:
        return trio.current_time() - began

    def hear(data: bytes) -> None:
        if end is not None:
            end.hear(data, now())

    async with open_door(browser, fingerprint_of_peer(role), setup_of_peer(role), hear) as (door, name):
        await until_found(door)
        if role == "server":  # what comes earlier is not for its DTLS
            await browser.until(f"doors.get('{name}').sctp.transport.state === 'connecting'", every=0.01)
        end = Disturbed(version, role, moment, stray, said.append, first=True, data=(init(FIRST), init(SECOND)))
        with trio.move_on_after(patience):
            while not end.failed and not any(answers(data, SECOND) for data in end.received):
                await pass_on(door, said)
                with trio.move_on_after(ALIVE_WITHIN / 4) as scope:
                    await door.take()
                end.wait(now())
                if scope.cancelled_caught and await _has_ended(browser, name):
                    return "gone"
        heard = [sum(answers(data, tag) for data in end.received) for tag in (FIRST, SECOND)]
        return "connected" if heard == [1, 1] and not end.failed else "gone" if end.failed else "silence"


# --- both -----------------------------------------------------------------------------------------


def setup_of_peer(role: str) -> str:
    """What we are, of a browser that is to have that role."""
    return "passive" if role == "client" else "active"


def fingerprint_of_peer(role: str) -> str:
    """Of our certificate, where the browser is to have that role."""
    return CERTIFICATES["server" if role == "client" else "client"].fingerprint("sha-256")


async def until_found(door: Door) -> None:
    """Wait for its first check."""
    with trio.fail_after(FOUND_WITHIN):
        while not door.found.is_set():
            await door.take()


async def pass_on(door: Door, said: list[bytes]) -> None:
    """Send what our side has said."""
    while said:
        await door.say(said.pop(0))


async def _has_ended(browser: Browser, name: str) -> bool:
    """Whether the page's connection has given up; a failed question is asked again by whoever wants to know."""
    try:
        return await browser.call(STATE, name) in ("failed", "closed")
    except BrowserError:
        return False
