"""A thousand people in one room: everybody sees and hears the right ones, and the server never does too much at once.

Always with 120 people, with a thousand where `--soak` is asked for; what a tick costs is printed (`-rA` or `-s`), and
asserted in looks and messages, which are the same on every machine.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import pytest
import trio
from trio.testing import MockClock

from meetref.app.bot import ticks
from meetref.app.client import Client
from meetref.app.collector import NEW_CONTAINERS, YOUNG_PASSES
from meetref.meeting.arranging import ARRANGE_EVERY, GAUGE_EVERY, LOOKS_AT_A_TIME
from meetref.protocol.certificate import Certificate
from meetref.wire import signaling
from tests.meeting.links import KEY as KEYFRAME
from tests.stories.census import census
from tests.stories.crowd import Tally, Watcher, resident_octets
from tests.stories.people import Meeting, meeting
from tests.stories.test_meeting import until

FULL, SLICE = 1000, 120
AT_ONCE = 20  # people who are joining at any moment
VISIBLE, VOICES = 25, 5
TALKERS = [f"talker {number}" for number in range(VOICES + 1)]
LOUD, PAUSE = 20, 70  # levels below the loudest: who never takes breath does not speak


@pytest.fixture
def seldom_collected() -> Iterator[None]:
    """The garbage collector looks as seldom as in a server."""
    before = gc.get_threshold()
    gc.set_threshold(NEW_CONTAINERS, YOUNG_PASSES, YOUNG_PASSES)
    yield
    gc.set_threshold(*before)


class Hall:
    """The room, those who talk, and those who watch; `talking` are names of those who are loud now."""

    def __init__(self, scene: Meeting) -> None:
        self.scene = scene
        self.watchers: list[Watcher] = []
        self.talkers: dict[str, Client] = {}
        self.talking: set[str] = set()
        self._certificate = Certificate.generate(scene.host.dice, now_wall=scene.host.wall_clock())
        for name in TALKERS:  # they have the usual addresses, of which there are not enough for the crowd
            scene.network.host(name)

    async def talk(self, name: str) -> None:
        """One more who has something to say, and shows their face, as the first and the last do."""
        client = self.talkers[name] = await self.scene.join(name, sends=False)
        sources: list[signaling.Source] = (
            ["microphone", "camera"] if name in (TALKERS[0], TALKERS[-1]) else ["microphone"]
        )
        await client.publish(sources)
        client.say(signaling.Devices(microphone="on", camera="on" if "camera" in sources else "none"))
        self.scene.nursery.start_soon(self._speak, client, name)

    async def _speak(self, client: Client, name: str) -> None:
        async for number in ticks(0.02):
            now = trio.current_time()
            if name in self.talking:
                level = LOUD if number % 25 else PAUSE
                client.senders["microphone"].send([b"a voice"], now, level=level)
            if "camera" in client.senders and number % 10 == 0:
                client.senders["camera"].send([KEYFRAME], now)

    async def watch(self, count: int) -> None:
        """So many more come in."""
        places = trio.CapacityLimiter(AT_ONCE)

        async def enter(number: int) -> None:
            async with places:
                watcher, name = Watcher(), f"watcher {number}"
                host = self.scene.network.host(name, f"198.18.{number // 250}.{number % 250 + 1}")
                await self.scene.nursery.start(watcher.stay, host, self.scene.address, self._certificate, name)
                self.watchers.append(watcher)

        async with trio.open_nursery() as joining:
            first = len(self.watchers)
            for number in range(first, first + count):
                joining.start_soon(enter, number)

    def identity(self, talker: str) -> str:
        found = self.talkers[talker].identity
        assert found is not None
        return found.participant

    def expected(self, watcher: Watcher, page: int = 0) -> set[str]:
        """Whom a watcher should see: who speaks, who spoke, and the others as they came."""
        people = self.scene.server.rooms.rooms["algebra"].people
        leads = [person for person in (watcher.speaker.person, *watcher.speaker.recent) if person is not None]
        order = [person for person in dict.fromkeys((*leads, *people)) if person != watcher.identity]
        return set(order[page * VISIBLE : (page + 1) * VISIBLE])

    def everybody_sees_the_right_ones(self) -> bool:
        return all(watcher.seen == self.expected(watcher) for watcher in self.watchers)

    def everybody_hears(self, *names: str) -> bool:
        wanted = {self.identity(name) for name in names}
        return all(watcher.heard == wanted for watcher in self.watchers)


@contextmanager
def looks_in(tally: Tally) -> Iterator[list[int]]:
    """Looks, tick by tick, from now on; the list is full when the block ends."""
    before = len(tally.looks)
    found: list[int] = []
    yield found
    found += tally.looks[before:]


def tell_figures(tally: Tally, people: int, octets_a_person: float, seconds: float) -> None:
    full = [spent for spent, looks in zip(tally.seconds, tally.looks, strict=True) if looks == LOOKS_AT_A_TIME]
    print(
        f"\n{people} people in one room",
        f"looks at seats: {sum(tally.looks)}, at most {max(tally.looks)} in a tick"
        f" and {tally.most_in_a_second()} in a second; they told {sum(tally.told)} messages",
        f"CPU of a tick with {LOOKS_AT_A_TIME} looks: {1e3 * median(full):.1f} ms in the median;"
        f" of the largest: {1e3 * max(tally.seconds):.1f} ms",
        f"memory for each further person, both ends: {octets_a_person / 1024:.0f} kB",
        f"the whole story, both ends: {seconds:.0f} s of CPU",
        sep="\n",
    )


@pytest.mark.soak(ci=1, full=1)
@pytest.mark.slow
async def test_a_crowd_in_one_room(
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
    seldom_collected: None,
    seed: int,
) -> None:
    count = FULL if pytestconfig.getoption("--soak") else SLICE
    watching = count - len(TALKERS)
    patience = 1 + 2 * ARRANGE_EVERY * count / LOOKS_AT_A_TIME  # seconds, until the last one's turn has come
    began, tally = time.process_time(), Tally(monkeypatch)
    bounds = {"maximum_people": count, "maximum_handshakes": 2 * count}
    async with meeting(seed + 70, **bounds) as scene:
        hall = Hall(scene)
        for name in TALKERS[:-1]:
            await hall.talk(name)
        await hall.watch(watching // 2)
        await trio.sleep(GAUGE_EVERY + patience)
        half, octets = census(), resident_octets()
        await hall.watch(watching - watching // 2)
        await hall.talk(TALKERS[-1])
        await until(hall.everybody_sees_the_right_ones, patience)
        await trio.sleep(GAUGE_EVERY + patience)
        octets_a_person = (resident_octets() - octets) / (count - count // 2)
        no_row_grows_faster_than_the_crowd(half, census())
        await those_who_talk_are_heard_and_seen(hall, patience)
        await a_muted_microphone_moves_nobody(hall, tally)
        await people_look_elsewhere_and_leave(hall, patience)
        tell_figures(tally, count, octets_a_person, time.process_time() - began)
        assert max(tally.looks) == LOOKS_AT_A_TIME
        assert all(told <= 2 * looks for told, looks in zip(tally.told, tally.looks, strict=True)), "seats and an offer"
        assert tally.most_in_a_second() <= LOOKS_AT_A_TIME / ARRANGE_EVERY + LOOKS_AT_A_TIME


def no_row_grows_faster_than_the_crowd(half: Counter[str], full: Counter[str]) -> None:
    """Twice the people, twice the rows: no table of the server has a row for each pair of people."""
    rows = {name: (half[name], rows) for name, rows in full.items() if name.startswith("meeting.")}
    found = {name: (before, after) for name, (before, after) in rows.items() if after > 2.5 * before + 100}
    assert rows["meeting.participant.Participant"][1] > 1.9 * rows["meeting.participant.Participant"][0]
    assert not found


async def those_who_talk_are_heard_and_seen(hall: Hall, patience: float) -> None:
    """Five first; then the one who came last, and whom nobody sees by right, in the place of the first."""
    first, last = TALKERS[0], TALKERS[-1]
    hall.talking = {first}
    await until(lambda: all(one.speaker.person == hall.identity(first) for one in hall.watchers), 5)
    hall.talking = set(TALKERS[:-1])
    await until(lambda: hall.everybody_hears(*TALKERS[:-1]), 3 + patience)
    hall.talking = {last}
    await until(lambda: all(one.speaker.person == hall.identity(last) for one in hall.watchers), 10)
    before = [watcher.packets.total() for watcher in hall.watchers]
    hall.talking = set(TALKERS[1:])
    await until(lambda: hall.everybody_hears(*TALKERS[1:]), 3 + patience)
    await until(hall.everybody_sees_the_right_ones, patience)
    await trio.sleep(1)
    for watcher, packets in zip(hall.watchers, before, strict=True):
        assert hall.identity(last) in watcher.seen
        assert watcher.packets_of(hall.identity(last)) >= 4, "a picture five times a second"
        assert watcher.packets.total() - packets >= VOICES * 40
    hall.talking = set()
    await trio.sleep(5)


async def a_muted_microphone_moves_nobody(hall: Hall, tally: Tally) -> None:
    told = hall.watchers[-1].told["PersonChanged"]
    with looks_in(tally) as looks:
        for watcher in hall.watchers[:10]:
            watcher.say(signaling.Devices(microphone="muted", camera="none"))
        await trio.sleep(1)
    assert hall.watchers[-1].told["PersonChanged"] == told + 10
    assert sum(looks) == 0


async def people_look_elsewhere_and_leave(hall: Hall, patience: float) -> None:
    viewer = hall.watchers[-1]
    viewer.say(signaling.Look(page=2))
    await until(lambda: viewer.seen == hall.expected(viewer, page=2), 1)
    viewer.say(signaling.Look())
    many = len(hall.watchers) * 6 // 10
    leaving, hall.watchers = hall.watchers[:many], hall.watchers[many:]
    for watcher in leaving:  # all in the same moment, and nobody who stays is drowned in the news
        watcher.life.cancel()
    people = hall.scene.server.rooms.rooms["algebra"].people
    await until(lambda: len(people) == len(hall.watchers) + len(TALKERS), 5)
    await until(hall.everybody_sees_the_right_ones, patience)
    await trio.sleep(1)
    assert len(people) == len(hall.watchers) + len(TALKERS)
    assert all(watcher.told["PersonLeft"] == many for watcher in hall.watchers)
