"""Data connections of wrtc, libwebrtc in a wheel, each under a name: run as a program, it takes JSON lines.

wrtc_channels.py [TRIAL ...]   {"do": "begin", "name": ...} -> {"sdp": ...}, an offer with its candidates
                               {"do": "accept", "name": ..., "sdp": ...} | {"do": "end", "name": ...} -> {}
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import webrtc

connections: dict[str, Any] = {}


async def do(command: dict[str, Any]) -> dict[str, Any]:
    name = command["name"]
    if command["do"] == "begin":
        connections[name] = connection = webrtc.RTCPeerConnection()
        connection.create_data_channel("door")
        await connection.set_local_description(await connection.create_offer())
        while connection.ice_gathering_state != webrtc.RTCIceGatheringState.complete:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        return {"sdp": connection.local_description.sdp}
    if command["do"] == "accept":
        answer = webrtc.RTCSessionDescription(webrtc.RTCSdpType.answer, command["sdp"])
        await connections[name].set_remote_description(answer)
    else:
        connections.pop(name).close()
    return {}


async def main() -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await do(json.loads(line))), flush=True)


if __name__ == "__main__":
    webrtc.allow_loopback()
    webrtc.field_trials.update(dict.fromkeys(sys.argv[1:], "Enabled"))
    asyncio.run(main())
