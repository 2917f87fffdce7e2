"""archive/studio: what goes in as packets comes out as parts that FFmpeg plays, cut at the same times."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable

import av
import numpy as np
import pytest

from meetref.archive import cue, studio
from meetref.archive.captions import MOST_IN_A_SEGMENT, Segments
from meetref.archive.studio import Studio
from meetref.archive.window import Format
from meetref.media.codec.live import Rung
from meetref.wire import mp4, webvtt
from tests.archive.recorded import Person, Source, jittery, send_pictures, send_tone
from tests.archive.studiosource import (
    all_of,
    coded_packets,
    coded_picture,
    colour_packets,
    joined,
    opened,
    tone_packets,
)

TOGETHER = 0.040  # seconds
LADDER = (Rung("large", 640, 360, 400_000), Rung("small", 320, 180, 150_000))
SECONDS = 4.0


class Taken:
    """What a studio said."""

    def __init__(self) -> None:
        self.formats: dict[str, Format] = {}
        self.pieces: dict[str, list[cue.Piece]] = defaultdict(list)
        self.wanted = 0

    def take(self, said: Iterable[cue.FromStudio]) -> None:
        for message in said:
            match message:
                case cue.Began(_, formats):
                    self.formats = {each["name"]: Format(**each) for each in formats}
                case cue.Piece():
                    self.pieces[message.rendition].append(message)
                case cue.Wanted():
                    self.wanted += 1

    def file(self, name: str) -> io.BytesIO:
        return io.BytesIO(self.formats[name].initialization + b"".join(each.octets for each in self.pieces[name]))

    def pictures(self, name: str) -> list[np.ndarray]:
        with av.open(self.file(name)) as file:
            return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]

    def samples(self) -> np.ndarray:
        with av.open(self.file("sound")) as file:
            return np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


def shown(
    messages: list[cue.ToStudio],
    packets: list[tuple[float, cue.Packet]],
    seconds: float = SECONDS,
    *,
    behind: float = 0.0,
) -> Taken:
    """A whole show, in virtual time; each picture is made so many seconds after its turn."""
    one, taken = Studio(1e9, LADDER), Taken()
    for message in messages:
        one.take(message, 0.0)
    packets = list(packets)
    for number in range(int(seconds * studio.FRAME_RATE)):
        now = number / studio.FRAME_RATE + behind
        while packets and packets[0][0] <= now:
            at, packet = packets.pop(0)
            one.take(packet, at)
        taken.take(one.frame(now))
    return taken


@pytest.fixture(scope="module")
def red_and_tone() -> Taken:
    messages = [
        joined("a", "Ada", microphone="on", camera="on"),
        opened(1, "a", "camera"),
        opened(2, "a", "microphone"),
    ]
    return shown(messages, all_of(colour_packets(1, (200, 30, 30), SECONDS), tone_packets(2, 440.0, SECONDS)))


def test_a_picture_is_seen_in_every_size(red_and_tone: Taken) -> None:
    for rung in LADDER:
        pictures = red_and_tone.pictures(rung.name)
        assert pictures[-1].shape == (rung.height, rung.width, 3)
        red, green, blue = pictures[-1][rung.height // 2, rung.width // 2]
        assert red > 150
        assert green < 80
        assert blue < 80
        early = pictures[0][rung.height // 2, rung.width // 2]
        assert early[0] < 150  # before the first picture came


def test_a_voice_is_heard_without_a_click(red_and_tone: Taken) -> None:
    samples = red_and_tone.samples()
    heard = samples[48_000 : 48_000 * 3]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    pitch = np.argmax(spectrum) * 48_000 / len(heard)
    assert abs(pitch - 440) < 3
    near = spectrum[int(430 * len(heard) / 48_000) : int(450 * len(heard) / 48_000)]
    assert (near**2).sum() > 0.98 * (spectrum**2).sum()


def test_all_renditions_are_cut_at_the_same_times(red_and_tone: Taken) -> None:
    counts = {name: len(pieces) for name, pieces in red_and_tone.pieces.items()}
    assert counts["large"] == counts["small"] == int(SECONDS / 0.32)
    assert counts["large"] - counts["sound"] in (0, 1)  # AAC comes a packet later
    for name, pieces in red_and_tone.pieces.items():
        form = red_and_tone.formats[name]
        if form.is_captions:
            continue
        assert {piece.duration * 100 / form.timescale for piece in pieces} == {32.0}
        assert form.part * 100 == 32 * form.timescale
        assert form.segment == 8 * form.part
        at = 0
        for number, piece in enumerate(pieces):
            fragment = mp4.parse_fragment(piece.octets)
            assert (fragment.number, fragment.decode_at) == (number + 1, at)
            assert piece.ends_segment == (number % 8 == 7)
            assert piece.is_independent == (name == "sound" or number % 4 == 0)
            assert [sample.is_sync for sample in fragment.samples[1:]] == [name == "sound"] * (
                len(fragment.samples) - 1
            )
            at += piece.duration


@pytest.mark.spec("playlist/captions-segment", "playlist/captions-times", "playlist/captions-whole")
def test_captions_come_in_segments_that_end_with_those_of_the_picture() -> None:
    rungs = (Rung("tiny", 64, 36, 50_000),)
    made, taken = Studio(1e9, rungs), Taken()
    lines = {10: "good morning", 60: "and welcome", 70: "to all"}
    for number in range(192):
        if number in lines:
            made.take(cue.Note({"event": "caption", "by": "b", "name": "Ada", "text": lines[number]}), number / 25)
        taken.take(made.frame(number / 25))
    segments = taken.pieces["captions"]
    assert [piece.duration for piece in segments] == [230_400] * 3
    assert all(piece.ends_segment for piece in segments)
    assert sum(piece.duration for piece in taken.pieces["tiny"]) == 3 * 230_400
    texts = [piece.octets.decode() for piece in segments]
    head = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n"
    assert all(text.startswith(head) for text in texts)
    first, second, third = (webvtt.Cue(0.4, 2.4, "Ada: good morning"), webvtt.Cue(2.4, 7.4, "Ada: and welcome"),
                            webvtt.Cue(2.8, 7.8, "Ada: to all"))  # fmt: skip
    assert list(map(webvtt.parse, texts)) == [[first, second], [second, third], [second, third]]


@pytest.mark.spec("playlist/captions-segment")
def test_a_segment_without_captions_says_so() -> None:
    segments = Segments()
    assert segments.cut(2.56).decode() == "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n"
    for number in range(3 * MOST_IN_A_SEGMENT):
        segments.take({"text": f"line {number}"}, 3.0)
    assert len(webvtt.parse(segments.cut(5.12).decode())) == MOST_IN_A_SEGMENT


def test_the_formats_are_what_was_encoded(red_and_tone: Taken) -> None:
    assert list(red_and_tone.formats) == ["large", "small", "sound", "captions"]
    assert red_and_tone.formats["large"].codecs.startswith("avc1.42")
    assert red_and_tone.formats["sound"].codecs == "mp4a.40.2"


def onsets(taken: Taken) -> tuple[np.ndarray, np.ndarray]:
    """When it gets bright, and when it gets loud."""
    lumas = np.array([picture[60:120, 130:190].mean() for picture in taken.pictures("small")])
    seen = (np.flatnonzero((lumas[1:] > 130) & (lumas[:-1] <= 130)) + 1) / studio.FRAME_RATE
    samples = np.abs(taken.samples())
    loud = samples[: len(samples) // 96 * 96].reshape(-1, 96).max(axis=1) > 0.05
    heard = [at for at in np.flatnonzero(loud) if not loud[max(0, at - 100) : at].any()]  # after a fifth of a second
    return seen, np.array(heard) * 0.002


@pytest.mark.spec("composer/lips-together")
@pytest.mark.parametrize(
    ("pictures", "sounds"), [((0.25, 0.4), (0.02, 0.1)), ((0.02, 0.06), (0.2, 0.3)), ((0.02, 0.03), (0.02, 0.03))]
)
@pytest.mark.parametrize("behind", [0.0, 0.3])
def test_a_flash_and_a_beep_are_together(
    pictures: tuple[float, float], sounds: tuple[float, float], behind: float
) -> None:
    """Sound and pictures go over networks of their own; the studio may be late itself."""
    ada = Person("Ada", off=1000.0, skew=100e-6)
    camera, microphone = Source(ada, 90_000, 1, jittery(1, *pictures)), Source(ada, 48_000, 2, jittery(2, *sounds))
    flashes = [1.0, 2.2, 3.4]
    is_on = lambda at: any(begins <= at < begins + 0.4 for begins in flashes)  # noqa: E731
    send_pictures(camera, 0, 4.2, lambda at: 220 if is_on(at + 0.001) else 40, frame_rate=30, keyframe_every=15)
    send_tone(microphone, 0, 4.2, 1000, sounds=is_on)
    messages = [
        joined("a", "Ada", microphone="on", camera="on"),
        opened(1, "a", "camera"),
        opened(2, "a", "microphone"),
    ]
    packets = all_of(
        ((at, cue.Packet(1, octets)) for at, octets in camera.packets),
        ((at, cue.Packet(2, octets)) for at, octets in microphone.packets),
    )
    seen, heard = onsets(shown(messages, packets, 5.2, behind=behind))
    assert len(seen) == len(heard) == len(flashes), (seen, heard)
    assert np.abs(heard - seen).max() < TOGETHER, (seen, heard)
    assert np.abs(seen - np.array(flashes)).max() < max(pictures[1], sounds[1]) + behind + 0.2


def brightness(pictures: list[np.ndarray]) -> np.ndarray:
    """Of the middle of the only tile, in each picture."""
    grey = np.array([0.299, 0.587, 0.114])
    return np.array([(picture[20:140, 60:260] @ grey).mean() * 219 / 255 + 16 for picture in pictures])


def wrong_by(heights: np.ndarray, codecs: dict[int, str], late: float) -> float:
    """How far off the show's brightness is, on the average, where each picture is shown so late.

    Of thirty pictures a show of 25 has some a little early or late: the neighbours are as good.
    """
    off = []
    for place in range(10, len(heights)):
        number = int((place / studio.FRAME_RATE - late) * 30 + 0.5)
        near = [expected_brightness(codecs, each) for each in (number - 1, number, number + 1)]
        off.append(min(abs(heights[place] - each) for each in near))
    return float(np.mean(off))


def expected_brightness(codecs: dict[int, str], number: int) -> float:
    codec = codecs[max(begins for begins in codecs if begins <= number)]
    return float(coded_picture(codec, number)[12:42, 15:80].mean())


@pytest.mark.parametrize("codecs", [{0: "VP8"}, {0: "H264"}, {0: "VP9"}, {0: "AV1"}, {0: "VP8", 20: "H264", 40: "AV1"}])
def test_panelists_are_seen_whatever_their_codec(codecs: dict[int, str]) -> None:
    """Each picture in its turn, from packets that come out of their turn; a codec may follow another."""
    messages = [joined("a", "Ada", microphone="none", camera="on"), opened(1, "a", "camera")]
    ends = [*list(codecs)[1:], 60]
    parts = [
        coded_packets(1, codec, range(begins, end), jittery(3))
        for (begins, codec), end in zip(codecs.items(), ends, strict=True)
    ]
    taken = shown(messages, all_of(*parts), 2.0)
    heights = brightness(taken.pictures("small"))
    assert min(wrong_by(heights, codecs, late) for late in np.arange(0.06, 0.3, 0.02)) < 4


def test_in_a_hurry_there_are_fewer_pictures_and_parts_are_as_long() -> None:
    one, taken = Studio(1e9, LADDER), Taken()
    for message in (joined("a", "Ada", microphone="none", camera="on"), opened(1, "a", "camera")):
        one.take(message, 0.0)
    for at, packet in colour_packets(1, (30, 200, 30), 0.5):
        one.take(packet, at)
    for number in range(64):
        hurry = 1 if not 8 <= number < 40 else studio.IN_A_HURRY if number < 35 else studio.IN_A_GREAT_HURRY
        taken.take(one.frame(number / 25, one_of=hurry))
    for name in ("large", "small"):
        fragments = [mp4.parse_fragment(piece.octets) for piece in taken.pieces[name]]
        assert [len(fragment.samples) for fragment in fragments] == [8, 2, 2, 2, 1, 8, 8, 8]
        assert {fragment.duration for fragment in fragments} == {8 * studio.FRAME_TICKS}
        assert [piece.is_independent for piece in taken.pieces[name]] == [True, False, False, False] * 2
        assert len(taken.pictures(name)) == 39
    assert taken.pictures("small")[-1][90, 160, 1] > 150


def test_a_studio_that_goes_on_with_a_show_keeps_its_times_and_its_beginnings() -> None:
    one, other, taken, later = Studio(1e9, LADDER), Studio(1e9, LADDER, part=29), Taken(), Taken()
    for each in (one, other):
        each.take(cue.Note({"event": "caption", "by": "a", "person": None, "name": None, "text": "Hello"}), 0.0)
    for _ in range(64):
        taken.take(one.frame(0.0))
        later.take(other.frame(0.0))
    assert later.formats == taken.formats
    for name, form in taken.formats.items():
        if not form.is_captions:
            begins = [mp4.parse_fragment(piece.octets).decode_at for piece in later.pieces[name]]
            assert begins == [(29 + place) * form.part for place in range(len(begins))]
            assert [piece.ends_segment for piece in later.pieces[name]][:8] == [False] * 7 + [True] * (len(begins) > 7)
    assert b"00:00:09.280 --> " in later.pieces["captions"][0].octets


def test_a_loss_asks_for_a_keyframe() -> None:
    packets = [each for number, each in enumerate(colour_packets(1, (30, 200, 30), 3)) if number != 30]
    messages = [joined("a", "Ada", microphone="none", camera="on"), opened(1, "a", "camera")]
    assert shown(messages, packets, 3.0).wanted >= 1
    assert shown(messages, list(colour_packets(1, (30, 200, 30), 1)), 1.0).wanted == 0


def test_a_camera_that_is_off_and_who_left_are_not_seen() -> None:
    one, taken = Studio(1e9, LADDER[1:]), Taken()
    for message in (joined("a", "Ada", microphone="on", camera="on"), opened(1, "a", "camera")):
        one.take(message, 0.0)
    for at, packet in colour_packets(1, (30, 30, 200), 0.5):
        one.take(packet, at)
    changes = {25: cue.Note({"event": "devices", "person": "a", "microphone": "on", "camera": "off", "screen": False})}
    changes[38] = cue.Note({"event": "left", "person": "a"})
    for number in range(64):
        if number in changes:
            one.take(changes[number], number / 25)
        taken.take(one.frame(number / 25))
    blue = [picture[90, 100, 2] > 150 for picture in taken.pictures("small")]
    assert blue[22]
    assert not blue[30]
    assert not blue[-1]


def test_rubbish_changes_nothing() -> None:
    one, taken = Studio(1e9, LADDER[1:]), Taken()
    one.take(opened(1, "a", "camera"), 0.0)
    one.take(opened(2, "a", "microphone"), 0.0)
    for stream in (1, 2, 9):
        for octets in (
            b"",
            b"\x80",
            bytes(12),
            b"\x80\xc8" + bytes(30),
            b"\x80\x60" + bytes(30),
            b"\x80\x6f" + b"\xff" * 40,
        ):
            one.take(cue.Packet(stream, octets), 0.0)
    one.take(cue.Close(9), 0.0)
    one.take(cue.Note({"event": "unheard of"}), 0.0)
    for number in range(16):
        taken.take(one.frame(number / 25))
    assert len(taken.pieces["small"]) == 2


def test_streams_are_bounded() -> None:
    one = Studio(1e9, LADDER[1:])
    for number in range(studio.MOST_STREAMS + 5):
        one.take(opened(number, "a", "microphone"), 0.0)
    assert len(one._cast._abouts) == studio.MOST_STREAMS


def test_messages_survive_any_cut() -> None:
    said = [cue.Made([cue.Wanted(3)]), cue.Made([cue.Piece("large", b"x" * 300, 28_800, True, False)])]
    octets = b"".join(map(cue.packed, said))
    for size in (1, 3, 7, len(octets)):
        unpacking = cue.Unpacking(cue.Made)
        found = [each for at in range(0, len(octets), size) for each in unpacking.feed(octets[at : at + size])]
        assert found == said
    with pytest.raises(ValueError, match="octets"):
        list(cue.Unpacking(cue.FromStudio).feed(b"\xff\xff\xff\xff"))
