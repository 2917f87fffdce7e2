"""Three clocks that run differently, for an hour: lips stay together, and nothing that a sender says breaks it."""

from __future__ import annotations

import random
from array import array
from pathlib import Path

import pytest

from meetref.archive.reading import open_recording
from meetref.archive.timing import LEAPT, MOST_SOURCES, REPORTS_APART, Clocks, Observed, align, clocks_of, observe
from meetref.media.clock import to_ntp
from meetref.wire import rtcp, rtp
from tests.archive.recorded import OPUS, VP8, Person, Recorded, Source, send_tone, steady

BASE = 1_000_000
TOGETHER = 0.040  # seconds
MIC, CAM = ("mic", 1), ("cam", 2)


class Sender:
    """Sends for an hour: `skew` is that of its wall clock, `drift` that of its sound card, both against ours."""

    def __init__(self, seed: int, *, skew: float = 0.0, drift: float = 0.0, seconds: float = 3600.0) -> None:
        self.dice = random.Random(seed)
        self.skew, self.drift, self.seconds = skew, drift, seconds
        self.mic, self.cam = Observed(48000), Observed(90000)

    def wall(self, at: float) -> float:
        return 1_795_000_000 + 17.5 + at * (1 + self.skew)

    def sound_at(self, at: float) -> int:
        return BASE + round(at * (1 + self.skew + self.drift) * 48000)

    def picture_at(self, at: float) -> int:
        return 7 * BASE + round(at * (1 + self.skew) * 90000)

    def way(self, at: float) -> float:
        """Over a network that is slow for five minutes."""
        return 0.03 + 0.08 * self.dice.random() ** 4 + (0.3 if 600 < at < 900 else 0)

    def send(self, *, sound_every: float = 0.1, pictures_every: float = 0.2) -> None:
        self._send(self.mic, self.sound_at, sound_every)
        self._send(self.cam, self.picture_at, pictures_every)

    def _send(self, seen: Observed, timestamp_at: object, every: float) -> None:
        came = []
        for number in range(int(self.seconds / every)):
            at = number * every
            came.append((at + self.way(at), timestamp_at(at)))  # type: ignore[operator]
        came.sort()
        seen.arrivals, seen.timestamps = array("d", [at for at, _ in came]), array("q", [stamp for _, stamp in came])

    def report(self, at: float, *, sound: bool = True, pictures: bool = True, noise: float = 0.004) -> None:
        for wanted, seen, timestamp_at in ((sound, self.mic, self.sound_at), (pictures, self.cam, self.picture_at)):
            if wanted:
                wall = self.wall(at) + self.dice.uniform(-noise, noise)
                seen.reports.append((at + self.way(at), wall, timestamp_at(at)))

    def clocks(self) -> Clocks:
        return align({MIC: self.mic, CAM: self.cam})

    def check(self, *, together: float = TOGETHER, right: float = 0.05) -> float:
        """How far sound and pictures of one moment are apart at most, and neither is far from when it was."""
        clocks, worst = self.clocks(), 0.0
        for number in range(int(self.seconds / 5)):
            at = number * 5.0 + 1
            if at < self.seconds:
                heard = clocks[MIC].seconds(self.sound_at(at), at + 0.05)
                seen = clocks[CAM].seconds(self.picture_at(at), at + 0.05)
                worst = max(worst, abs(heard - seen))
                assert abs(heard - at - 0.03) < right, at
                assert abs(seen - at - 0.03) < right, at
        assert worst < together
        return worst


@pytest.mark.spec("composer/lips-together", "composer/one-offset-a-person", "composer/fastest-packet")
@pytest.mark.parametrize(("skew", "drift"), [(0.0, 0.0), (200e-6, 0.0), (-150e-6, 200e-6), (100e-6, -200e-6)])
def test_lips_stay_together_for_an_hour(skew: float, drift: float) -> None:
    """200 ppm are 720 ms in an hour, and the network is slow for five minutes of it: a few milliseconds are left."""
    sender = Sender(1, skew=skew, drift=drift)
    sender.send()
    for second in range(1, 3600, 5):
        sender.report(float(second))
    assert sender.check(together=0.010, right=0.025) < 0.010


