"""A peer made of wrtc, libwebrtc in a wheel: run as a program, it takes JSON lines, because its trials hold a process.

wrtc_person.py [TRIAL ...]     {"do": "offer"} | {"do": "answer", "sdp": ...} | {"do": "accept", "sdp": ...}
                               {"do": "stats", "until": STATE} -> {"state": ..., "version": ..., "role": ...}
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import webrtc


class Person:
    """One connection, which takes and sends sound and pictures that nobody feeds."""

    def __init__(self) -> None:
        self.connection = webrtc.RTCPeerConnection()

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        match command["do"]:
            case "offer":
                for kind in (webrtc.MediaType.audio, webrtc.MediaType.video):
                    self.connection.add_transceiver(kind)
                return await self.describe(await self.connection.create_offer())
            case "answer":
                await self.take(command["sdp"], webrtc.RTCSdpType.offer)
                return await self.describe(await self.connection.create_answer())
            case "accept":
                await self.take(command["sdp"], webrtc.RTCSdpType.answer)
                return {}
        return await self.stats(command["until"])

    async def take(self, sdp: str, kind: Any) -> None:
        await self.connection.set_remote_description(webrtc.RTCSessionDescription(kind, sdp))

    async def describe(self, description: Any) -> dict[str, Any]:
        """Our half, with its candidates."""
        await self.connection.set_local_description(description)
        for _ in range(500):
            if self.connection.ice_gathering_state == webrtc.RTCIceGatheringState.complete:
                break
            await asyncio.sleep(0.01)
        return {"sdp": self.connection.local_description.sdp}

    async def stats(self, state: str) -> dict[str, Any]:
        """Of the transport, once DTLS is so far."""
        while True:
            for report in (await self.connection.get_stats()).values():
                if str(report.type).endswith("transport") and report.dtls_state.value == state:
                    return {"state": state, "version": report.tls_version, "role": report.dtls_role.value}
            await asyncio.sleep(0.02)


async def main() -> None:
    person, loop = Person(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await person.do(json.loads(line))), flush=True)
    person.connection.close()


if __name__ == "__main__":
    webrtc.allow_loopback()
    webrtc.field_trials.update(dict.fromkeys(sys.argv[1:], "Enabled"))
    asyncio.run(main())
