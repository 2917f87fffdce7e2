"""Who may come in, who is told what, and that nothing is left when the last one has gone."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from meetref.app.limits import Places
from meetref.meeting import exchange as exchange_module
from meetref.meeting.participant import HANDSHAKE_WITHIN, Participant
from meetref.meeting.room import JOIN_WITHIN, NotAdmitted
from meetref.wire import signaling
from tests.meeting.rooms import lobby


async def test_people_are_told_of_each_other(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice = await place.joined("alice")
        bob = await place.joined("bob", microphone="on")
        assert [person.name for person in bob.identity.people] == ["alice", "bob"]
        assert alice.of(signaling.PersonChanged)[-1].person.name == "bob"
        bob.says(signaling.Leave())
        await wait_all_tasks_blocked()
        (left,) = alice.of(signaling.PersonLeft)
        assert (left.id, left.reason) == (bob.identity.participant, "left")
        assert bob.closed is not None


async def test_a_room_closes_after_the_last_one_and_leaves_nothing(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        tasks = trio.lowlevel.current_statistics().tasks_living
        lines = [await place.joined(f"person {number}") for number in range(5)]
        assert len(place.exchange) == 5
        for line in lines:
            line.says(signaling.Leave())
        await wait_all_tasks_blocked()
        assert not place.rooms.rooms
        assert len(place.exchange) == 0
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert not place.failures


async def test_who_comes_as_the_last_one_goes_gets_a_room(autojump_clock: MockClock) -> None:
    """In every order in which the two may happen."""
    for delay in range(12):
        async with lobby() as place:
            alice = await place.joined("alice")
            alice.says(signaling.Leave())
            for _ in range(delay):
                await trio.lowlevel.checkpoint()
            bob = place.come("bob")
            await wait_all_tasks_blocked()
            assert not place.failures
            assert bob.of(signaling.DownOffer)
            assert place.people() == ["bob"]


async def test_a_room_takes_so_many_and_no_more(autojump_clock: MockClock) -> None:
    async with lobby(maximum_people=3) as place:
        lines = [place.come(f"person {number}") for number in range(6)]  # all at once
        await wait_all_tasks_blocked()
        assert len(place.people()) == 3
        refused = [line for line in lines if "room-full" in line.codes]
        assert len(refused) == 3
        assert {line.closed for line in refused} == {"room-full"}
        (inside,) = [line for line in lines if line.of(signaling.Joined)][:1]
        again = place.comes_back(inside)
        await wait_all_tasks_blocked()
        assert again.identity.resumed, "who returns takes no more room"


async def test_rooms_are_bounded(autojump_clock: MockClock) -> None:
    async with lobby(maximum_rooms=2) as place:
        lines = [place.come("somebody", room=f"room-{number}") for number in range(5)]
        await wait_all_tasks_blocked()
        assert len(place.rooms.rooms) == 2
        assert [line.codes for line in lines].count(["server-full"]) == 3


async def test_connections_are_bounded(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "MAXIMUM_CONNECTIONS", 2)
    async with lobby() as place:
        lines = [place.come(f"person {number}") for number in range(3)]
        await wait_all_tasks_blocked()
        assert sorted(line.codes for line in lines) == [[], [], ["server-full"]]
        assert len(place.people()) == 2
        assert not place.failures
        inside = next(line for line in lines if not line.codes)
        inside.says(signaling.DownRestart())  # the old one is replaced, and not in addition
        await wait_all_tasks_blocked()
        assert len(place.exchange) <= 2
        assert not place.failures


async def test_unfinished_handshakes_are_bounded_for_each_source(autojump_clock: MockClock) -> None:
    async with lobby(handshakes=(places := Places(total=5, per_source=3))) as place:
        lines = [place.come(f"stranger {number}", host="203.0.113.5") for number in range(5)]
        await wait_all_tasks_blocked()
        refused = [line for line in lines if line.codes == ["server-full"]]
        assert (len(refused), {line.closed for line in refused}) == (2, {"server-full"})
        assert "of your network" in refused[0].of(signaling.Error)[0].message
        assert (len(place.exchange), places.taken, len(place.people())) == (3, 3, 3)
        others = [place.come(f"neighbour {number}", host="203.0.113.6") for number in range(3)]
        await wait_all_tasks_blocked()
        assert [line.codes for line in others].count(["server-full"]) == 1
        (message,) = [error.message for line in others for error in line.of(signaling.Error)]
        assert message == "too many connections of everybody have been opened and not finished. Try again later."
        assert (len(place.exchange), places.taken) == (5, 5)
        next(line for line in lines if not line.codes).says(signaling.Leave())
        await wait_all_tasks_blocked()
        assert places.taken == 4
        assert (await place.joined("patient")).codes == []
        await trio.sleep(HANDSHAKE_WITHIN + 1)
        assert (len(place.exchange), places.taken) == (0, 0)
        assert not place.failures


async def test_nobody_stays_without_joining(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        line = place.come()
        line.says(signaling.Leave())
        await wait_all_tasks_blocked()
        assert line.codes == ["not-joined"]
        await trio.sleep(JOIN_WITHIN - 1)
        assert line.closed is None
        await trio.sleep(2)
        assert line.closed == "no join came"
        assert not place.rooms.rooms


async def test_who_is_not_admitted_is_told_why(autojump_clock: MockClock) -> None:
    def admit(join: signaling.Join) -> None:
        if join.token != "secret":
            raise NotAdmitted("This room needs a token.")

    async with lobby(admit=admit) as place:
        line = place.come("mallory")
        await wait_all_tasks_blocked()
        assert (line.codes, line.closed) == (["not-allowed"], "not-allowed")
        assert not place.rooms.rooms
        await place.joined("alice", token="secret")


async def test_the_trouble_of_one_is_not_the_end_of_another(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob")
        (broken,) = [one for one in place.rooms.rooms["algebra"].people.values() if one.person.name == "bob"]

        async def fail() -> None:
            raise RuntimeError("a bug of ours")

        assert broken._nursery is not None
        broken._nursery.start_soon(fail)
        await wait_all_tasks_blocked()
        assert place.people() == ["alice"]
        assert alice.of(signaling.PersonLeft)[-1].reason == "removed"
        assert bob.closed is not None, "who is out is not left talking to nobody"
        assert alice.closed is None
        alice.says(signaling.SayChat(client_id="1", text="still here"))
        await wait_all_tasks_blocked()
        assert alice.chat == [1]


async def test_an_error_while_hearing_leaves_no_ghost(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Participant, message: signaling.Devices) -> None:
        raise RuntimeError("a bug of ours")

    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob")
        monkeypatch.setattr(Participant, "_on_devices", fail)
        bob.says(signaling.Devices(microphone="on", camera="on"))
        await wait_all_tasks_blocked()
        assert len(place.failures) == 1
        await trio.sleep(21)
        assert place.people() == ["alice"]
        assert alice.of(signaling.PersonLeft)[-1].reason == "lost"
