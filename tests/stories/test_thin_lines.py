"""Viewers at the end of thin or lossy lines: a picture soon, the best that fits, no standing still, and whole voices.

The camera's pictures are of the right sizes only: what a decoder would make of them does not matter here.
Read next: docs/bandwidth.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from meetref.app.bot import ticks
from meetref.app.client import Client
from meetref.app.receiver import Receiver
from meetref.app.sender import Sender
from meetref.net.virtuallink import Impairments
from meetref.wire import signaling
from tests.stories.people import Meeting, meeting
from tests.stories.sizes import Camera, Sizes, width_of
from tests.stories.test_meeting import until

DELAY = 0.02  # seconds each way
QUEUE = 0.25  # seconds of what a line carries may wait, as in a home router
BUCKET = 1_600  # octets that pass at once where nothing waits, as Linux' token buckets let them
GOOD = Impairments(delay=DELAY)
SIZES = {"q": (320, 180, 130_000), "h": (640, 360, 400_000), "f": (1280, 720, 1_400_000)}
"""Width, height, and bits a second of each encoding."""
PATTERN = ((0, 1.8), (2, 0.6), (1, 1.0), (2, 0.6))
"""The temporal layers of the pictures, and how large each is; 1.0 is an average one."""
KEYFRAME = 6.0
FRAME_RATE, SLOW = 30, 15
LARGEST_PART = 1150  # octets of a picture in one packet
VOICE = bytes(92)  # with all headers fifty of them take 59 kbit/s, as a browser's voice does


@dataclass(frozen=True)
class Drawn:
    frame: bytes
    temporal: int
    sync: bool


@cache
def drawn(rid: str) -> list[Drawn]:
    """Two minutes of pictures; the first is a keyframe."""
    return draw(*SIZES[rid], FRAME_RATE)


@cache
def drawn_slowly(rid: str) -> list[Drawn]:
    """As a browser sends 960 x 540 that come 15 times a second: each picture takes twice as much."""
    width, height, bitrate = {"q": (240, 135, 150_000), "h": (480, 270, 450_000), "f": (960, 540, 1_500_000)}[rid]
    return draw(width, height, bitrate, SLOW)


def draw(width: int, height: int, bitrate: int, frame_rate: int) -> list[Drawn]:
    average = bitrate / frame_rate / 8
    key = b"\x10\x00\x00\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")
    pictures = [Drawn(key.ljust(round(KEYFRAME * average), b"\0"), 0, False)]
    for number in range(1, 120 * frame_rate):
        temporal, size = PATTERN[number % 4]
        pictures.append(Drawn(b"\x11".ljust(round(size * average), b"\0"), temporal, temporal > 0))
    return pictures


def line(kilobits: int, bucket: int = 0) -> Impairments:
    queue = round(125 * kilobits * QUEUE)
    return Impairments(delay=DELAY, bandwidth_bps=1000 * kilobits, queue_octets=queue, bucket_octets=bucket)


@dataclass
class Watched:
    """What Bob saw, by the moments at which it came."""

    world: Meeting
    bob: Client
    since: float
    frames: list[float] = field(default_factory=list)
    widths: list[tuple[float, int]] = field(default_factory=list)

    def take(self, frame: bytes, timestamp: int) -> None:
        self.frames.append(trio.current_time())
        width = width_of(frame)
        if width is not None:
            self.widths.append((trio.current_time(), width))

    def change(self, kilobits: int, bucket: int = 0) -> float:
        """Bob's line carries so much from now on."""
        self.world.network.connect(self.world.host, self.world.network.hosts["bob"], line(kilobits, bucket), GOOD)
        return trio.current_time()

    def longest(self, since: float) -> float:
        """How long the picture stood still, at most."""
        moments = [since, *(at for at in self.frames if at >= since), trio.current_time()]
        return max(later - earlier for earlier, later in pairwise(moments))

    @property
    def width(self) -> int:
        return self.widths[-1][1] if self.widths else 0

    def _most(self, kind: str) -> Receiver:
        return max((each for each in self.bob.receivers.values() if each.kind == kind), key=lambda each: each.packets)

    @property
    def voice(self) -> Receiver:
        return self._most("audio")

    @property
    def picture(self) -> Receiver:
        return self._most("video")


