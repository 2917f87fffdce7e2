"""Browsers publish in H264, VP9 and AV1; a viewer is moved between sizes and temporal layers as with VP8.

What a browser has is asked of it: Firefox has H264 only where it could download a plug-in. Read next:
`tests/peers/test_simulcast_browsers.py`, from which the scene is.
"""

from __future__ import annotations

import pytest
import trio

from meetref.app.server import Settings, open_server
from meetref.media.thinning import ALL_LAYERS
from meetref.meeting.forwarder import Slot
from meetref.net.network import KernelNetwork
from tests.peers.browsers import BROWSERS, Browser
from tests.peers.test_simulcast_browsers import (
    PEERS,
    WANT,
    Scene,
    enter,
    leave_out_and_bring_again,
    told,
    until,
    watch,
)

LONGEST = 2.0  # seconds that the picture may stand still; two browsers encode and decode on two cores here

READ = """async () => {
  const found = [];
  for (const each of window.connections) {
    const all = [...(await each.getStats()).values()];
    for (const entry of all)
      if (entry.type === "inbound-rtp" && entry.kind === "video" && entry.framesDecoded)
        found.push(all.find(({ id }) => id === entry.codecId).mimeType);
  }
  return found;
}"""
"""The codecs of what is decoded."""

WITH_FIREFOX = [
    ("vp9", "chromium", "firefox"),
    ("vp9", "firefox", "chromium"),
    ("av1", "chromium", "firefox"),
    ("av1", "firefox", "chromium"),
]
"""Only with `--soak`: Firefox takes sizes back for a while where two cores are not enough for it."""
REASON = "This browser cannot show H264 video"


async def read_codecs(browser: Browser) -> list[str]:
    found: list[str] = await browser.call(READ)
    return found


async def shows(place: Scene, bob: Browser, rid: str) -> None:
    """Wait until what is decoded has the size that the encoding has now: Firefox makes it smaller under load."""
    with trio.fail_after(40):
        while True:
            size = place.encoding("Alice", rid).size
            is_shown = place.shown("Bob", "Alice") == rid
            if is_shown and size is not None and abs((await told(bob))["width"] - size[0]) <= 2:
                return
            await trio.sleep(0.1)


@PEERS
@pytest.mark.slow
@pytest.mark.spec(
    "sdp/codec-preference", "rewriting/payload-type-of-codec", "rewriting/long-extensions",
    "h264/begin-with-parameters", "rewriting/temporal-up-at-sync", "simulcast/switch-at-keyframe",
)  # fmt: skip
@pytest.mark.parametrize("codec", ["h264", "vp9", "av1"])
async def test_sizes_and_layers_change_in_other_codecs(
    codec: str, monkeypatch: pytest.MonkeyPatch, record_property: pytest.RecordProperty
) -> None:
    await change(codec, "chromium", "chromium", monkeypatch, record_property)


@PEERS
@pytest.mark.slow
@pytest.mark.soak(ci=0, full=len(WITH_FIREFOX))
async def test_they_change_with_firefox_too(
    seed: int, monkeypatch: pytest.MonkeyPatch, record_property: pytest.RecordProperty
) -> None:
    await change(*WITH_FIREFOX[seed], monkeypatch, record_property)


async def change(
    codec: str, publishing: str, watching: str,
    monkeypatch: pytest.MonkeyPatch, record_property: pytest.RecordProperty,
) -> None:  # fmt: skip
    monkeypatch.setattr(Slot, "want", lambda *_: None)
    async with open_server(KernelNetwork(), Settings(port=0, video=(codec,))) as server:
        place = Scene(server)
        async with BROWSERS[publishing]() as alice, BROWSERS[watching]() as bob:
            await enter(alice, place.url, "Alice")
            await enter(bob, place.url, "Bob")
            slot = await place.show_largest("Bob", "Alice")
            await until(lambda: place.shown("Bob", "Alice") is not None, 40, "something is shown")
            assert slot.track is not None
            assert slot.track.codec.lower() == codec
            await watch(bob)
            await bob.until("window.told.width > 0")
            assert {name.lower() for name in await read_codecs(bob)} == {f"video/{codec}"}
            for rid in ("h", "q", "h"):
                WANT(slot, place.encoding("Alice", rid), ALL_LAYERS, trio.current_time())
                await until(lambda rid=rid: place.shown("Bob", "Alice") == rid, 20, f"{rid} is shown")
                await shows(place, bob, rid)
                await bob.evaluate("window.told.longest = 0")
                await trio.sleep(1)
                assert (await told(bob))["longest"] < 1000 * LONGEST
            encoding = place.encoding("Alice", "h")
            await until(lambda: len(encoding.rates(trio.current_time())) > 1, 10, "several temporal layers")
            await leave_out_and_bring_again(slot, encoding, bob, record_property)
            assert (await told(bob))["longest"] < 1000 * LONGEST


@PEERS
@pytest.mark.slow
@pytest.mark.spec("simulcast/codec-that-is-read", "sdp/codec-preference")
async def test_who_cannot_read_a_codec_is_told_and_sends_another_one() -> None:
    """Where Firefox has no H264: it publishes in VP8, which Chromium reads, and shows why it sees nothing."""
    async with open_server(KernelNetwork(), Settings(port=0, video=("h264",))) as server:
        place = Scene(server)
        async with BROWSERS["chromium"]() as alice, BROWSERS["firefox"]() as bob:
            await enter(alice, place.url, "Alice")
            await enter(bob, place.url, "Bob")
            await alice.until(
                "window.meetref.state().people.find(({ name }) => name === 'Bob')?.video.frames_decoded > 20"
            )
            has_h264 = (
                "RTCRtpReceiver.getCapabilities('video').codecs.some(({ mimeType }) => mimeType === 'video/H264')"
            )
            assert await read_codecs(alice) == (["video/H264"] if await bob.evaluate(has_h264) else ["video/VP8"])
            if not await bob.evaluate(has_h264):
                seen = "window.meetref.state().people.find(({ name }) => name === 'Alice')?.video"
                await bob.until(f"{seen}?.reason === '{REASON}'")
                assert await bob.evaluate(f"{seen}.state") == "paused"
                assert await read_codecs(bob) == []
