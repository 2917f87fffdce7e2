"""Records a handshake in checks of libwebrtc's: `python -m tests.captured.record_sped` writes sped-libwebrtc.json here.

Two checks carry the post-quantum hello of its DTLS; six answers acknowledge what our checks carried.
vectors/sped/messages has them. Run it when a new version of wrtc comes out; names, keys and hellos are new each time.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
from pathlib import Path

import trio

from tests.confirm.sped import record

FILE = Path(__file__).parent / "sped-libwebrtc.json"


async def main() -> None:
    told = {
        "version": importlib.metadata.version("wrtc"),
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "messages": [{"hex": each.data.hex(), "password": each.password} for each in await record()],
    }
    await trio.Path(FILE).write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    trio.run(main)
