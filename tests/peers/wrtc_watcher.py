"""libwebrtc (PyPI wrtc) that only receives: run as a program, it takes JSON lines as `wrtc_person.py` does.

{"do": "answer", "sdp": ...} -> {"sdp": ...}, {"do": "stats"} -> what it counted of the one stream it receives,
{"do": "see"} -> the pictures of all streams, how wide they are now, and how much sound was made up
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import webrtc

COUNTED = (
    *("packets_received", "packets_lost", "fec_packets_received", "fec_packets_discarded", "nack_count", "pli_count"),
    *("frames_decoded", "key_frames_decoded", "freeze_count"),
    *("concealed_samples", "silent_concealed_samples", "total_samples_received"),
)
SEEN = ("frames_decoded", "frame_width", "concealed_samples", "silent_concealed_samples", "total_samples_received")


class Watcher:
    """One connection whose tracks are read, so that they are decoded."""

    def __init__(self) -> None:
        self.connection = webrtc.RTCPeerConnection()
        self.reading: list[Any] = []
        self.connection.on("track", self.watch)

    def watch(self, event: Any) -> None:
        self.reading.append(asyncio.get_running_loop().create_task(self.read(event.track)))

    async def read(self, track: Any) -> None:
        reader = webrtc.MediaStreamTrackProcessor(webrtc.MediaStreamTrackProcessorInit(track)).readable.get_reader()
        while not (result := await reader.read()).done:
            result.value.close()

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        if command["do"] == "answer":
            offer = webrtc.RTCSessionDescription(webrtc.RTCSdpType.offer, command["sdp"])
            await self.connection.set_remote_description(offer)
            await self.connection.set_local_description(await self.connection.create_answer())
            for _ in range(500):
                if self.connection.ice_gathering_state == webrtc.RTCIceGatheringState.complete:
                    break
                await asyncio.sleep(0.01)
            return {"sdp": self.connection.local_description.sdp}
        reports = (await self.connection.get_stats()).values()
        received = [each for each in reports if isinstance(each, webrtc.RTCInboundRtpStreamStats)]
        if command["do"] == "see":
            return see([{name: getattr(each, name, None) or 0 for name in SEEN} for each in received])
        return {name: getattr(received[0], name, None) or 0 if received else 0 for name in COUNTED}


def see(streams: list[dict[str, Any]]) -> dict[str, Any]:
    """Silence that is made up where nothing is sent does not count."""
    return {
        "frames": sum(each["frames_decoded"] for each in streams),
        "width": max((each["frame_width"] for each in streams if each["frames_decoded"]), default=0),
        "concealed": sum(each["concealed_samples"] - each["silent_concealed_samples"] for each in streams),
        "samples": sum(each["total_samples_received"] for each in streams),
    }


async def main() -> None:
    watcher, loop = Watcher(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await watcher.do(json.loads(line))), flush=True)
    watcher.connection.close()


if __name__ == "__main__":
    webrtc.allow_loopback()
    asyncio.run(main())
