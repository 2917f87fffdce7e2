"""Pictures over a long and lossy way: asked for again they come late, with FEC they come in time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from meetref.app.receiver import Receiver
from meetref.media.sequence import difference
from meetref.net.virtuallink import Impairments
from tests.generate.sessioncamera import FRAME_RATE, show
from tests.stories.people import meeting
from tests.stories.test_meeting import until

LOST = 0.05
FAR = 0.15  # seconds each way
SETTLES = 10  # seconds until reports have told
LOOKED = 20  # seconds
PART = 200  # octets, so that a picture of the camera has some six
SOON = Impairments(delay=0.01)


@dataclass
class Seen:
    """Of one picture after the other: how long after it was sent it was shown."""

    receiver: Receiver
    lags: list[float] = field(default_factory=list)
    mended: int = 0
    _first: tuple[int, float] | None = None

    def see(self, frame: bytes, timestamp: int) -> None:
        """The first one has taken no time: then the way is short."""
        now = trio.current_time()
        since, at = self._first = self._first or (timestamp, now)
        self.lags.append(now - at - difference(timestamp, since, 32) / 90_000)

    @property
    def mean_lag(self) -> float:
        return sum(self.lags) / len(self.lags)


async def look(seed: int, way: Impairments, *, fec: bool) -> Seen:
    """Alice shows herself and Bob, to whom the way is such, looks for a while."""
    async with meeting(seed, video_fec=fec) as world, trio.open_nursery() as nursery:
        alice = await world.join("alice", sends=False)
        await alice.publish(["camera"])
        nursery.start_soon(partial(show, alice.senders["camera"], "h", largest_part=PART))
        bob = await world.join("bob", sends=False)
        assert alice.identity is not None
        identity = alice.identity.participant
        await until(lambda: (found := bob.seen(identity)) is not None and found.frames > 0, 10)
        receiver = bob.seen(identity)
        assert receiver is not None
        seen = Seen(receiver)
        receiver.on_frame = seen.see
        await trio.sleep(1.0)
        world.network.connect(world.host, world.network.hosts["bob"], way, Impairments(delay=way.delay))
        await trio.sleep(SETTLES)
        before = receiver.mended
        seen.lags.clear()
        await trio.sleep(LOOKED)
        seen.mended = receiver.mended - before
        nursery.cancel_scope.cancel()
        return seen
    raise AssertionError


@pytest.mark.soak(ci=2, full=50)
@pytest.mark.spec("fec/worth-it", "fec/one-line", "fec/behind-its-picture")
async def test_a_far_and_lossy_viewer_sees_sooner(autojump_clock: MockClock, seed: int) -> None:
    """The same seed twice: once the server does not offer FEC."""
    way = Impairments(delay=FAR, loss=LOST)
    protected = await look(seed, way, fec=True)
    asking = await look(seed, way, fec=False)
    for seen in (protected, asking):
        assert len(seen.lags) > 0.9 * LOOKED * FRAME_RATE
    assert asking.mended == 0
    assert protected.mended > 10
    assert asking.mean_lag > 2 * FAR + 0.05, "the buffer holds everything until what is asked for can be there"
    assert protected.mean_lag < asking.mean_lag - 0.1


@pytest.mark.soak(ci=1, full=20)
@pytest.mark.spec("fec/worth-it")
@pytest.mark.parametrize("way", [Impairments(delay=0.01, loss=0.05), Impairments(delay=FAR)], ids=["near", "whole"])
async def test_who_is_near_or_loses_nothing_gets_none(autojump_clock: MockClock, seed: int, way: Impairments) -> None:
    seen = await look(seed, way, fec=True)
    assert seen.receiver.mending is not None
    assert seen.receiver.mending.repairs == 0
    assert len(seen.lags) > 0.95 * LOOKED * FRAME_RATE
