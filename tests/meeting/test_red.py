"""Sound said twice: who gets it, that it is one stream all the same, and what a server makes of what comes that way."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.lipsync import PublisherClock, TrackClock
from meetref.media.redundancy import Redundancy, unwrap
from meetref.media.rewriting import Incoming
from meetref.meeting.red import DOUBLED_BPS, Worth
from meetref.meeting.track import Track
from meetref.meeting.up import Up
from meetref.protocol.negotiation import RED_PAYLOAD_TYPE, AcceptedTrack, TakenAnswer, Transport
from meetref.wire import rtcp, rtcpfeedback, rtp
from tests.meeting.links import AUDIO, Publisher, Viewer, received_track, sound

PLENTY = 1e7


# --- is it worth it? --------------------------------------------------------------------------------


@pytest.mark.spec("red/worth-it")
@pytest.mark.parametrize(
    ("loss", "asks", "round_trip", "wanted"),
    [
        (0.0, False, 0.3, False),
        (0.005, False, 0.3, False),
        (0.05, False, 0.3, True),
        (0.05, False, 0.02, True),  # browsers do not ask again, however near they are
        (0.05, True, 0.02, False),
        (0.05, True, 0.3, True),  # too far: what is asked for comes too late
        (0.005, True, 0.3, False),
    ],
)
def test_loss_and_distance_decide(loss: float, asks: bool, round_trip: float, wanted: bool) -> None:
    worth = Worth()
    worth.asks_again = asks
    worth.on_loss(loss, 1.0)
    assert worth.look(1, 0, PLENTY, round_trip, 1.0) is wanted


@pytest.mark.spec("bandwidth/steady-loss", "red/within-the-bandwidth")
def test_what_is_lost_because_too_much_was_sent_does_not_count() -> None:
    worth = Worth()
    worth.is_ours = True
    for second in range(3):
        worth.on_report(0.3, float(second))
        assert not worth.look(1, 0, PLENTY, 0.3, float(second))
    worth.is_ours = False
    worth.on_report(0.3, 4.0)
    assert worth.look(1, 0, PLENTY, 0.3, 4.0)


@pytest.mark.spec("red/worth-it")
def test_it_begins_at_once_and_ends_after_ten_quiet_seconds() -> None:
    worth = Worth()
    worth.on_report(1 / 50, 1.0)
    assert not worth.look(1, 0, PLENTY, None, 1.0), "one lost sound is no trend"
    worth.on_report(0.1, 2.0)
    assert worth.look(1, 0, PLENTY, None, 2.0)
    wanted = []
    for second in range(3, 20):
        worth.on_report(0.0, float(second))
        wanted.append(worth.look(1, 0, PLENTY, None, float(second)))
    assert wanted == sorted(wanted, reverse=True), "once over it is over"
    assert 9 <= sum(wanted) <= 13


@pytest.mark.spec("red/within-the-bandwidth")
def test_a_line_that_is_too_thin_gets_it_once() -> None:
    worth = Worth()
    worth.on_loss(0.2, 1.0)
    assert [worth.look(voices, 0, 3 * DOUBLED_BPS, 0.2, 1.0) for voices in (1, 3, 4)] == [True, True, False]


@pytest.mark.spec("red/worth-it")
def test_of_who_asks_again_the_requests_are_counted_and_not_the_reports() -> None:
    """What was sent again has come, and so it is not lost in their reports."""
    worth, forms = Worth(), []
    for second in range(30):
        first = 50 * second
        lost = range(first, first + 50, 10) if second < 10 else []
        worth.on_asked(7, lost)
        worth.on_asked(7, lost)
        worth.on_report(0.0, float(second))
        forms.append(worth.look(1, first, PLENTY, 0.3, float(second)))
    assert forms[2:20] == [True] * 18
    assert not any(forms[23:])


@pytest.mark.spec("red/worth-it")
def test_of_who_asks_again_the_reports_count_while_sound_is_said_twice() -> None:
    """What came with its successor is not asked for, and yet it was lost."""
    worth, forms = Worth(), [False]
    for second in range(60):
        if not forms[-1]:
            worth.on_asked(7, range(50 * second, 50 * second + 50, 10))
        worth.on_report(0.1 if forms[-1] else 0.0, float(second))
        forms.append(worth.look(1, 50 * second, PLENTY, 0.3, float(second)))
    assert forms[3:] == [True] * 58


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans()), max_size=40))
def test_no_report_raises(reports: list[tuple[float, float, bool]]) -> None:
    worth = Worth()
    for number, (loss, round_trip, asks) in enumerate(reports):
        if asks:
            worth.on_asked(number % 3, range(number, 2 * number))
        worth.on_report(loss, float(number))
        assert worth.look(3, 50 * number, PLENTY, round_trip, float(number)) in (True, False)


# --- what goes --------------------------------------------------------------------------------------


def microphone() -> Track:
    clock = TrackClock(PublisherClock(), 48000)
    return Track(owner="alice", source="microphone", kind="audio", clock=clock, ask=lambda: None, arrived=[])


def speak(track: Track, *sequences: int) -> None:
    """One batch."""
    (encoding,) = track.encodings
    for number in sequences:
        encoding.receive(Incoming(number, number * 960, 0, b"%s %d" % (track.owner.encode(), number), True, 30), 0.0)
    encoding.forward(sequences[0] / 50)


def viewer(seed: int = 2, *, red: int | None = RED_PAYLOAD_TYPE) -> Viewer:
    found = Viewer(seed)
    accepted = AcceptedTrack(
        mid="a0", kind="audio", receiving=True, payload_type=111, red_payload_type=red, codecs={"opus": None}
    )
    found.down.answered(TakenAnswer(Transport("u", "p"), (accepted,)), 0.0)
    return found


def heard(packet: rtp.Packet) -> list[bytes]:
    if packet.payload_type == 111:
        return [packet.payload]
    assert packet.payload_type == RED_PAYLOAD_TYPE
    return [each.data for each in unwrap(packet.payload, packet.timestamp)]


@pytest.mark.spec("red/one-stream")
def test_the_stream_goes_on_whatever_form_it_has() -> None:
    bob, track = viewer(), microphone()
    slot = bob.down.slots["a0"]
    slot.show(track, 0.0)
    for number in range(12):
        slot.double(number // 3 % 2 == 1)
        speak(track, number)
    sent = bob.gets()
    assert [packet.payload_type for packet in sent] == ([111] * 3 + [63] * 3) * 2
    first = sent[0]
    assert [packet.sequence - first.sequence for packet in sent] == list(range(12))
    assert [(packet.timestamp - first.timestamp) & 0xFFFFFFFF for packet in sent] == [960 * n for n in range(12)]
    assert {packet.ssrc for packet in sent} == {first.ssrc}
    assert [heard(packet)[-1] for packet in sent] == [b"alice %d" % number for number in range(12)]
    assert [len(heard(packet)) for packet in sent] == [1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 2, 2]
    assert all(packet.extensions[1] == bytes([30]) for packet in sent), "the level comes with both"


@pytest.mark.spec("red/made-once")
def test_two_viewers_in_need_and_one_without() -> None:
    track, viewers = microphone(), [viewer(seed) for seed in (2, 3, 4)]
    for one in viewers:
        one.down.slots["a0"].show(track, 0.0)
    for one in viewers[:2]:
        one.down.slots["a0"].double(True)
    speak(track, 0)
    for number in range(1, 8, 2):
        speak(track, number, number + 1)
    first, second, third = [one.gets() for one in viewers]
    assert [packet.payload for packet in first] == [packet.payload for packet in second]
    assert [len(heard(packet)) for packet in first] == [1] + [2] * 8
    assert [packet.payload for packet in third] == [b"alice %d" % number for number in range(9)]


@pytest.mark.spec("red/nobody-else")
def test_nobody_hears_who_sat_there_before_nor_what_was_said_before() -> None:
    bob, cleo = viewer(2), viewer(3)
    alice, dora = microphone(), microphone()
    dora.owner = "dora"
    for one in (bob, cleo):
        one.down.slots["a0"].double(True)
    cleo.down.slots["a0"].show(dora, 0.0)
    bob.down.slots["a0"].show(alice, 0.0)
    for number in range(5):
        speak(alice, 100 + number)
        speak(dora, 200 + number)
    bob.down.slots["a0"].show(dora, 0.1)
    for number in range(5, 8):
        speak(alice, 100 + number)
        speak(dora, 200 + number)
    told = [heard(packet) for packet in bob.gets()]
    assert told[5] == [b"dora 205"]
    assert told[6] == [b"dora 205", b"dora 206"]
    assert not [each for each in told[5:] for one in each if one.startswith(b"alice")]


@pytest.mark.spec("red/agreed-only")
def test_who_does_not_speak_red_never_gets_it() -> None:
    bob, track = viewer(red=None), microphone()
    slot = bob.down.slots["a0"]
    slot.show(track, 0.0)
    slot.double(True)
    bob.down.red.on_loss(0.5, 0.0)
    bob.down.tend(0.0)
    speak(track, 1)
    assert [packet.payload_type for packet in bob.gets()] == [111]


def loses(bob: Viewer, share: float, now: float) -> None:
    ssrc = bob.down.slots["a0"].rewriter.ssrc
    bob.says(rtcp.ReceiverReport(1, [rtcp.ReportBlock(ssrc, round(256 * share), 5, 0, 0, 0, 0)]), now=now)


@pytest.mark.spec("red/worth-it")
def test_what_a_viewer_reports_decides_and_asking_again_counts() -> None:
    bob, track = viewer(), microphone()
    slot = bob.down.slots["a0"]
    slot.show(track, 0.0)
    speak(track, 1)
    forms = []
    for now, share in ((1.0, 0.0), (2.0, 0.1), (3.0, 0.1), (20.0, 0.0)):
        loses(bob, share, now)
        bob.down.tend(now)
        forms.append(slot.doubles)
    assert forms[:3] == [False, True, True]
    lost = [slot.rewriter.last_sequence]
    for _ in range(3):  # asked for three times, and lost once
        bob.says(rtcpfeedback.Nack(1, slot.rewriter.ssrc, lost), now=20.0)
    assert bob.down.red._asked == 1
    selected = bob.down.peer.ice.selected
    assert selected is not None
    forms = []
    for round_trip in (0.01, 0.4):
        selected.round_trip_time = round_trip
        bob.down.tend(20.2)
        forms.append(slot.doubles)
    assert forms == [False, True]


# --- what comes -------------------------------------------------------------------------------------


def publisher() -> tuple[Publisher, Up, Viewer]:
    alice, bob = Publisher(), viewer()
    described = received_track("a", "audio", (AUDIO,))
    alice.up.describe(
        [type(described)(mid="a", kind="audio", codecs={}, ssrcs=(AUDIO,), red=63)], {"a": "microphone"}, 0.0
    )
    bob.down.slots["a0"].show(alice.up.tracks["a"], 0.0)
    return alice, alice.up, bob


@pytest.mark.spec("red/recovered-forwarded", "red/stripped")
def test_a_sound_that_was_lost_on_the_way_here_comes_from_the_next() -> None:
    alice, up, bob = publisher()
    maker, sent = Redundancy(111), []
    for number in range(100, 112):
        packet = sound(number)
        packet.payload = maker.wrap(packet.timestamp, b"said %d" % number)
        packet.payload_type = 63
        sent.append(packet)
    for number, packet in enumerate(sent):
        if number not in (3, 6, 7):  # one alone, and two in a row
            alice.send(packet)
    alice.send(sent[3])  # it was only late
    got = bob.gets()
    first = got[0].sequence - 100
    assert {packet.payload_type for packet in got} == {111}
    assert [(packet.sequence - first, packet.payload) for packet in got] == [
        (number, b"said %d" % number) for number in range(100, 112) if number != 106
    ]
    assert up.streams[AUDIO].recovered == 2
    assert up.ignored == {"seen before": 1}
    assert up.streams[AUDIO].reception.expected == 12
    assert up.streams[AUDIO].reception.received == 10, "what was recovered was lost all the same"


@given(st.binary(max_size=80))
def test_any_octets_as_red_raise_nothing(payload: bytes) -> None:
    alice, up, bob = publisher()
    packet = sound(1)
    packet.payload, packet.payload_type = payload, 63
    alice.send(packet)
    alice.send(sound(2))
    assert bob.gets()[-1].payload == b"hum"
    assert up.streams[AUDIO].losses.next_timeout() == math.inf
