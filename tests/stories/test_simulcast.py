"""A camera in three sizes over rough networks: each viewer has the one it wants, and no picture stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Literal

import pytest
import trio
from trio.testing import MockClock

from meetref.media.demand import OFF_AFTER
from meetref.media.thinning import ALL_LAYERS
from meetref.meeting.forwarder import Slot
from meetref.meeting.track import Track
from meetref.net.virtuallink import Impairments
from tests.media.layered import SIZES, Decoder
from tests.stories.people import Meeting, meeting
from tests.stories.sizes import RIDS, Sizes, recorder, width_of
from tests.stories.test_meeting import until

ROUGH = Impairments(delay=0.04, jitter=0.01, loss=0.03, reordering=0.02)
SMOOTH = Impairments(delay=0.04)
WANT = Slot.want


class Scene:
    """Alice, who publishes, and viewers by name; each viewer's `frames` have their moments."""

    def __init__(self, world: Meeting, alice: Sizes) -> None:
        self.world = world
        self.alice = alice
        self.frames: dict[str, list[tuple[float, bytes]]] = {}

    @property
    def track(self) -> Track:
        (room,) = self.world.server.rooms.rooms.values()
        alice = next(person for person in room.people.values() if person.person.name == "alice")
        track = alice.track("camera")
        assert track is not None
        return track

    def slot(self, viewer: str) -> Slot | None:
        (room,) = self.world.server.rooms.rooms.values()
        seer = next(person for person in room.people.values() if person.person.name == viewer)
        slots = seer.down.slots.values() if seer.down is not None else ()
        return next((slot for slot in slots if slot.track is not None and slot.track is self.track), None)

    def shown(self, viewer: str) -> str | None:
        slot = self.slot(viewer)
        return slot.selection.shown.rid if slot is not None and slot.selection.shown is not None else None

    def want(self, viewer: str, rid: str | Literal["nothing"], temporal: int = ALL_LAYERS) -> None:
        slot = self.slot(viewer)
        assert slot is not None
        encoding = self.track.find(rid)
        WANT(slot, encoding if encoding is not None else "nothing", temporal, trio.current_time())

    async def watch(self, name: str, way: Impairments) -> None:
        """A viewer comes, and sees Alice in her largest size."""
        viewer = await self.world.join(name, way=way, sends=False)
        identity = self.alice.client.identity
        assert identity is not None
        await until(lambda: viewer.seen(identity.participant) is not None and self.slot(name) is not None, 10)
        self.want(name, "f")
        await until(lambda: self.shown(name) == "f", 5)
        receiver = viewer.seen(identity.participant)
        assert receiver is not None
        self.frames[name] = []
        receiver.on_frame = recorder(self.frames[name])

    def longest(self, viewer: str) -> float:
        """The longest time between two whole frames."""
        return max(later - earlier for (earlier, _), (later, _) in pairwise(self.frames[viewer]))

    def decoded(self, viewer: str) -> list[tuple[int, int]]:
        """The sizes of the pictures that a decoder makes of everything, from the first keyframe on; all must decode."""
        decoder, sizes = Decoder(), list[tuple[int, int]]()
        for _, frame in self.frames[viewer]:
            if not sizes and width_of(frame) is None:
                continue
            picture = decoder.decode(frame)
            assert picture is not None
            sizes.append((picture.shape[1], picture.shape[0] * 2 // 3))
        return sizes


@asynccontextmanager
async def scene(seed: int, monkeypatch: pytest.MonkeyPatch, way: Impairments = SMOOTH) -> AsyncIterator[Scene]:
    """Nobody but the test tells slots what to want."""
    monkeypatch.setattr(Slot, "want", lambda *_: None)
    async with meeting(seed) as world, trio.open_nursery() as nursery:
        client = await world.join("alice", way=way, sends=False)
        alice = Sizes(client)
        await alice.publish()
        nursery.start_soon(alice.play)
        yield Scene(world, alice)
        nursery.cancel_scope.cancel()


@pytest.mark.soak(ci=3, full=200)
@pytest.mark.spec("simulcast/switch-at-keyframe", "rewriting/decodable")
async def test_sizes_and_layers_change_over_a_rough_network(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    async with scene(seed, monkeypatch, ROUGH) as place:
        await place.watch("bob", ROUGH)
        for rid, temporal in (("q", 3), ("f", 3), ("h", 0), ("h", 3), ("q", 1), ("f", 3)):
            place.want("bob", rid, temporal)
            await until(lambda wanted=rid: place.shown("bob") == wanted, 5)
            await trio.sleep(1.5)
        assert place.longest("bob") < 1.0
        assert set(place.decoded("bob")) == set(SIZES.values())


@pytest.mark.spec("simulcast/best-living", "simulcast/silent-encoding")
async def test_a_publisher_whose_network_gets_thin_is_still_seen(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(1, monkeypatch) as place:
        await place.watch("bob", SMOOTH)
        await trio.sleep(1)
        for off, left in (({"f"}, "h"), ({"f", "h"}, "q"), (set(), "f")):
            place.alice.off = off
            await until(lambda wanted=left: place.shown("bob") == wanted, 3)
            await trio.sleep(2)
        assert place.longest("bob") < 1.0
        place.decoded("bob")


@pytest.mark.spec("simulcast/uses", "simulcast/layers-told")
async def test_nobody_sends_what_nobody_sees(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(2, monkeypatch) as place:
        await place.watch("bob", SMOOTH)
        await place.watch("carol", SMOOTH)
        place.want("carol", "q")
        await until(lambda: place.alice.active == {"q", "f"}, OFF_AFTER + 2)
        place.want("carol", "h")
        await until(lambda: place.shown("carol") == "h", 1)
        place.want("bob", "nothing")
        await until(lambda: place.alice.active == {"h"}, OFF_AFTER + 2)
        place.want("bob", "f")
        await until(lambda: place.shown("bob") == "f", 1)
        for name in ("bob", "carol"):
            place.world.leave(name)
        await until(lambda: place.alice.active == set(), OFF_AFTER + 2)
        packets = sum(place.alice.senders[rid].packets for rid in RIDS)
        await trio.sleep(5)
        assert sum(place.alice.senders[rid].packets for rid in RIDS) == packets
        await place.watch("dave", SMOOTH)
        assert place.alice.active >= {"f"}


async def test_a_publisher_that_came_back_hears_again_what_is_used(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(3, monkeypatch) as place:
        await place.watch("bob", SMOOTH)
        await until(lambda: place.alice.active == {"f"}, OFF_AFTER + 2)
        told = len(place.alice.told)
        (room,) = place.world.server.rooms.rooms.values()
        alice = next(person for person in room.people.values() if person.person.name == "alice")
        alice.tell_again()
        await trio.sleep(0.5)
        assert place.alice.told[told:] == [["f"]]
