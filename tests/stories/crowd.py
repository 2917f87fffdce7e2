"""A crowd on the virtual network: people who watch, each with a real *down* connection, and cost little.

They answer what is offered, unlock what comes and count it; they ask for nothing and report nothing, for a thousand
timers would be most of the work. `Tally` counts what the server does for them, tick by tick.
Read next: `tests/stories/test_thousand.py`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from meetref.app.clientlink import ClientLink, open_link
from meetref.app.signaling import open_client_channel
from meetref.meeting.arranging import Arranging
from meetref.meeting.participant import Participant
from meetref.meeting.seats import Seats
from meetref.net.network import Network
from meetref.protocol import answering
from meetref.protocol.certificate import Certificate
from meetref.wire import signaling
from meetref.wire.address import Address

PAGE_OCTETS = 4096


class Watcher:
    """Somebody who watches. `seats` are as they were told last, `told` counts messages by type, `packets` by slot."""

    def __init__(self) -> None:
        self.identity = ""
        self.speaker = signaling.Speaker()
        self.seats = signaling.Seats([])
        self.told: Counter[str] = Counter()
        self.packets: Counter[str] = Counter()
        self.say: Callable[[signaling.ClientMessage], None] = lambda message: None
        self.life = trio.CancelScope()
        self._mids: dict[int, str] = {}
        self._down: ClientLink | None = None

    @property
    def seen(self) -> set[str]:
        """Who has a picture."""
        return {seat.person for seat in self.seats.seats if seat.person is not None and seat.video is not None}

    @property
    def heard(self) -> set[str]:
        """Who has a voice."""
        return {seat.person for seat in self.seats.seats if seat.person is not None and seat.audio is not None}

    def packets_of(self, person: str) -> int:
        """How many packets came of the picture of a person, or of those who had the seat before."""
        mids = [seat.video for seat in self.seats.seats if seat.person == person and seat.video is not None]
        return sum(self.packets[mid] for mid in mids)

    async def stay(
        self,
        network: Network,
        server: Address,
        certificate: Certificate,
        name: str,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Join, report once media can come, and stay until `life` is cancelled."""
        with self.life:
            async with open_client_channel(network, server) as channel, trio.open_nursery() as nursery:
                self.say = channel.send
                link: ClientLink = await nursery.start(open_link, network, certificate, False, None, "1.3", True)
                link.on_packet = self._count
                self._down = link
                channel.send(signaling.Join(room="algebra", name=name))
                nursery.start_soon(_report, link, task_status)
                while True:
                    self._hear(await channel.receive(), link)

    def _hear(self, message: signaling.ServerMessage, down: ClientLink) -> None:
        self.told[type(message).__name__] += 1
        match message:
            case signaling.Joined():
                self.identity = message.participant
            case signaling.Seats():
                self.seats = message
            case signaling.Speaker():
                self.speaker = message
            case signaling.DownOffer(sdp=sdp, number=number):
                offer = answering.read_offer(sdp)
                answer = answering.answer(offer, down.transport("active"), session_id=2, version=number)
                down.describe(answer.remote)
                self._mids = {track.ssrc: track.mid for track in answer.tracks if track.ssrc is not None}
                self.say(signaling.DownAnswer(number=number, sdp=answer.sdp))

    def _count(self, plain: bytes, now: float) -> None:
        self.packets[self._mids.get(int.from_bytes(plain[8:12]), "repair")] += 1


async def _report(link: ClientLink, task_status: trio.TaskStatus[None]) -> None:
    await link.connected.wait()
    task_status.started()


class Tally:
    """What was done in each tick in which a room looked at seats: looks, messages, seconds of CPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks: list[int] = []
        self.told: list[int] = []
        self.seconds: list[float] = []
        self.at: list[float] = []
        self._looked = self._spoken = 0
        look_around, grow, tell = Arranging.look_around, Seats.grow, Participant.tell

        def measured(arranging: Arranging, now: float) -> None:
            looked, spoken, began = self._looked, self._spoken, time.process_time()
            look_around(arranging, now)
            self.seconds.append(time.process_time() - began)
            self.looks.append(self._looked - looked)
            self.told.append(self._spoken - spoken)
            self.at.append(now)

        def counted_look(seats: Seats, contents: int, tiles: int) -> bool:
            self._looked += 1
            return grow(seats, contents, tiles)

        def counted_message(participant: Participant, message: signaling.ServerMessage) -> None:
            self._spoken += 1
            tell(participant, message)

        monkeypatch.setattr(Arranging, "look_around", measured)
        monkeypatch.setattr(Seats, "grow", counted_look)
        monkeypatch.setattr(Participant, "tell", counted_message)

    def most_in_a_second(self) -> int:
        """Looks in the busiest second."""
        most = first = running = 0
        for last, looks in enumerate(self.looks):
            running += looks
            while self.at[last] - self.at[first] >= 1:
                running -= self.looks[first]
                first += 1
            most = max(most, running)
        return most


def resident_octets() -> int:
    """Memory of this process, server and crowd."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_OCTETS
