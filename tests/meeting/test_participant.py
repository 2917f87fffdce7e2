"""A person's stay: what they may say, and how they come back when their WebSocket broke."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from meetref.app.limits import Places
from meetref.meeting.participant import HANDSHAKE_WITHIN, MAXIMUM_CANDIDATES, RETURN_WITHIN
from meetref.protocol import offering
from meetref.protocol.negotiation import SentTrack, Transport
from meetref.wire import signaling
from tests.meeting.rooms import Line, lobby
from tests.protocol.dtls_pairs import CERTIFICATES


async def test_a_broken_websocket_may_come_back_in_time(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob")
        for turn in range(3):
            alice.breaks()
            await trio.sleep(RETURN_WITHIN - 1)
            assert place.people() == ["alice", "bob"]
            assert len(place.exchange) == 2
            alice = place.comes_back(alice)
            await wait_all_tasks_blocked()
            assert alice.identity.resumed, turn
            offers = alice.of(signaling.DownOffer)  # again, for nobody answered it
            assert [offer.connection for offer in offers] == [1], "the connections are still there"
            assert alice.of(signaling.Seats)
        assert not bob.of(signaling.PersonLeft)


async def test_who_does_not_come_back_is_lost(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob")
        alice.breaks()
        await trio.sleep(RETURN_WITHIN + 0.1)
        assert place.people() == ["bob"]
        assert bob.of(signaling.PersonLeft)[-1].reason == "lost"
        assert len(place.exchange) == 1
        late = place.comes_back(alice)
        await wait_all_tasks_blocked()
        assert not late.identity.resumed
        assert late.identity.participant != alice.identity.participant
        assert late.of(signaling.DownOffer)


async def test_a_closed_tab_is_gone_at_once(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob")
        alice.breaks(clean=True)
        await wait_all_tasks_blocked()
        assert bob.of(signaling.PersonLeft)[-1].reason == "left"


async def test_without_the_secret_nobody_is_resumed(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice = await place.joined("alice")
        mallory = place.comes_back(alice, secret="0" * 32)
        await wait_all_tasks_blocked()
        assert not mallory.identity.resumed
        assert mallory.identity.participant != alice.identity.participant
        assert alice.closed is None
        assert len(place.people()) == 2


async def test_a_second_websocket_replaces_the_first(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        first = await place.joined("alice")
        second = place.comes_back(first)
        await wait_all_tasks_blocked()
        assert first.codes == ["replaced"]
        assert first.closed == "replaced"
        second.says(signaling.SayChat(client_id="1", text="it is me"))
        await wait_all_tasks_blocked()
        assert second.chat == [1]
        await trio.sleep(RETURN_WITHIN + 1)
        assert place.people() == ["alice"]
        assert not place.failures


async def test_joining_twice_is_refused_and_changes_nothing(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice = await place.joined("alice")
        alice.says(signaling.Join(room="algebra", name="again"))
        await wait_all_tasks_blocked()
        assert alice.codes == ["already-joined"]
        assert place.people() == ["alice"]


async def said(line: Line, *messages: signaling.ClientMessage) -> list[str]:
    for message in messages:
        line.says(message)
    await wait_all_tasks_blocked()
    return line.codes


async def test_candidates_are_bounded(autojump_clock: MockClock) -> None:
    text = "candidate:1 1 udp 2122260223 203.0.113.{} {} typ host"
    async with lobby() as place:
        alice = await place.joined("alice")
        trickled = [
            signaling.DownCandidate(candidate=text.format(number % 200, 5000 + number))
            for number in range(2 * MAXIMUM_CANDIDATES + 20)
        ]
        codes = await said(alice, *trickled)
        assert codes == ["bad-candidate"] * 20


async def test_what_cannot_be_used_is_answered_with_a_sentence(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice = await place.joined("alice")
        offer = alice.of(signaling.DownOffer)[-1]
        assert await said(
            alice,
            signaling.UpCandidate(candidate="candidate:1 1 udp 1 203.0.113.1 9 typ host"),
            signaling.UpOffer(connection=1, number=1, sdp="v=0\r\nnonsense", tracks={}),
            signaling.DownAnswer(number=offer.number, sdp="v=0"),
            signaling.DownAnswer(number=offer.number + 7, sdp="of an offer that never was"),
            signaling.DownCandidate(candidate="candidate: nonsense"),
        ) == ["wrong-state", "bad-sdp", "bad-sdp", "bad-candidate"]
        assert all(error.message for error in alice.of(signaling.Error))
        assert alice.closed is None
        assert not place.failures


async def test_a_new_down_connection_takes_the_place_of_the_old_one(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice = await place.joined("alice")
        assert await said(alice, *[signaling.DownRestart() for _ in range(5)]) == []
        assert len(place.exchange) == 1
        offers = alice.of(signaling.DownOffer)
        assert [offer.connection for offer in offers] == list(range(1, 7))
        assert len({offer.number for offer in offers}) == 6


async def test_devices_are_told_to_the_others(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob")
        await said(alice, signaling.Devices(microphone="muted", camera="off", screen=True))
        person = bob.of(signaling.PersonChanged)[-1].person
        assert (person.name, person.microphone, person.camera, person.screen) == ("alice", "muted", "off", True)


def up_offer(connection: int, number: int = 1) -> signaling.UpOffer:
    track = SentTrack(mid="0", kind="audio", ssrc=7, cname="alice", stream="microphone")
    fingerprint = CERTIFICATES["client"].fingerprint("sha-256")
    transport = Transport(
        ufrag="ufra", password="p" * 24, fingerprints=(("sha-256", fingerprint),), setup="actpass",
        candidates=(), end_of_candidates=True,
    )  # fmt: skip
    sdp = offering.offer([track], transport, session_id=1, version=number)
    return signaling.UpOffer(connection=connection, number=number, sdp=sdp, tracks={"0": "microphone"})


async def test_unfinished_handshakes_count_up_too(autojump_clock: MockClock) -> None:
    async with lobby(handshakes=(places := Places(total=9, per_source=2))) as place:
        alice = await place.joined("alice")
        assert await said(alice, up_offer(1)) == []
        assert places.taken == 2
        assert await said(alice, up_offer(2), signaling.DownRestart()) == [], "what is replaced takes no place"
        assert places.taken == 2
        bob = place.come("bob", host="203.0.113.9")
        await wait_all_tasks_blocked()
        assert places.enter(bob.remote) is None
        assert await said(bob, up_offer(1)) == ["server-full"]
        assert bob.closed is None
        places.leave(bob.remote)
        assert await said(bob, up_offer(1, number=2)) == ["server-full"], "nothing more is said"
        assert [answer.number for answer in bob.of(signaling.UpAnswer)] == [2], "the connection is opened anew"
        assert len(place.exchange) == 4
    assert places.taken == 0


async def test_a_handshake_that_is_never_finished_ends_the_connection_and_not_the_stay(
    autojump_clock: MockClock,
) -> None:
    async with lobby(handshakes=(places := Places(total=9, per_source=9))) as place:
        alice = await place.joined("alice")
        await said(alice, up_offer(1))
        assert len(place.exchange) == places.taken == 2
        await trio.sleep(HANDSHAKE_WITHIN - 1)
        assert len(place.exchange) == places.taken == 1, "ICE has given up on the one that was described"
        await trio.sleep(2)
        assert len(place.exchange) == places.taken == 0
        assert place.people() == ["alice"]
        assert await said(alice, signaling.SayChat(client_id="1", text="I only write"), signaling.DownRestart()) == []
        assert alice.chat == [1]
        assert len(place.exchange) == places.taken == 1
