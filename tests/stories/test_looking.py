"""Looking at somebody else costs no negotiation, moves nobody who stays, and sends nothing that is not seen."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from meetref.app.client import Client
from meetref.wire import signaling
from tests.stories.people import Meeting, meeting
from tests.stories.test_meeting import until


def visible(client: Client) -> dict[str, int]:
    """Who is seen, and in which seat."""
    return {seat.person: seat.seat for seat in client.seats if seat.person is not None and seat.video is not None}


def frames(client: Client, person: str) -> int:
    receiver = client.seen(person)
    return receiver.frames if receiver is not None else 0


def identity(scene: Meeting, name: str) -> str:
    found = scene.people[name].identity
    assert found is not None
    return found.participant


async def test_pins_and_pages_in_a_room_of_twelve(autojump_clock: MockClock) -> None:
    async with meeting(41) as scene:
        for number in range(12):
            await scene.join(f"p{number}", hums=False)  # nobody comes first because they speak
        viewer = scene.people["p0"]
        viewer.say(signaling.Look(tiles=4))
        await until(lambda: len(visible(viewer)) == 4, 5)
        await until(lambda: all(frames(viewer, person) > 5 for person in visible(viewer)), 20)
        assert viewer.down is not None
        offers, before = viewer.down.peer.credentials, visible(viewer)
        slots = len(viewer.receivers)
        hidden = next(name for name in reversed(scene.people) if identity(scene, name) not in before and name != "p0")
        other = identity(scene, hidden)
        viewer.say(signaling.Look(tiles=4, pinned=(signaling.Pin(other),)))
        await until(lambda: other in visible(viewer), 1)
        shown, asked_at = frames(viewer, other), trio.current_time()
        await until(lambda: frames(viewer, other) > shown + 3, 2)
        assert trio.current_time() - asked_at < 1.5, "a keyframe is asked for at once"
        after = visible(viewer)
        staying = set(before) & set(after)
        assert len(staying) == 3
        assert {person: before[person] for person in staying} == {person: after[person] for person in staying}
        seen: set[str] = set()
        for page in range(4):
            viewer.say(signaling.Look(tiles=4, page=page, pinned=(signaling.Pin(other),)))
            await until(lambda: len(visible(viewer)) >= 2 and other in visible(viewer), 1)
            await trio.sleep(0.2)
            assert other in visible(viewer), "who is pinned is on every page"
            seen |= set(visible(viewer))
        assert seen == {identity(scene, name) for name in scene.people if name != "p0"}
        assert (viewer.down.peer.credentials, len(viewer.receivers)) == (offers, slots), "nothing was negotiated"


async def test_in_a_small_room_who_is_on_another_page_is_heard_and_sends_no_picture(autojump_clock: MockClock) -> None:
    async with meeting(42) as scene:
        for name in ("alice", "bob", "carol"):
            await scene.join(name)
        alice = scene.people["alice"]
        bob, carol = identity(scene, "bob"), identity(scene, "carol")
        await until(lambda: frames(alice, bob) > 10 and frames(alice, carol) > 10, 10)
        receiver = alice.seen(carol)
        assert receiver is not None
        alice.say(signaling.Look(tiles=1, pinned=(signaling.Pin(bob),)))
        await until(lambda: set(visible(alice)) == {bob}, 1)
        await trio.sleep(0.5)
        packets, heard = receiver.packets, alice.heard(carol)
        assert heard is not None
        sound = heard.packets
        await trio.sleep(2)
        assert receiver.packets == packets, "not one packet of the picture"
        assert heard.packets > sound + 50
        alice.say(signaling.Look())
        await until(lambda: frames(alice, carol) > 0 and receiver.packets > packets + 20, 2)
