"""Chromium publishes one stream in spatial layers, and a viewer whose line carries less is sent fewer of them.

The server runs in this process, so that what it thinks a line carries can be chosen; everything else is as it is for
everybody. Read next: `tests/peers/test_simulcast_browsers.py`, from which the scene is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import trio

from meetref.app.server import Settings, open_server
from meetref.media.ladder import Layer
from meetref.meeting.capacity import MAXIMUM_BPS, Capacity
from meetref.meeting.track import Track
from meetref.net.network import KernelNetwork
from tests.captured.record_layers import PUBLISH
from tests.peers.browsers import BROWSERS, Browser, chromium
from tests.peers.meetings import CONNECTIONS
from tests.peers.test_simulcast_browsers import LONGEST, ROOM, Scene, told, until, watch

WIDTHS = [240, 480, 960]
MODES = [
    ("vp9", "L3T3_KEY", "chromium"),
    ("av1", "L3T3", "chromium"),
    ("vp9", "L3T3", "chromium"),
    ("vp9", "L3T3", "firefox"),
]
"""And who watches. The first in CI."""


class Line:
    """How much a line carries, whatever is estimated, from the first that it is told to carry."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.carries_bps: float | None = None
        for name in ("media_bps", "carried_bps"):
            monkeypatch.setattr(Capacity, name, property(self._carried(getattr(Capacity, name).fget)))

    def _carried(self, estimate: Callable[[Any], float]) -> Callable[[Any], float]:
        return lambda capacity: estimate(capacity) if self.carries_bps is None else self.carries_bps

    async def carry(self, size: int, track: Track, bob: Browser) -> float:
        """Let it carry this size and not the next larger one, until that is seen; how long it took."""
        begun = trio.current_time()
        while (await told(bob))["width"] != WIDTHS[size]:
            layers = track.layers(trio.current_time())
            places = [(layer.place, layer.bitrate_bps) for layer in layers]
            assert trio.current_time() < begun + 20, f"{self.carries_bps} of {places}, and {await told(bob)}"
            rates = [rate_of(layers, each) for each in (size, size + 1)]
            self.carries_bps = min(math.sqrt(math.prod(rates)) / 0.95, MAXIMUM_BPS)
            await trio.sleep(0.1)
        return trio.current_time() - begun


def rate_of(layers: list[Layer], size: int) -> float:
    """What a size takes with all its pictures; more than any line has where there is none."""
    return max((layer.bitrate_bps for layer in layers if layer.spatial == size), default=math.inf)


@pytest.mark.peer("chromium", "chromedriver", "firefox")
@pytest.mark.slow
@pytest.mark.soak(ci=1, full=len(MODES))
@pytest.mark.spec(
    "simulcast/spatial-layers", "rewriting/spatial-down", "rewriting/spatial-up-at-keyframe", "vp9/marker-ends-picture"
)
async def test_a_thin_line_is_sent_a_smaller_size_of_the_same_stream(
    seed: int, monkeypatch: pytest.MonkeyPatch, record_property: pytest.RecordProperty
) -> None:
    (codec, mode, watching), line = MODES[seed % len(MODES)], Line(monkeypatch)
    async with open_server(KernelNetwork(), Settings(port=0, video=(codec,))) as server:
        place = Scene(server)
        async with chromium() as studio, BROWSERS[watching]() as bob:
            await studio.open(f"http://localhost:{server.http_port}/")
            await studio.call(PUBLISH.replace("/whip/layers", f"/whip/{ROOM}"), mode, WIDTHS[-1], 1_000_000)
            await bob.size(1400, 900)  # a tile for which half the size would be too small
            await bob.preload(CONNECTIONS)
            await bob.open(f"{place.url}?name=Bob&join=now")
            await watch(bob)
            await bob.until(f"window.told.width === {WIDTHS[-1]}", limit=40)  # Chromium begins with fewer layers
            slot = place.slot("Bob", "Studio")
            assert slot is not None
            assert slot.track is not None
            await until(lambda: slot.track.views[-1][1] == 2, 10, "three sizes are measured")
            await trio.sleep(2)
            await bob.evaluate("window.told.longest = 0")
            keyframes = slot.track.encodings[0].keyframes.sent
            for size in (1, 0, 2):
                record_property(f"{WIDTHS[size]} after", round(await line.carry(size, slot.track, bob), 1))
                assert slot.size is not None
                assert slot.size[0] == WIDTHS[size]
                assert slot.track.encodings[0].keyframes.sent == keyframes + (size == 2), "only to go up"
                await trio.sleep(1)
            seen = await told(bob)
            record_property("longest", round(seen["longest"] / 1000, 3))
            assert seen["longest"] < 1000 * LONGEST, seen
