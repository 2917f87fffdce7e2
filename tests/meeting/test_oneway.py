"""Who only publishes or only watches: numbers of the viewer's own on the wire, and a stay as long as its connection."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
import trio.testing

from meetref.media.rewriting import Incoming
from meetref.meeting.down import Down
from meetref.meeting.exchange import Full
from meetref.meeting.oneway import OneWay
from meetref.meeting.participant import HANDSHAKE_WITHIN, RETURN_WITHIN
from meetref.meeting.room import NotAdmitted
from meetref.protocol.description import Unusable
from meetref.protocol.negotiation import AUDIO_LEVEL, MID, TRANSPORT_SEQUENCE, VP8, Codec, ReceivedTrack
from meetref.protocol.oneway import read_publication, read_request
from meetref.protocol.peer import StateChanged
from meetref.wire import rtcp, rtcpfeedback, rtp, signaling
from meetref.wire.address import Address
from tests.meeting.links import Viewer
from tests.meeting.rooms import Lobby, lobby
from tests.meeting.test_down import Camera
from tests.protocol.oneway_offers import publication, request

STRANGER = Address("192.0.2.77", 7)
OTHERS = {MID: 2, TRANSPORT_SEQUENCE: 7}


def section(extensions: dict[str, int], *, rtx: bool = True) -> ReceivedTrack:
    """A section of video as a viewer may ask for it."""
    codec = Codec(VP8.name, VP8.clock_rate, 1, 120)
    return ReceivedTrack(
        mid="pictures", kind="video", codecs={120: codec}, rtx={121: 120} if rtx else {}, extensions=extensions
    )


class Asking(Viewer):
    """A viewer whose one section is asked for by the viewer."""

    def __init__(self, asked: ReceivedTrack) -> None:
        super().__init__()
        self.described = self.down.fill_slot("x0", asked, "seat-0")
        self.camera = Camera(100)
        self.down.slots["x0"].show(self.camera.track, 0.0)

    def frames(self, count: int) -> list[bytes]:
        """What the viewer opens of so many frames."""
        for number in range(count):
            self.camera.send(number / 30, key=number == 0)
        return [plain for data in self.locked() if (plain := self.far.unlock(data)) is not None]

    def lost(self, plain: bytes) -> list[bytes]:
        """The answer to the loss of a packet."""
        self.says(rtcpfeedback.Nack(1, self.described.ssrc, [plain[2] << 8 | plain[3]]), now=0.5)
        return [found for data in self.locked() if (found := self.far.unlock(data)) is not None]


def test_packets_have_the_numbers_that_the_viewer_asked_for() -> None:
    viewer = Asking(section(OTHERS))
    assert viewer.described.mid == "pictures"
    packets = [rtp.parse(plain) for plain in viewer.frames(4)]
    assert {packet.payload_type for packet in packets} == {120}
    assert {packet.ssrc for packet in packets} == {viewer.described.ssrc}
    assert [set(packet.extensions) for packet in packets] == [{7}] * 4
    numbers = [int.from_bytes(packet.extensions[7]) for packet in packets]
    assert [(later - earlier) & 0xFFFF for earlier, later in pairwise(numbers)] == [1] * 3


def test_a_lost_packet_comes_again_under_the_viewers_number() -> None:
    viewer = Asking(section(OTHERS))
    first, *_ = viewer.frames(3)
    (again,) = map(rtp.parse, viewer.lost(first))
    assert (again.payload_type, again.ssrc, set(again.extensions)) == (121, viewer.described.rtx_ssrc, {7})
    assert again.payload[:2] == first[2:4]


@pytest.mark.spec("whip/extensions-as-offered")
def test_who_takes_no_extensions_gets_none() -> None:
    viewer = Asking(section({MID: 3}))
    plain = viewer.frames(3)
    assert len(plain) == 3
    for data in plain:
        assert data[0] & 0x10 == 0
        assert not rtp.parse(data).extensions
    (again,) = viewer.lost(plain[1])
    assert again[0] & 0x10 == 0
    assert again[rtp.HEADER_SIZE :] == plain[1][2:4] + plain[1][rtp.HEADER_SIZE :]


def test_who_takes_no_repair_stream_gets_the_packet_itself_again() -> None:
    viewer = Asking(section({}, rtx=False))
    assert viewer.described.rtx_ssrc is None
    for number in range(3):
        viewer.camera.send(number / 30, key=number == 0)
    locked = viewer.locked()
    plain = viewer.far.unlock(locked[1])
    assert plain is not None
    viewer.says(rtcpfeedback.Nack(1, viewer.described.ssrc, [plain[2] << 8 | plain[3]]), now=0.5)
    assert viewer.locked() == [locked[1]]


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [(OTHERS | {AUDIO_LEVEL: 12}, {7, 12}), ({AUDIO_LEVEL: 12}, set()), ({TRANSPORT_SEQUENCE: 7}, {7})],
)
def test_the_level_of_a_voice_goes_with_the_transport_wide_number_or_not_at_all(
    ids: dict[str, int], wanted: set[int]
) -> None:
    viewer = Viewer()
    asked = ReceivedTrack(mid="0", kind="audio", codecs={9: Codec("opus", 48000, 2, 9)}, extensions=ids)
    viewer.down.fill_slot("x0", asked, "seat-0")
    slot = viewer.down.slots["x0"]
    slot.show(Camera(1).track, 0.0)
    slot.send([Incoming(number, number * 960, 0, b"hum", True, level=20) for number in (5, 6)], 0.0)
    packets = viewer.gets()
    assert [set(packet.extensions) for packet in packets] == [wanted] * 2
    assert {packet.payload_type for packet in packets} == {9}


# --- the stay -------------------------------------------------------------------------------------


async def arrive(at: Lobby, kind: str = "whip", name: str = "studio") -> OneWay:
    offer = read_publication(publication()) if kind == "whip" else read_request(request())
    visitor = await at.rooms.visit(signaling.Join(room="algebra", name=name), offer, STRANGER)
    await visitor.answer()
    return visitor


both = pytest.mark.parametrize("kind", ["whip", "whep"])


@both
async def test_one_connection_and_no_other(autojump_clock: trio.testing.MockClock, kind: str) -> None:
    async with lobby() as at:
        visitor = await arrive(at, kind)
        assert len(at.exchange) == 1
        assert (visitor.up is None, visitor.down is None) == (kind == "whep", kind == "whip")
        await trio.sleep(RETURN_WITHIN + 5)
        assert at.people() == ["studio"], "nobody waits for a WebSocket"
        await trio.sleep(HANDSHAKE_WITHIN)
        assert not at.rooms.rooms
        assert not at.failures


@both
@pytest.mark.spec("whip/consent-ends", "whip/teardown")
@pytest.mark.parametrize(("state", "reason"), [("failed", "lost"), ("closed", "left")])
async def test_the_stay_ends_with_the_connection(
    autojump_clock: trio.testing.MockClock, kind: str, state: str, reason: str
) -> None:
    async with lobby() as at:
        olga = await at.joined("olga")
        visitor = await arrive(at, kind)
        peer = visitor._connection.peer
        peer.state = state  # type: ignore[assignment]
        peer._events.append(StateChanged(state, "over"))  # type: ignore[arg-type]
        at.exchange.touch(visitor._connection)
        await trio.testing.wait_all_tasks_blocked()
        assert [(left.id, left.reason) for left in olga.of(signaling.PersonLeft)] == [(visitor.id, reason)]
        assert at.people() == ["olga"]


async def test_nobody_comes_back_as_one_of_them(autojump_clock: trio.testing.MockClock) -> None:
    """A WebSocket that knows the session's address is not that client."""
    async with lobby() as at:
        visitor = await arrive(at)
        resume = signaling.Resume(participant=visitor.id, secret=visitor.session)
        line = at.come("somebody", resume=resume)
        await trio.testing.wait_all_tasks_blocked()
        assert not line.identity.resumed
        assert line.identity.participant != visitor.id


