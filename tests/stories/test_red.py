"""A voice over a long and lossy way: asked for again it comes late, said twice it comes in time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock

from meetref.app.receiver import Receiver
from meetref.net.virtuallink import Impairments
from meetref.protocol import answering
from tests.stories.people import meeting
from tests.stories.test_meeting import until
from tests.stories.test_playout import speak

LOST = 0.1
FAR = 0.15  # seconds each way
SETTLES = 30  # seconds until his reports have told, and his buffer has forgotten how the way was before
LISTENED = 30  # seconds
SOUNDS = 50 * LISTENED


@dataclass
class Heard:
    """Of one voice: how long after it was said each sound was played, how many were made up or came said twice."""

    receiver: Receiver
    lags: list[float] = field(default_factory=list)
    concealed: int = 0
    doubled: int = 0

    def hear(self, payload: bytes | None) -> None:
        if payload is None:
            self.concealed += 1
        else:
            self.lags.append(trio.current_time() - int.from_bytes(payload) / 1e6)

    @property
    def mean_lag(self) -> float:
        return sum(self.lags) / len(self.lags)


async def listen(seed: int, way: Impairments) -> Heard:
    """Alice speaks and Bob, to whom the way is such, listens for half a minute."""
    async with meeting(seed) as world, trio.open_nursery() as nursery:
        alice = await world.join("alice", sends=False)
        await alice.publish(["microphone"])
        nursery.start_soon(speak, alice.senders["microphone"])
        bob = await world.join("bob", sends=False)
        assert alice.identity is not None
        identity = alice.identity.participant
        await until(lambda: (found := bob.heard(identity)) is not None and found.packets > 0, 10)
        receiver = bob.heard(identity)
        assert receiver is not None
        world.network.connect(world.host, world.network.hosts["bob"], way, Impairments(delay=way.delay))
        await trio.sleep(SETTLES)
        heard = Heard(receiver)
        before, receiver.on_sound = receiver.doubled, heard.hear
        await trio.sleep(LISTENED)
        heard.doubled = receiver.doubled - before
        nursery.cancel_scope.cancel()
        return heard
    raise AssertionError


@pytest.mark.soak(ci=2, full=50)
@pytest.mark.spec("red/worth-it", "red/one-stream")
async def test_a_far_and_lossy_viewer_hears_sooner_and_with_fewer_gaps(
    autojump_clock: MockClock, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same seed twice: once nobody agrees to RED."""
    way = Impairments(delay=FAR, loss=LOST)
    twice = await listen(seed, way)
    with monkeypatch.context() as patch:
        patch.setattr(answering, "choose_red", lambda offered, repeated: None)
        once = await listen(seed, way)
    print(twice.doubled, twice.concealed, twice.mean_lag, max(twice.lags), once.concealed, once.mean_lag)
    assert once.doubled == 0
    assert twice.doubled == pytest.approx((1 - LOST) * SOUNDS, rel=0.05)
    assert twice.concealed < 2 * LOST**2 * SOUNDS, "only where two in a row were lost"
    assert twice.mean_lag < FAR + 0.06
    assert once.mean_lag > 2 * FAR, "what is asked for comes so late"


@pytest.mark.soak(ci=2, full=50)
@pytest.mark.spec("red/worth-it")
@pytest.mark.parametrize("way", [Impairments(delay=0.01, loss=0.05), Impairments(delay=FAR)], ids=["near", "whole"])
async def test_who_asks_again_in_time_or_loses_nothing_gets_it_once(
    autojump_clock: MockClock, seed: int, way: Impairments
) -> None:
    heard = await listen(seed, way)
    print(heard.doubled, heard.concealed, heard.mean_lag, len(heard.lags))
    assert heard.doubled == 0
    assert heard.concealed < 0.02 * SOUNDS