@pytest.mark.spec("composer/lips-together")
def test_reports_that_come_late_tell_of_what_was_before() -> None:
    sender = Sender(2, drift=200e-6, seconds=120)
    sender.send()
    for second in (60, 65, 70, 110):
        sender.report(float(second))
    sender.check()


@pytest.mark.spec("composer/lips-together")
def test_a_report_that_is_faster_than_the_first_packet_counts(tmp_path: Path) -> None:
    recorded, ada = Recorded(tmp_path / "r"), Person("Ada", off=50.0)
    microphone, camera = Source(ada, 48000, 1, steady(0.02)), Source(ada, 90000, 2, steady(0.35))
    for source in (microphone, camera):
        source.report(0.0)
        for number in range(100):
            source.send(number * 0.02, [b"x"], OPUS if source is microphone else VP8)
    recorded.add("microphone", microphone)
    recorded.add("camera", camera)
    clocks = clocks_of(open_recording(recorded.write(20)).streams)
    [mic], [cam] = ([clock for (name, _), clock in clocks.items() if kind in name] for kind in ("microphone", "camera"))
    heard, seen = (
        clock.seconds(source.timestamp(0.0) + source.rate, 1.5) for clock, source in ((mic, microphone), (cam, camera))
    )
    assert abs(heard - seen) < 0.001


@pytest.mark.spec("composer/lips-together")
def test_a_sound_card_that_stands_still_for_a_moment() -> None:
    """Its timestamps are behind from then on, and the next report says so; by single ones nothing is moved."""
    sender = Sender(7, seconds=120)
    sound_at = sender.sound_at
    sender.sound_at = lambda at: sound_at(at - (0.2 if at > 32.5 else 0.0))  # type: ignore[method-assign]
    sender.send()
    for second in range(1, 120, 5):
        sender.report(float(second), noise=0.017)
    sender.mic.reports[15] = (76.03, sender.wall(76.0) + 0.1, sender.sound_at(76.0))
    clocks = sender.clocks()
    for at in (1.0, 20.0, 30.0, 37.0, 60.0, 76.0, 119.0):
        heard = clocks[MIC].seconds(sender.sound_at(at), at + 0.05)
        seen = clocks[CAM].seconds(sender.picture_at(at), at + 0.05)
        assert abs(heard - seen) < 0.025, at


@pytest.mark.spec("composer/fastest-packet")
def test_some_packets_that_come_before_their_time_move_nothing() -> None:
    """A busy machine sends the sound of the next tenth of a second at once."""
    sender = Sender(8, seconds=60)
    sender.send(sound_every=0.02)
    for second in range(1, 60, 5):
        sender.report(float(second))
        for place in range(6):
            sender.mic.arrivals[second * 50 + place] = second + 0.03 - 0.02 * (6 - place)
    sender.check(right=0.015)


@pytest.mark.spec("composer/without-reports")
def test_without_reports_the_fastest_packets_tell() -> None:
    sender = Sender(3, skew=100e-6, drift=100e-6)
    sender.send()
    sender.check(right=0.02)


@pytest.mark.spec("composer/without-reports")
def test_one_stream_with_reports_and_one_without() -> None:
    sender = Sender(4, drift=200e-6, seconds=600)
    sender.send()
    for second in range(1, 600, 5):
        sender.report(float(second), sound=False)
    sender.check()


@pytest.mark.spec("composer/reports-judged")
def test_reports_of_a_clock_that_cannot_run_so_are_not_believed() -> None:
    sender = Sender(5, seconds=300)
    sender.send()
    for second in range(1, 300, 5):
        sender.mic.reports.append((second + 0.03, 1_795_000_000 + second * 1.01, sender.sound_at(second)))
        sender.report(float(second), sound=False)
    sender.check()


@pytest.mark.spec("composer/clock-set")
@pytest.mark.parametrize("step", [-3600.0, 5.0])
def test_the_wall_clock_of_a_sender_is_set(step: float) -> None:
    sender = Sender(6, seconds=600)
    sender.send()
    for second in range(1, 300, 5):
        sender.report(float(second))
    before = sender.wall
    sender.wall = lambda at: before(at) + step  # type: ignore[method-assign]
    for second in range(301, 600, 5):
        sender.report(float(second))
    sender.check(right=0.15, together=TOGETHER)