@asynccontextmanager
async def watching(
    seed: int, kilobits: int | None = None, *, way: Impairments = GOOD, talks: bool = True, slow: bool = False
) -> AsyncIterator[Watched]:
    """Alice shows herself in three sizes, Carol talks, and Bob comes to watch at the end of his line.

    `way` is Bob's, both up and down; `kilobits` is what his line carries. `slow`: her pictures are a browser's, and
    his line has a bucket.
    """
    async with meeting(seed) as world, trio.open_nursery() as nursery:
        pictures, frame_rate = (drawn_slowly, SLOW) if slow else (drawn, FRAME_RATE)
        camera = Camera(pictures, frame_rate, 120 * frame_rate, LARGEST_PART)
        sizes = Sizes(await world.join("alice", way=GOOD, sends=False), camera)
        await sizes.publish()
        nursery.start_soon(sizes.play)
        if talks:
            carol = await world.join("carol", way=GOOD, sends=False)
            await carol.publish(["microphone"])
            carol.say(signaling.Devices(microphone="on", camera="none"))
            nursery.start_soon(speak, carol.senders["microphone"])
        await trio.sleep(4)
        bob = await world.join("bob", way=way, sends=False, tells_arrivals=True)
        watched = Watched(world, bob, trio.current_time())
        if kilobits is not None:
            watched.change(kilobits, BUCKET if slow else 0)
        bob.say(signaling.Look(tiles=2, large=720, small=720))
        identity = sizes.client.identity
        assert identity is not None
        await until(lambda: bob.seen(identity.participant) is not None, 10)
        receiver = bob.seen(identity.participant)
        assert receiver is not None
        receiver.on_frame = watched.take
        yield watched
        nursery.cancel_scope.cancel()


async def speak(sender: Sender) -> None:
    async for _ in ticks(0.02):
        if sender.ready:
            sender.send([VOICE], trio.current_time(), level=20)


@pytest.mark.soak(ci=2, full=50)
@pytest.mark.spec("pacing/repeats-beside-media", "bandwidth/high-loss")
async def test_a_picture_comes_soon_and_the_voice_stays_whole(autojump_clock: MockClock, seed: int) -> None:
    """The server's first guess is five times what the line carries."""
    async with watching(seed, 500) as watched:
        await until(lambda: len(watched.frames) > 0, 3)
        await trio.sleep(10 - (trio.current_time() - watched.since))
        settled, heard = trio.current_time(), watched.voice.packets
        await trio.sleep(10)
        assert watched.longest(settled) < 0.3
        assert watched.width == 320
        assert watched.voice.packets - heard >= 0.99 * 50 * 10


@pytest.mark.soak(ci=2, full=50)
@pytest.mark.spec("bandwidth/limited-decrease", "allocation/within-budget")
async def test_a_line_that_gets_thin_and_wide_again(autojump_clock: MockClock, seed: int) -> None:
    async with watching(seed, 3000) as watched:
        await until(lambda: watched.width == 1280, 3)
        await trio.sleep(10)
        thin_at = watched.change(500)
        await trio.sleep(20)
        assert watched.longest(thin_at) < 1.5, "half a second until it is known, and a keyframe behind a full queue"
        assert watched.width == 320
        wide_at = watched.change(3000)
        await until(lambda: watched.width == 1280, 10)
        assert watched.longest(wide_at) < 0.5


@pytest.mark.soak(ci=1, full=50)
@pytest.mark.parametrize("kilobits", [250, 500])
@pytest.mark.spec("pacing/rate", "pacing/audio-never-waits", "bandwidth/probe-next-step", "bandwidth/own-burst")
async def test_a_picture_does_not_stand_still_though_a_bucket_lets_probes_pass(
    autojump_clock: MockClock, kilobits: int, seed: int
) -> None:
    """What is too much for the line is hardly ever tried, and taken back soon."""
    async with watching(seed, kilobits, slow=True) as watched:
        await until(lambda: len(watched.frames) > 0, 3)
        began, heard = trio.current_time(), watched.voice.packets
        await trio.sleep(15)
        assert watched.longest(began) < 1.0
        assert watched.voice.packets - heard >= 0.99 * 50 * 15


@pytest.mark.soak(ci=2, full=50)
@pytest.mark.parametrize(("round_trip", "loss"), [(0.3, 0.05), (0.1, 0.1)])
@pytest.mark.spec("bandwidth/foreign-loss", "jitter/patience", "jitter/one-repair", "jitter/whole-pictures")
async def test_a_wide_line_that_loses_gets_the_large_picture(
    autojump_clock: MockClock, round_trip: float, loss: float, seed: int
) -> None:
    """The same share is lost however little is sent, and nobody talks: there is but the picture to learn that from.

    What is lost comes again in time, and Bob waits for that as long as it is needed.
    """
    second = [len(picture.frame) for picture in drawn("f")[FRAME_RATE : 2 * FRAME_RATE]]
    large = sum(-(-size // LARGEST_PART) for size in second)  # packets
    way = Impairments(delay=round_trip / 2, loss=loss)
    async with watching(seed, way=way, talks=False) as watched:
        await trio.sleep(10)
        came, shown = [], len(watched.frames)
        for _ in range(30):
            before = watched.picture.packets
            await trio.sleep(1)
            came.append(watched.picture.packets - before)
        assert sum(packets >= large / 2 for packets in came) >= 0.8 * len(came), came
        # One packet in some thousands never comes in time, and costs a second and the way to a keyframe: not often.
        assert len(watched.frames) - shown >= 0.85 * 30 * FRAME_RATE
        assert round_trip <= watched.picture.statistics.delay_ms / 1000 <= round_trip + 0.05
        host = watched.world.network.hosts["bob"]
        watched.world.network.connect(watched.world.host, host, Impairments(delay=round_trip / 2), way)
        await trio.sleep(15)
        assert watched.picture.statistics.delay_ms <= 30
