"""Browsers publish a camera in three sizes; a viewer is moved between them, and the picture never stands still.

The server runs in this process, so that a slot can be told what to want; what the room would want by itself is put
aside. How long the picture stood still is what the viewer's decoder says of itself, twenty times a second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from meetref.app.server import Server, Settings, open_server
from meetref.media.demand import OFF_AFTER
from meetref.media.thinning import ALL_LAYERS
from meetref.meeting.forwarder import Slot
from meetref.meeting.participant import Participant
from meetref.meeting.track import Encoding, Track
from meetref.net.network import KernelNetwork
from tests.peers.browsers import BROWSERS, Browser
from tests.peers.meetings import CONNECTIONS

ROOM = "algebra"
WANT = Slot.want
SIZES = {"q": (240, 136), "h": (480, 270), "f": (960, 540)}  # Firefox rounds up to even lines
LONGEST = 1.0  # seconds that the picture may stand still

CAMERA = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = 960; canvas.height = 540;
  const paint = canvas.getContext("2d");
  let count = 0;
  setInterval(() => {
    count += 1;
    paint.fillStyle = "rgb(70 90 120)";
    paint.fillRect(0, 0, 960, 540);
    paint.fillStyle = `hsl(${count % 360} 70% 60%)`;
    for (let row = 0; row < 9; row++) paint.fillRect((count * (row + 3)) % 900, row * 60, 60, 50);
  }, 50);
  navigator.mediaDevices.getUserMedia = async ({ video }) => {
    if (!video) throw new DOMException("no microphone here", "NotFoundError");
    return new MediaStream([canvas.captureStream(20).getVideoTracks()[0]]);
  };
}"""

WATCH = """async () => {
  const told = window.told = { frames: 0, since: performance.now(), longest: 0, at: 0, width: 0, concealed: 0 };
  while (true) {
    let frames = 0;
    for (const each of window.connections) {
      if (each.connectionState === "closed") continue;
      for (const entry of (await each.getStats()).values()) {
        if (entry.type !== "inbound-rtp" || entry.kind !== "video") continue;
        frames += entry.framesDecoded ?? 0;
        if (entry.framesDecoded) Object.assign(told, { width: entry.frameWidth, height: entry.frameHeight });
      }
    }
    const now = performance.now();
    if (frames !== told.frames) Object.assign(told, { frames, since: now });
    else if (now - told.since > told.longest) Object.assign(told, { longest: now - told.since, at: now });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}"""

SENT = """async () => {
  const found = {};
  for (const each of window.connections)
    for (const entry of (await each.getStats()).values())
      if (entry.type === "outbound-rtp" && entry.rid)
        found[entry.rid] = { frames: entry.framesEncoded ?? 0, octets: entry.bytesSent };
  return found;
}"""


