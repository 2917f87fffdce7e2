"""libwebrtc (PyPI wrtc) that sends: run as a program, it takes JSON lines as `wrtc_person.py` does.

wrtc_sender.py KIND CODEC [SCALABILITY_MODE] [-- TRIAL ...]
    {"do": "offer"} -> {"sdp": ...}, {"do": "accept", "sdp": ...}, {"do": "stats"} -> {"sent": packets}

KIND is audio or video. With a codec `red` or `ulpfec`, the other one that it belongs to is preferred behind it.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
from array import array
from typing import Any

import webrtc

WIDTH, HEIGHT, PER_SECOND = 640, 360, 20
SAMPLES = 480  # ten milliseconds
DESCRIPTOR = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
TOGETHER = {"red": ("opus", "red"), "ulpfec": ("vp8", "red", "ulpfec")}


def picture(number: int) -> bytes:
    """Planar YUV: stripes that wander, and noise, so that frames are of several packets."""
    dice = random.Random(number)
    row = bytes((column + 3 * number) % 200 + 20 for column in range(WIDTH))
    noise = dice.randbytes(WIDTH * 40)
    light = row * (HEIGHT - 40) + noise
    return light + bytes([110]) * (WIDTH * HEIGHT // 2)


def tone(number: int) -> bytes:
    first = number * SAMPLES
    return array("h", (int(9000 * math.sin((first + place) / 17)) for place in range(SAMPLES))).tobytes()


class Sender:
    """One track, one way."""

    def __init__(self, kind: str, codec: str, mode: str | None) -> None:
        self.connection = webrtc.RTCPeerConnection()
        self.generator = webrtc.MediaStreamTrackGenerator(kind)
        self.kind = kind
        encoding = webrtc.RTCRtpEncodingParameters(scalability_mode=mode, max_bitrate=800_000)
        init = webrtc.RTCRtpTransceiverInit(direction="sendonly", send_encodings=[encoding] if kind == "video" else [])
        transceiver = self.connection.add_transceiver(self.generator, init)
        names = [f"{kind}/{name}" for name in TOGETHER.get(codec.lower(), (codec.lower(),))]
        offered = webrtc.RTCRtpSender.get_capabilities(kind).codecs
        wanted = [each for name in names for each in offered if each.mime_type.lower() == name]
        if codec.lower() == "red":
            wanted.reverse()
        transceiver.set_codec_preferences(wanted)
        if kind == "video":
            extensions = transceiver.get_header_extensions_to_negotiate()
            for extension in extensions:
                if extension.uri == DESCRIPTOR:
                    extension.direction = webrtc.RTCRtpTransceiverDirection.sendrecv
            transceiver.set_header_extensions_to_negotiate(extensions)

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        match command["do"]:
            case "offer":
                await self.connection.set_local_description(await self.connection.create_offer())
                for _ in range(500):
                    if self.connection.ice_gathering_state == webrtc.RTCIceGatheringState.complete:
                        break
                    await asyncio.sleep(0.01)
                return {"sdp": self.connection.local_description.sdp}
            case "accept":
                answer = webrtc.RTCSessionDescription(webrtc.RTCSdpType.answer, command["sdp"])
                await self.connection.set_remote_description(answer)
                return {}
        reports = (await self.connection.get_stats()).values()
        return {"sent": sum(getattr(each, "packets_sent", None) or 0 for each in reports)}

    async def feed(self) -> None:
        """Frames for ever, at their pace."""
        writer = self.generator.writable.get_writer()
        pause = 1 / PER_SECOND if self.kind == "video" else SAMPLES / 48_000
        loop = asyncio.get_running_loop()
        begun, number = loop.time(), 0
        while True:
            await writer.write(self.frame(number, pause))
            number += 1
            await asyncio.sleep(max(0.0, begun + number * pause - loop.time()))

    def frame(self, number: int, pause: float) -> Any:
        at = round(number * pause * 1_000_000)
        if self.kind == "video":
            init = webrtc.VideoFrameBufferInit("I420", WIDTH, HEIGHT, at)
            return webrtc.VideoFrame(picture(number), init)
        return webrtc.AudioData(webrtc.AudioDataInit("s16", 48_000, SAMPLES, 1, at, tone(number)))


async def main(kind: str, codec: str, mode: str | None = None) -> None:
    sender, loop = Sender(kind, codec, mode), asyncio.get_running_loop()
    feeding = asyncio.create_task(sender.feed())
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await sender.do(json.loads(line))), flush=True)
    feeding.cancel()
    sender.connection.close()


if __name__ == "__main__":
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    webrtc.allow_loopback()
    webrtc.field_trials.update(dict.fromkeys(words[at + 1 :], "Enabled"))
    asyncio.run(main(*words[:at]))
