"""What is asked of a browser's `RTCPeerConnection` to see how it negotiates: JavaScript, and a page to run it on.

Used by `tests/peers/test_sdp_browsers.py` (which judges) and `tests/captured/record_sdp.py` (which keeps what was
said).
Leaves out: connecting. Nothing here sends a media packet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from meetref.protocol.negotiation import Slot, Transport
from meetref.wire.candidate import Candidate

PAGE = b"<!doctype html><title>negotiation</title><canvas></canvas>"
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"

OPEN = """async (sources, policy) => {
  window.pc = new RTCPeerConnection(policy ? {bundlePolicy: policy} : {});
  const media = await navigator.mediaDevices.getUserMedia({audio: true, video: true});
  const canvas = document.querySelector('canvas');
  canvas.getContext('2d').fillRect(0, 0, 9, 9);
  window.tracks = {microphone: media.getAudioTracks()[0], camera: media.getVideoTracks()[0],
                   screen: canvas.captureStream(5).getVideoTracks()[0]};
  window.senders = {};
  for (const source of sources) await add(source);
  function add(source) {
    if (source === 'data') return pc.createDataChannel('data');
    senders[source] = pc.addTransceiver(tracks[source], {direction: 'sendonly', streams: [media]});
  }
  window.add = add;
}"""

OFFER = """async (restart) => {
  if (restart) pc.restartIce();
  await pc.setLocalDescription(await pc.createOffer());
  return pc.localDescription.sdp;
}"""

GATHERED_OFFER = """async () => {
  const done = new Promise(end => pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && end());
  await pc.setLocalDescription();
  await Promise.race([done, new Promise(end => setTimeout(end, 5000))]);
  return pc.localDescription.sdp;
}"""

TAKE_ANSWER = """async (sdp) => {
  await pc.setRemoteDescription({type: 'answer', sdp});
  return {state: pc.signalingState, directions: Object.fromEntries(
    pc.getTransceivers().map(one => [one.mid, one.currentDirection || 'stopped']))};
}"""

ANSWER = """async (sdp) => {
  window.pc = window.pc || new RTCPeerConnection();
  await pc.setRemoteDescription({type: 'offer', sdp});
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}"""

TRANSCEIVERS = """() => pc.getTransceivers().map(one => ({
  mid: one.mid, kind: one.receiver.track.kind, direction: one.currentDirection,
  codecs: one.receiver.getParameters().codecs.map(codec => [codec.payloadType, codec.mimeType])}))"""

LOCAL = Transport(
    ufrag="server12",
    password="serverpassword0123456789",
    fingerprints=(("sha-256", ":".join(f"{octet:02X}" for octet in range(32))),),
    setup="passive",
    candidates=(
        Candidate("1", 1, "udp", 2130706431, "127.0.0.1", 8080, "host"),
        Candidate("2", 1, "udp", 2130706175, "192.0.2.1", 8080, "host"),
    ),
    end_of_candidates=True,
)


def make_slots(videos: int, audios: int) -> list[Slot]:
    """Slots as a room's step has them: in pairs as long as there are audio slots, each pair one stream."""
    slots: list[Slot] = []
    for seat in range(max(videos, audios)):
        stream = f"seat-{seat}"
        if seat < audios:
            slots.append(Slot(mid=f"a{seat}", kind="audio", ssrc=1000 + seat, cname="meetref", stream=stream))
        if seat < videos:
            ssrc, rtx_ssrc = 2000 + seat, 3000 + seat
            slots.append(
                Slot(mid=f"v{seat}", kind="video", ssrc=ssrc, rtx_ssrc=rtx_ssrc, cname="meetref", stream=stream)
            )
    return slots


@asynccontextmanager
async def served_page() -> AsyncIterator[str]:
    """The address of an empty page on localhost: a secure context, so that devices may be asked for."""

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(4096)
            await stream.send_all(f"{HEAD}Content-Length: {len(PAGE)}\r\n\r\n".encode() + PAGE)

    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, answer, [listener])
        yield f"http://localhost:{listener.socket.getsockname()[1]}/"
        nursery.cancel_scope.cancel()