class Scene:
    """A server, and what a test asks of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = f"http://localhost:{server.http_port}/{ROOM}"

    def person(self, name: str) -> Participant | None:
        room = self.server.rooms.rooms.get(ROOM)
        people = room.people.values() if room is not None else ()
        return next((each for each in people if each.person.name == name), None)

    def track(self, name: str) -> Track | None:
        person = self.person(name)
        return person.track("camera") if person is not None else None

    def slot(self, viewer: str, owner: str) -> Slot | None:
        """The slot in which one person sees another."""
        seer, track = self.person(viewer), self.track(owner)
        slots = seer.down.slots.values() if seer is not None and seer.down is not None else ()
        return next((slot for slot in slots if track is not None and slot.track is track), None)

    def shown(self, viewer: str, owner: str) -> str | None:
        """The encoding that is shown there."""
        slot = self.slot(viewer, owner)
        return slot.selection.shown.rid if slot is not None and slot.selection.shown is not None else None

    def encoding(self, owner: str, rid: str) -> Encoding:
        track = self.track(owner)
        assert track is not None
        found = track.find(rid)
        assert found is not None
        return found

    async def show_largest(self, viewer: str, owner: str) -> Slot:
        """Nobody else says so: while nothing is known of a line, nothing is wanted."""
        await until(lambda: self.slot(viewer, owner) is not None, 40, "there is a seat")
        slot = self.slot(viewer, owner)
        assert slot is not None
        WANT(slot, "largest", ALL_LAYERS, trio.current_time())
        return slot

    def living(self, owner: str) -> set[str]:
        track = self.track(owner)
        return {encoding.rid for encoding in track.living} if track is not None else set()


@asynccontextmanager
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    """A server of which nobody but the test tells slots what to want."""
    monkeypatch.setattr(Slot, "want", lambda *_: None)
    async with open_server(KernelNetwork(), Settings(port=0)) as server:
        yield Scene(server)


async def enter(browser: Browser, url: str, name: str) -> None:
    for function in (CONNECTIONS, CAMERA):
        await browser.preload(function)
    await browser.open(f"{url}?name={name}&join=now")


async def watch(browser: Browser) -> None:
    """Begin to look at how the picture moves."""
    await browser.evaluate(f"void ({WATCH})()")


async def until(condition: Any, limit: float, what: str) -> float:
    """Wait for something on the server; how long it took."""
    begun = trio.current_time()
    while not condition():
        assert trio.current_time() < begun + limit, what
        await trio.sleep(0.02)
    return trio.current_time() - begun


async def told(browser: Browser) -> dict[str, Any]:
    found: dict[str, Any] = await browser.evaluate("window.told")
    return found


PAIRS = [("chromium", "chromium"), ("firefox", "chromium"), ("chromium", "firefox"), ("firefox", "firefox")]
PEERS = pytest.mark.peer("chromium", "chromedriver", "firefox")


async def begin(place: Scene, publisher: Browser, viewer: Browser) -> Slot:
    """Alice is seen by Bob in her largest size, and all three come."""
    await enter(publisher, place.url, "Alice")
    await enter(viewer, place.url, "Bob")
    slot = await place.show_largest("Bob", "Alice")
    await until(lambda: place.shown("Bob", "Alice") == "f", 40, "the largest is shown")
    await watch(viewer)
    await viewer.until("window.told.width === 960")
    return slot


@PEERS
@pytest.mark.slow
@pytest.mark.spec(
    "simulcast/answer-reversed", "simulcast/rid-names-stream", "simulcast/repaired-rid", "simulcast/switch-at-keyframe",
    "simulcast/order-by-size",
)  # fmt: skip
@pytest.mark.parametrize("kinds", PAIRS, ids="-to-".join)
async def test_the_picture_goes_on_while_its_size_changes(
    kinds: tuple[str, str], monkeypatch: pytest.MonkeyPatch, record_property: pytest.RecordProperty
) -> None:
    async with scene(monkeypatch) as place, BROWSERS[kinds[0]]() as alice, BROWSERS[kinds[1]]() as bob:
        slot = await begin(place, alice, bob)
        track = slot.track
        assert track is not None
        assert [encoding.rid for encoding in track.encodings] == ["q", "h", "f"]
        await bob.evaluate("window.told.longest = 0")
        for rid in ("q", "f", "h", "f", "q", "h"):
            encoding = place.encoding("Alice", rid)
            WANT(slot, encoding, ALL_LAYERS, trio.current_time())
            took = await until(lambda wanted=encoding: slot.selection.shown is wanted, 10, f"{rid} is shown")
            record_property(f"{rid} after", round(took, 3))
            await bob.until(f"Math.abs(window.told.width - {SIZES[rid][0]}) <= 2", limit=5)
            await trio.sleep(2)
        seen = await told(bob)
        record_property("longest", round(seen["longest"] / 1000, 3))
        assert seen["longest"] < 1000 * LONGEST, seen
        widths = [encoding.size[0] for encoding in track.encodings if encoding.size is not None]
        assert widths == pytest.approx([width for width, _ in SIZES.values()], abs=2)


async def rate(browser: Browser, seconds: float) -> float:
    """Pictures a second that are decoded."""
    before = (await told(browser))["frames"]
    begun = trio.current_time()
    await trio.sleep(seconds)
    frames: int = (await told(browser))["frames"] - before
    return frames / (trio.current_time() - begun)


async def leave_out_and_bring_again(
    slot: Slot, encoding: Encoding, bob: Browser, record_property: pytest.RecordProperty
) -> None:
    """Only the lowest temporal layer goes to Bob for a while, and then all of them again."""
    WANT(slot, encoding, 0, trio.current_time())
    await trio.sleep(0.5)
    lowest = await rate(bob, 4)
    published = [layer.frame_rate for layer in encoding.rates(trio.current_time())]
    WANT(slot, encoding, ALL_LAYERS, trio.current_time())
    await until(lambda: slot.rewriter.thinning is None, 20, "nothing is left out any more")
    again = await rate(bob, 4)
    republished = encoding.rates(trio.current_time())[-1].frame_rate
    record_property("frames a second", [round(each, 1) for each in (lowest, *published, again, republished)])
    assert 0.5 * published[0] < lowest < 0.75 * published[-1], "only the pictures of layer 0 go"
    assert again > 0.6 * republished, "and all of them again"


@PEERS
@pytest.mark.slow
@pytest.mark.spec("rewriting/temporal-down", "rewriting/temporal-up-at-sync")
@pytest.mark.parametrize("kinds", PAIRS, ids="-to-".join)
async def test_temporal_layers_are_left_out_and_come_again(
    kinds: tuple[str, str], monkeypatch: pytest.MonkeyPatch, record_property: pytest.RecordProperty
) -> None:
    async with scene(monkeypatch) as place, BROWSERS[kinds[0]]() as alice, BROWSERS[kinds[1]]() as bob:
        slot = await begin(place, alice, bob)
        encoding = place.encoding("Alice", "f")
        await until(lambda: len(encoding.rates(trio.current_time())) > 1, 10, "several temporal layers")
        assert await rate(bob, 4) > 0
        await bob.evaluate("window.told.longest = 0")
        await leave_out_and_bring_again(slot, encoding, bob, record_property)
        assert slot.selection.shown is encoding
        assert (await told(bob))["longest"] < 1000 * LONGEST


async def sent(browser: Browser) -> dict[str, int]:
    """How many pictures each encoding has had so far, as the publisher counts."""
    return {rid: entry["frames"] for rid, entry in (await browser.call(SENT)).items()}


async def growing(browser: Browser, seconds: float) -> set[str]:
    """The encodings that are being made."""
    before = await sent(browser)
    await trio.sleep(seconds)
    return {rid for rid, frames in (await sent(browser)).items() if frames > before.get(rid, 0)}


@PEERS
@pytest.mark.slow
@pytest.mark.spec("simulcast/uses", "simulcast/layers-told")
@pytest.mark.parametrize("kind", ["chromium", "firefox"])
async def test_nobody_uploads_what_nobody_sees(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(monkeypatch) as place, BROWSERS[kind]() as alice, BROWSERS["chromium"]() as bob:
        slot = await begin(place, alice, bob)
        track = slot.track
        assert track is not None
        await until(lambda: track.active == ["f"], OFF_AFTER + 5, "two of three are not used")
        await trio.sleep(0.5)
        assert await growing(alice, 2) == {"f"}
        WANT(slot, place.encoding("Alice", "q"), ALL_LAYERS, trio.current_time())
        assert track.active == ["q", "f"]
        await until(lambda: place.shown("Bob", "Alice") == "q", 5, "it is switched on and shown")
        await until(lambda: track.active == ["q"], OFF_AFTER + 5, "the large one has had its time")
        await trio.sleep(0.5)
        assert await growing(alice, 2) == {"q"}
        WANT(slot, "nothing", ALL_LAYERS, trio.current_time())
        await until(lambda: track.active == [], OFF_AFTER + 5, "nobody sees anything")
        await trio.sleep(0.5)
        assert await growing(alice, 2) == set()
        assert await alice.evaluate("window.meetref.state().connection") == "connected"
        WANT(slot, "largest", ALL_LAYERS, trio.current_time())
        await until(lambda: slot.selection.shown is not None, 5, "and again at once")
