"""Over a line that jitters, reorders and loses: a robot hears and sees in order, soon, and without stalling."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from meetref.app import frames
from meetref.app.bot import Behaviour, be_bot, show_light, ticks
from meetref.app.client import Client
from meetref.app.receiver import Receiver
from meetref.app.sender import Sender
from meetref.net.virtuallink import PERFECT, Impairments
from meetref.wire import signaling
from tests.stories.people import Meeting, meeting
from tests.stories.test_meeting import until

SMOOTH = Impairments(delay=0.02)
JITTERY = Impairments(delay=0.01, jitter=0.08, reordering=0.1, held_for=0.04)  # 50 ms, 40 more or less
LOSSY = replace(JITTERY, loss=0.05)
SPIKE = Impairments(delay=0.4, jitter=0.05)


@dataclass
class Playing:
    """What Bob hears and sees of Alice, with the moments at which it was due."""

    world: Meeting
    bob: Client
    voice: Receiver
    picture: Receiver
    heard: list[tuple[float, float | None]] = field(default_factory=list)
    """With when it was said; None for what was concealed."""
    seen: list[tuple[float, int]] = field(default_factory=list)
    """With the timestamp."""

    def change(self, way: Impairments) -> None:
        """Bob's line is like this from now on, towards him."""
        self.world.network.connect(self.world.host, self.world.network.hosts["bob"], way, SMOOTH)

    def hear(self, payload: bytes | None) -> None:
        said_at = int.from_bytes(payload) / 1e6 if payload is not None else None
        self.heard.append((trio.current_time(), said_at))

    def see(self, frame: bytes, timestamp: int) -> None:
        self.seen.append((trio.current_time(), timestamp))

    def forget(self) -> None:
        self.heard.clear()
        self.seen.clear()

    @property
    def in_order(self) -> bool:
        said = [said_at for _, said_at in self.heard if said_at is not None]
        shown = [timestamp for _, timestamp in self.seen]
        return all(a < b for a, b in pairwise(said)) and all(0 < b - a & 2**32 - 1 < 2**31 for a, b in pairwise(shown))

    @property
    def lags(self) -> list[float]:
        """How long after it was said each packet was heard."""
        return [at - said_at for at, said_at in self.heard if said_at is not None]

    @property
    def concealed(self) -> int:
        return sum(said_at is None for _, said_at in self.heard)

    @property
    def longest(self) -> float:
        """How long the picture stood still, at most."""
        return max(later - earlier for (earlier, _), (later, _) in pairwise(self.seen))


async def speak(sender: Sender) -> None:
    """Each packet says when it was said."""
    async for _ in ticks(0.02):
        if sender.ready:
            now = trio.current_time()
            sender.send([round(now * 1e6).to_bytes(8)], now, level=20)


@asynccontextmanager
async def playing(seed: int) -> AsyncIterator[Playing]:
    async with meeting(seed) as world, trio.open_nursery() as nursery:
        alice = await world.join("alice", way=SMOOTH, sends=False)
        await alice.publish(["microphone", "camera"])
        alice.say(signaling.Devices(microphone="on", camera="on"))
        nursery.start_soon(speak, alice.senders["microphone"])
        nursery.start_soon(show_light, alice.senders["camera"], Behaviour(name="alice", light=True))
        bob = await world.join("bob", way=SMOOTH, sends=False)
        assert alice.identity is not None
        identity = alice.identity.participant
        await until(lambda: (seen := bob.seen(identity)) is not None and seen.frames > 20, 10)
        voice, picture = bob.heard(identity), bob.seen(identity)
        assert voice is not None
        assert picture is not None
        told = Playing(world, bob, voice, picture)
        voice.on_sound, picture.on_frame = told.hear, told.see
        yield told
        nursery.cancel_scope.cancel()


@pytest.mark.soak(ci=2, full=50)
@pytest.mark.spec("jitter/order", "jitter/deadline", "jitter/gaps", "jitter/patience")
async def test_order_is_kept_and_one_lost_packet_stalls_nobody(autojump_clock: MockClock, seed: int) -> None:
    async with playing(seed) as told:
        told.change(LOSSY)
        await trio.sleep(10)
        told.forget()
        before = told.voice.statistics
        await trio.sleep(20)
        after = told.voice.statistics
        assert told.in_order
        assert len(told.heard) >= 990, "50 a second: those that are missing are concealed, in their time"
        assert 0 < told.concealed == after.concealed - before.concealed == after.lost - before.lost
        assert told.concealed < 0.05 * len(told.heard), "what is asked for again mostly comes in time"
        assert max(told.lags) < 0.3
        assert max(told.lags) - min(told.lags) < 0.15, "the delay moves a little, and no packet waits for another one"
        assert 0.08 <= after.delay_ms / 1000 < 0.25
        assert len(told.seen) >= 0.95 * frames.FRAME_RATE * 20
        assert told.longest < 0.5, "a picture waits for what is repaired"


@pytest.mark.soak(ci=2, full=50)
@pytest.mark.spec("jitter/adaptive")
async def test_the_delay_follows_a_spike_and_shrinks_again(autojump_clock: MockClock, seed: int) -> None:
    async with playing(seed) as told:

        async def delays(way: Impairments, seconds: float) -> list[int]:
            told.change(way)
            await trio.sleep(seconds)
            return [receiver.statistics.delay_ms for receiver in (told.voice, told.picture)]

        assert await delays(SMOOTH, 5) == [10, 10]
        assert all(60 <= delay <= 120 for delay in await delays(JITTERY, 15))
        assert all(300 <= delay <= 550 for delay in await delays(SPIKE, 1.5))
        assert all(60 <= delay <= 120 for delay in await delays(JITTERY, 20))
        told.forget()
        assert await delays(SMOOTH, 20) == [10, 10]
        assert told.in_order
        assert told.lags[-1] <= 2 * SMOOTH.delay + 0.02
        assert told.longest < 0.2


async def test_a_robot_says_what_it_received_when_it_leaves(autojump_clock: MockClock) -> None:
    said: list[str] = []
    async with meeting(3) as world:
        await world.join("alice", way=SMOOTH)
        host = world.network.host("robot")
        world.network.connect(world.host, host, LOSSY, PERFECT)
        with trio.move_on_after(10):
            await be_bot(host, world.address, "algebra", Behaviour(name="Ada", receive_only=True, tell=said.append))
    (line,) = said
    sound = r"sound: packets (\d+), late \d+, lost (\d+), concealed (\d+), delay (\d+) ms"
    pictures = r"pictures: packets \d+, frames (\d+), late \d+, lost \d+, delay (\d+) ms"
    told = re.fullmatch(f"Ada received {sound}; {pictures}", line)
    assert told is not None
    packets, lost, concealed, delay, shown, later = map(int, told.groups())
    assert packets > 300
    assert 0 < concealed <= lost < 0.05 * packets
    assert 60 <= delay < 500
    assert 60 <= later < 500
    assert shown > 80
