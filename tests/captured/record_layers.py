"""Records pictures that Chromium sends in spatial layers: `python -m tests.captured.record_layers`.

It writes layers-<codec>-<mode>.rtp here: the packets of about two seconds, opened, each behind its length in two
octets. Halfway a keyframe is asked for. The camera is a canvas that compresses well, so that the files stay small. Run
it when a new version of Chromium comes out. Read next: `tests/media/spatial.py`, which reads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio

from meetref.app.server import Settings, open_server
from meetref.media.rewriting import Incoming
from meetref.meeting.track import Encoding
from meetref.net.network import KernelNetwork
from meetref.wire import av1, rtp, vp9
from tests.peers.browsers import chromium

HERE = Path(__file__).parent
CASES = [("VP9", "L3T3"), ("VP9", "L3T3_KEY"), ("VP9", "L2T1"), ("AV1", "L3T3"), ("AV1", "L2T2")]
BEGINS_AT = 2.0  # seconds after the first packet: by then the encoder sends all layers
LASTS = 1.6
WIDTHS = {"L3": 960, "L2": 480}  # Chromium sends no layer below 240 pixels
BITRATES = {"L3": 1_000_000, "L2": 300_000}  # below, it leaves out the largest

PUBLISH = """async (mode, width, bitrate) => {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height: width * 9 / 16 });
  const paint = canvas.getContext("2d");
  let count = 0;
  setInterval(() => {
    count += 1;
    paint.fillStyle = "rgb(70 90 120)";
    paint.fillRect(0, 0, canvas.width, canvas.height);
    paint.fillStyle = `hsl(${count % 360} 70% 60%)`;
    for (let row = 0; row < 3; row++)
      paint.fillRect((count * (row + 3)) % width, row * canvas.height / 3, width / 16, canvas.height / 6);
  }, 50);
  const pc = window.pc = new RTCPeerConnection();
  const sendEncodings = [{ scalabilityMode: mode, maxBitrate: bitrate }];
  pc.addTransceiver(canvas.captureStream(20).getVideoTracks()[0], { direction: "sendonly", sendEncodings });
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== "complete") await new Promise((done) => setTimeout(done, 20));
  const answer = await fetch("/whip/layers?name=Studio",
    { method: "POST", headers: { "Content-Type": "application/sdp" }, body: pc.localDescription.sdp });
  await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
}"""


async def record(codec: str, mode: str) -> list[bytes]:
    """What the server is sent."""
    packets, encodings, came = list[tuple[float, bytes]](), list[Encoding](), trio.Event()
    receive = Encoding.receive

    def keep(encoding: Encoding, packet: Incoming, now: float) -> None:
        packets.append((now, packet.whole))
        encodings[:] = [encoding]
        came.set()
        receive(encoding, packet, now)

    Encoding.receive = keep  # type: ignore[method-assign]
    try:
        async with open_server(KernelNetwork(), Settings(port=0, video=(codec.lower(),))) as server, chromium() as page:
            await page.open(f"http://localhost:{server.http_port}/")
            await page.call(PUBLISH, mode, WIDTHS[mode[:2]], BITRATES[mode[:2]])
            await came.wait()
            await trio.sleep(BEGINS_AT)
            since = trio.current_time()
            encodings[0].want_keyframe(since)
            encodings[0].track.ask()
            await trio.sleep(LASTS / 2)
            encodings[0].want_keyframe(trio.current_time())
            await trio.sleep(LASTS / 2)
    finally:
        Encoding.receive = receive  # type: ignore[method-assign]
    return from_keyframe(codec, [packet for at, packet in packets if at >= since])


def from_keyframe(codec: str, packets: list[bytes]) -> list[bytes]:
    """What follows the first keyframe, and that."""
    begins = vp9.is_keyframe if codec == "VP9" else av1.is_keyframe
    return packets[next(place for place, packet in enumerate(packets) if begins(rtp.parse(packet).payload)) :]


async def main(*chosen: Any) -> None:
    for codec, mode in CASES:
        if chosen and f"{codec}-{mode}" not in chosen:
            continue
        packets = await record(codec, mode)
        framed = b"".join(len(packet).to_bytes(2) + packet for packet in packets)
        (HERE / f"layers-{codec.lower()}-{mode.lower()}.rtp").write_bytes(framed)
        print(codec, mode, len(packets), len(framed))


if __name__ == "__main__":
    trio.run(main)
