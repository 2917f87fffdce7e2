"""libwebrtc without a browser (PyPI wrtc) at the end of a line: it watches who is in the room, and says how that went.

    python -m tests.peers.thin_watcher LINK     # when a line comes in, for `SECONDS`

A browser's receiving half, which judges its line as a browser does and takes little of the machine beside one. It runs
in a namespace of `tests/peers/street.py`, and speaks as `tests/peers/thin_browser.py` does.
Read next: tests/peers/wrtc_watcher.py, which it gives the server's offers to.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trio

from meetref.app.certificates import make_client_tls
from meetref.app.signaling import ClientChannel, open_client_channel
from meetref.net.network import KernelNetwork
from meetref.wire import signaling
from meetref.wire.address import Address
from tests.peers.thin_browser import SECONDS, SHOWN, STOOD, asked
from tests.peers.whole_peer import Theirs, theirs

PROGRAM = Path(__file__).with_name("wrtc_watcher.py")


class Watcher:
    """Somebody in the room without devices. `told` is what it has seen, in the words of a browser."""

    def __init__(self, channel: ClientChannel, program: Theirs) -> None:
        self._channel, self._program = channel, program
        self._one_at_a_time = trio.Lock()
        self._names: dict[str, str] = {}
        self._seat: int | None = None
        self._videos: dict[int, str] = {}
        self.told: dict[str, Any] = {"began": None, "seen": [], "stood": [], "frames": 0}

    async def listen(self) -> None:
        """Do as the server says, until cancelled."""
        while True:
            match await self._channel.receive():
                case signaling.Joined(people=people):
                    self._names |= {person.id: person.name for person in people}
                case signaling.PersonChanged(person=person):
                    self._names[person.id] = person.name
                case signaling.Seats(seats=seats):
                    named = {self._names.get(seat.person or ""): seat.seat for seat in seats}
                    self._seat = named.get(SHOWN)
                case signaling.Video(seats=videos):
                    self._videos = {video.seat: video.state for video in videos}
                case signaling.DownOffer(sdp=sdp, number=number):
                    answer = await self._do("answer", sdp=sdp)
                    self._channel.send(signaling.DownAnswer(number=number, sdp=answer["sdp"]))

    async def watch(self) -> None:
        """Look ten times a second, until cancelled."""
        since = 0.0
        told = self.told
        while True:
            seen = await self._do("see")
            now = 1000 * time.time()
            if seen["frames"] != told["frames"]:
                told["began"] = told["began"] or now
                if since and now - since > STOOD:
                    told["stood"].append([since, now])
                since = now
            told |= seen
            state = "off" if self._seat is None else self._videos.get(self._seat, "playing")
            told["seen"].append([now, seen["width"], seen["frames"], state])
            await trio.sleep(0.1)

    async def _do(self, what: str, **more: str) -> dict[str, Any]:
        async with self._one_at_a_time:
            return await self._program.do(what, **more)


async def main(link: str) -> None:
    await asked()
    parts = urlsplit(link)
    words = {name: values[0] for name, values in parse_qs(f"{parts.query}&{parts.fragment}").items()}
    assert parts.hostname is not None
    assert parts.port is not None
    server, tls = Address(parts.hostname, parts.port), make_client_tls(insecure=True)
    async with (
        theirs(sys.executable, str(PROGRAM)) as program,
        open_client_channel(KernelNetwork(), server, tls=tls) as channel,
        trio.open_nursery() as nursery,
    ):
        channel.send(signaling.Join(room=parts.path[1:], name=words["name"], token=words["token"]))
        watcher = Watcher(channel, program)
        nursery.start_soon(watcher.listen)
        with trio.move_on_after(SECONDS):
            await watcher.watch()
        print(json.dumps(watcher.told), flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