async def test_who_leaves_is_not_found_any_more_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with lobby() as at:
        visitor = await arrive(at)
        assert at.rooms.visitor("algebra", visitor.session) is visitor
        assert at.rooms.visitor("geometry", visitor.session) is None
        assert at.rooms.visitor("algebra", visitor.secret) is None
        visitor.leave("left")
        assert at.rooms.visitor("algebra", visitor.session) is None


async def test_who_may_not_come_in_leaves_no_trace(autojump_clock: trio.testing.MockClock) -> None:
    def admit(join: signaling.Join) -> None:
        raise NotAdmitted("No.", is_known=True)

    async with lobby(admit=admit) as at:
        with pytest.raises(NotAdmitted) as caught:
            await arrive(at)
        assert caught.value.is_known
        assert not at.rooms.rooms
    async with lobby(maximum_people=1) as at:
        await at.joined("olga")
        with pytest.raises(Full):
            await arrive(at)
        assert at.people() == ["olga"]
    async with lobby() as at:
        offer = read_publication(publication().replace("setup:actpass", "setup:passive"))
        visitor = await at.rooms.visit(signaling.Join(room="algebra", name="studio"), offer, STRANGER)
        with pytest.raises(Unusable):
            await visitor.answer()
        await trio.testing.wait_all_tasks_blocked()
        assert not at.rooms.rooms


def test_reports_are_about_the_slots_that_were_asked_for() -> None:
    viewer = Asking(section(OTHERS))
    viewer.frames(2)
    assert isinstance(viewer.down, Down)
    viewer.down._report_at = 0.0
    viewer.down.handle_timeout(1.0)
    reports = [packet for packet in viewer.hears() if isinstance(packet, rtcp.SenderReport)]
    assert [report.ssrc for report in reports] == [viewer.described.ssrc]
