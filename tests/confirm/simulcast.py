"""Who else reads vectors/simulcast as we do: Chromium and Firefox, which send the encodings that our answers take.

A recorded offer cannot be answered any more, so each browser makes one of its own with the same encodings, and is given
our answer to it; then it says which encodings it will send.
Stands above `tests/peers/browsers.py` and `tests/confirm/witness.py`. Read next: tests/generate/simulcast.py.
"""

from __future__ import annotations

from typing import Any

import trio

from meetref.protocol.answering import answer, read_offer
from tests.confirm.witness import Case, Witness, asked
from tests.generate.sdp import SERVER
from tests.generate.simulcast import reading
from tests.peer_registry import why_absent
from tests.peers.browsers import BROWSERS, Browser
from tests.peers.sdp_conversations import served_page
from tests.peers.simulcast_conversations import ENCODINGS_AFTER, OFFER_ENCODINGS

HOW = {"answer-offer": "its own offer of these encodings is answered with the same lines, and it sends those encodings"}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    if set_name != "simulcast/offers":
        return []
    entries: list[dict[str, Any]] = []
    for name in BROWSERS:
        if why_absent(name) is None:
            entries += trio.run(_ask_browser, name, data)
    return entries


async def _ask_browser(name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """First the browser says everything, then it is judged as every witness is."""
    said: dict[str, tuple[Case, list[str]]] = {}
    async with BROWSERS[name]() as browser, served_page() as url:
        for group in data["groups"]:
            for case in group["tests"]:
                if "rids" in case["in"]:
                    await browser.open(url)
                    said[case["id"]] = await _sent(browser, case["in"]["rids"])
        version = browser.version

    def judge(operation: str, cases: list[Case]) -> None:
        for case in cases:
            read, sent = said[case["id"]]  # a case of which it was not asked has no witness
            assert _taken(read) == _taken(case["out"]), f"{name} offers {case['id']} otherwise: {read}"
            wanted = _taken(case["out"])[0][0] or [""]  # without simulcast, one stream that has no name any more
            assert sent == wanted, f"{name} sends {sent} where {case['id']} takes {wanted}"

    return asked(data, Witness(name, lambda: version, HOW, judge))


async def _sent(browser: Browser, rids: list[str]) -> tuple[Case, list[str]]:
    offered = await browser.call(OFFER_ENCODINGS, [(rid, 1 + place) for place, rid in enumerate(rids)], None)
    given = answer(read_offer(offered), SERVER, session_id=1, version=1)
    sent: list[str] = await browser.call(ENCODINGS_AFTER, given.sdp)
    return reading(offered), sent


def _taken(read: Case) -> list[tuple[list[str], list[str]]]:
    return [(section["encodings"], section["lines"]) for section in read.values()]
