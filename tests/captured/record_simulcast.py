"""Records how real browsers offer a camera in several encodings: `python -m tests.captured.record_simulcast`.

It writes simulcast-<browser>.json here, from which vectors/simulcast is made; each names browser, version and date. Run
it when a new browser version comes out, and look at the difference. Read next: `tests/captured/record_sdp.py`.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

import trio

from tests.captured.record_sdp import HERE, without_addresses
from tests.peers.browsers import BROWSERS
from tests.peers.sdp_conversations import served_page
from tests.peers.simulcast_conversations import OFFER_ENCODINGS

CASES = [
    ("three encodings, the smallest first", [("q", 4), ("h", 2), ("f", 1)], None),
    ("three encodings of three temporal layers", [("q", 4), ("h", 2), ("f", 1)], "L1T3"),
    ("two encodings", [("h", 2), ("f", 1)], None),
    ("one encoding with a name", [("f", 1)], None),
    ("three encodings, the largest first", [("f", 1), ("h", 2), ("q", 4)], None),
]


async def record(name: str) -> dict[str, Any]:
    """What one browser offers in all cases."""
    cases = []
    async with BROWSERS[name]() as browser, served_page() as url:
        for case, encodings, mode in CASES:
            await browser.open(url)
            offered = await browser.call(OFFER_ENCODINGS, encodings, mode)
            cases.append({"case": case, "rids": [rid for rid, _ in encodings], "offer": without_addresses(offered)})
        version = browser.version
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return {"provenance": "recorded", "browser": name, "version": version, "date": date, "cases": cases}


async def main() -> None:
    for name in BROWSERS:
        text = json.dumps(await record(name), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        await trio.Path(HERE / f"simulcast-{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    trio.run(main)