@pytest.mark.spec("composer/timestamps-begin-anew")
@pytest.mark.parametrize(("pause", "slip"), [(20.0, 20.0), (2.0, 1.9), (0.0, LEAPT + 1), (0.0, -100.0)])
def test_timestamps_that_stood_still_or_began_anew(pause: float, slip: float) -> None:
    """Behind second 50 timestamps are `slip` seconds behind what they should be."""
    seen = Observed(48000)
    for number in range(5000):
        at = number * 0.02
        if not 50 <= at < 50 + pause:
            seen.arrivals.append(at + 0.03)
            seen.timestamps.append(round((at - (slip if at >= 50 else 0)) * 48000))
    clock = align({MIC: seen})[MIC]
    for arrived_at, timestamp in zip(seen.arrivals, seen.timestamps, strict=True):
        assert abs(clock.seconds(timestamp, arrived_at) - arrived_at) < 0.001


@pytest.mark.spec("composer/timestamps-begin-anew")
def test_a_network_that_stands_still_moves_nothing() -> None:
    """For two seconds nothing comes, then everything at once."""
    seen = Observed(48000)
    for number in range(5000):
        at = number * 0.02
        seen.arrivals.append(max(at, 52.0) + 0.03 if 50 <= at < 52 else at + 0.03)
        seen.timestamps.append(round(at * 48000))
    clock = align({MIC: seen})[MIC]
    assert all(abs(clock.seconds(stamp, 1000.0) - stamp / 48000 - 0.03) < 0.001 for stamp in seen.timestamps)


@pytest.mark.spec("composer/bounded")
def test_of_one_stream_not_more_than_some_ssrcs_are_followed(tmp_path: Path) -> None:
    recorded, ada = Recorded(tmp_path / "r"), Person("Ada")
    sources = [Source(ada, 48000, ssrc, steady()) for ssrc in range(1, MOST_SOURCES + 9)]
    for number, source in enumerate(sources):
        source.send(number * 0.1, [b"x"], OPUS)
    recorded.add("microphone", *sources)
    [stream] = open_recording(recorded.write(20)).streams
    assert set(observe(stream)) == set(range(1, MOST_SOURCES + 1))


def test_nothing_of_a_sender_raises(tmp_path: Path) -> None:
    dice = random.Random(8)
    recorded, ada = Recorded(tmp_path / "r"), Person("Ada")
    source = Source(ada, 48000, 5, steady())
    send_tone(source, 0, 2, 440)
    for _ in range(300):
        at = dice.uniform(0, 3)
        ntp, timestamp = dice.choice([0, to_ntp(0), 2**64 - 1, to_ntp(1e9)]), dice.getrandbits(32)
        source.packets.append((at, rtcp.serialize([rtcp.SenderReport(5, ntp, timestamp, 0, 0)])))
        junk = bytes([dice.choice([0x80, 0x90, 0xFF]), dice.choice([111, 200, 205])]) + dice.randbytes(
            dice.randrange(30)
        )
        source.packets.append((at, junk))
        wild = rtp.Packet(OPUS, dice.getrandbits(16), timestamp, dice.choice([5, 6, 7]), b"x")
        source.packets.append((at, rtp.serialize(wild)))
    recorded.add("microphone", source)
    clocks = clocks_of(open_recording(recorded.write(3)).streams)
    for clock in clocks.values():
        assert clock.seconds(dice.getrandbits(32), 1.0) == clock.seconds(0, 1.0) or clock.begins <= clock.ends


@pytest.mark.spec("composer/bounded")
def test_a_flood_of_sender_reports_is_looked_at_now_and_then(tmp_path: Path) -> None:
    """Each control packet may have dozens, and a publisher may send a thousand a second."""
    ada = Person("Ada")
    microphone = Source(ada, 48000, 7, steady())
    send_tone(microphone, 0, 4, 400)
    for number in range(40_000):
        microphone.report(number * 0.0001)
    recorded = Recorded(tmp_path / "r")
    recorded.add("microphone", microphone)
    [stream] = open_recording(recorded.write(5)).streams
    seen = observe(stream)[7]
    assert 50 < len(seen.reports) <= 4 / REPORTS_APART + 1
    clock = clocks_of([stream])[stream.name, 7]
    assert abs(clock.seconds(seen.timestamps[100], seen.arrivals[100]) - seen.arrivals[100]) < 0.05
