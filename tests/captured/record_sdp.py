"""Records what real browsers offer and answer: `python -m tests.captured.record_sdp` writes sdp-<browser>.json here.

The conversations are those of tests/peers/test_sdp_browsers.py; each file names browser, version and date. Addresses of
the recording machine are replaced by documentation addresses. Run it when a new browser version comes out, and look at
the difference: vectors/sdp is made from these files.
"""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import trio

from meetref.protocol.answering import answer, read_offer
from meetref.protocol.offering import offer
from tests.peers.browsers import BROWSERS, Browser
from tests.peers.sdp_conversations import (
    ANSWER,
    GATHERED_OFFER,
    LOCAL,
    OFFER,
    OPEN,
    TAKE_ANSWER,
    make_slots,
    served_page,
)

HERE = Path(__file__).parent
_IPV4 = re.compile(r"\b(?!0\.0\.0\.0|127\.0\.0\.1|192\.0\.2\.)\d{1,3}(?:\.\d{1,3}){3}\b")
_IPV6 = re.compile(r"(?<= )(?!::1 )[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){2,7}(?= )")


def without_addresses(sdp: str) -> str:
    """The description with every address of this machine replaced; loopback and `.local` names stay."""
    return _IPV6.sub("2001:db8::1", _IPV4.sub("192.0.2.1", sdp))


async def record(name: str) -> dict[str, Any]:
    """Everything that one browser says in all conversations."""
    cases: list[dict[str, Any]] = []
    async with BROWSERS[name]() as browser, served_page() as url:
        for policy in ("balanced", "max-bundle"):
            await browser.open(url)
            cases += await _record_up(browser, policy)
        await browser.open(url)
        await browser.call(OPEN, ["microphone", "camera"], "max-bundle")
        gathered = await browser.call(GATHERED_OFFER)
        cases.append({"case": "up offer with candidates", "offer": without_addresses(gathered)})
        for videos, audios in ((2, 2), (9, 9)):
            await browser.open(url)
            text = offer(make_slots(videos, audios), LOCAL, session_id=7, version=1)
            case = {"case": f"down with {videos} video and {audios} audio slots", "videos": videos, "audios": audios}
            cases.append({**case, "answer": without_addresses(await browser.call(ANSWER, text))})
        version = browser.version
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return {"provenance": "recorded", "browser": name, "version": version, "date": date, "cases": cases}


async def _record_up(browser: Browser, policy: str) -> list[dict[str, Any]]:
    """An offer of microphone and camera, then one with a data channel and a screen, without camera, restarting ICE."""
    await browser.call(OPEN, ["microphone", "camera"], policy)
    first = await browser.call(OFFER, False)
    await browser.call(TAKE_ANSWER, answer(read_offer(first), LOCAL, session_id=7, version=1).sdp)
    await browser.evaluate("[add('data'), add('screen'), senders.camera.direction = 'inactive'].length")
    second = await browser.call(OFFER, True)
    return [
        {"case": f"up offer of microphone and camera, {policy}", "offer": without_addresses(first)},
        {"case": f"up offer that adds data and screen, {policy}", "offer": without_addresses(second)},
    ]


async def main() -> None:
    for name in BROWSERS:
        text = json.dumps(await record(name), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        await trio.Path(HERE / f"sdp-{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    trio.run(main)
