"""Chromium publishes one stream in spatial layers, and a viewer whose line carries less is sent fewer of them.

The server runs in this process, so that what it thinks a line carries can be bounded; everything else is as it is for
everybody. Read next: `tests/peers/test_simulcast_browsers.py`, from which the scene is.
"""

from __future__ import annotations

import math

import pytest
import trio

from meetref.app.server import Settings, open_server
from meetref.meeting.capacity import Capacity
from meetref.net.network import KernelNetwork
from tests.captured.record_layers import PUBLISH
from tests.peers.browsers import Browser, chromium
from tests.peers.meetings import CONNECTIONS
from tests.peers.test_simulcast_browsers import LONGEST, Scene, told, until, watch

ROOM = "algebra"
WIDTHS = [240, 480, 960]


class Line:
    """How much of it there is, whatever is estimated."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.limit_bps = math.inf
        for name in ("media_bps", "carried_bps"):
            monkeypatch.setattr(Capacity, name, property(self._bounded(getattr(Capacity, name).fget)))

    def _bounded(self, estimated):
        return lambda capacity: min(estimated(capacity), self.limit_bps)


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
@pytest.mark.spec("simulcast/spatial-layers", "rewriting/spatial-down", "rewriting/spatial-up-at-keyframe")
@pytest.mark.parametrize(("codec", "mode"), [("vp9", "L3T3_KEY"), ("av1", "L3T3")])
async def test_a_thin_line_is_sent_a_smaller_size_of_the_same_stream(
    codec: str, mode: str, monkeypatch: pytest.MonkeyPatch, record_property: pytest.RecordProperty
) -> None:
    line = Line(monkeypatch)
    async with open_server(KernelNetwork(), Settings(port=0, video=(codec,))) as server:
        place = Scene(server)
        async with chromium() as studio, chromium() as bob:
            await studio.open(f"http://localhost:{server.http_port}/")
            await studio.call(PUBLISH.replace("/whip/layers", f"/whip/{ROOM}"), mode, WIDTHS[-1], 1_000_000)
            await bob.size(1400, 900)
            await bob.preload(CONNECTIONS)
            await bob.open(f"{place.url}?name=Bob&join=now")
            await watch(bob)
            await until(lambda: place.slot("Bob", "Studio") is not None, 20, "Bob sees the studio")
            slot = place.slot("Bob", "Studio")
            for limit, width in ((math.inf, 960), (400_000, 480), (math.inf, 960), (130_000, 240), (math.inf, 960)):
                line.limit_bps = limit
                begun = trio.current_time()
                await bob.until(f"window.told.width === {width}", limit=40)
                record_property(f"{width} after", round(trio.current_time() - begun, 1))
                print(limit, width, trio.current_time() - begun, (await told(bob))["longest"], slot.track.layers(trio.current_time()))
                await trio.sleep(2)
            record_property("longest", (await told(bob))["longest"])
            print(await told(bob), slot.selection.shown.keyframes.sent)
