"""Records what real browsers compute: `python -m tests.captured.record_secrets` writes secrets13.json here.

Five handshakes of DTLS 1.3 with each, in both roles: what their secrets are computed from, and the secrets that Firefox
wrote into its key log. vectors/handshake13/keyschedule has them, with all that lies between.
Run it when a new browser version comes out; its values are new each time.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import trio

from tests.confirm.browsersecrets import agree
from tests.peers.browsers import BROWSERS

FILE = Path(__file__).parent / "secrets13.json"


async def record(name: str) -> list[dict[str, Any]]:
    version, agreements = await agree(name)
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return [
        {
            "browser": name.capitalize(),
            "version": version,
            "date": date,
            "role": each.role,
            "group": each.group,
            "in": each.given,
            "logged": each.logged,
        }
        for each in agreements
    ]


async def main() -> None:
    told = [each for name in BROWSERS for each in await record(name)]
    await trio.Path(FILE).write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    trio.run(main)
