"""archive/window: an audience is served from a bounded memory, and its requests wait for what comes next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import trio
import trio.testing

from meetref.archive.reload import BadRequest, Directives
from meetref.archive.window import KEPT, LISTED, Format, Show, TooLate
from tests.archive.playlistrules import change_faults, faults, read

PICTURE = Format("v720", 90_000, 28_800, 230_400, "avc1.42c01f", 1_500_000, b"picture", (1280, 720), 25)
SOUND = Format("sound", 48_000, 15_360, 122_880, "mp4a.40.2", 64_000, b"sound")
NOTHING = Directives()


def show() -> Show:
    return Show("secret", [PICTURE, SOUND], 1e9)


def feed(stream: Show, moments: range) -> None:
    """The parts of these moments, eight of which are a segment."""
    for moment in moments:
        for name, form in (("v720", PICTURE), ("sound", SOUND)):
            octets = f"{name} {moment};".encode()
            first, last = moment % 8 == 0, moment % 8 == 7
            stream.renditions[name].add(octets, form.part, is_independent=first or name == "sound", ends_segment=last)


async def listed(stream: Show, name: str = "v720", wanted: Directives = NOTHING) -> str:
    text = await stream.list_of(name, wanted)
    assert text is not None
    return text


async def test_every_playlist_of_a_long_stream_keeps_the_rules() -> None:
    stream = show()
    before = {"v720": "", "sound": ""}
    for moment in range(8 * 40):
        feed(stream, range(moment, moment + 1))
        for name, old in before.items():
            text = await listed(stream, name)
            assert faults(text) == []
            assert not old or change_faults(old, text) == []
            before[name] = text
    playlist = read(before["v720"])
    assert len(playlist.segments) == LISTED
    assert playlist.segments[-1].number == 39


CAPTIONS = Format("captions", 90_000, 0, 230_400, "", 0, b"")


@pytest.mark.spec("playlist/captions-whole", "playlist/captions-offered")
async def test_captions_are_listed_in_whole_segments_beside_the_others() -> None:
    stream = Show("secret", [PICTURE, SOUND, CAPTIONS], 1e9)
    before = ""
    for number in range(20):
        feed(stream, range(8 * number, 8 * number + 8))
        text = f"WEBVTT\n\n{number}".encode()
        stream.renditions["captions"].add(text, 230_400, is_independent=True, ends_segment=True)
        after = await listed(stream, "captions")
        assert faults(after) == []
        assert not before or change_faults(before, after) == []
        assert not {"EXT-X-PART", "EXT-X-MAP", "PRELOAD-HINT"} & set(after.replace(":", "\n#").split("\n#"))
        assert await stream.piece_of("captions", f"{number}.vtt") == text
        before = after
    picture, words = read(await listed(stream)), read(before)
    assert [each.dated for each in words.segments] == [each.dated for each in picture.segments]
    assert await stream.piece_of("captions", "19.m4s") is None
    assert await stream.piece_of("captions", "init.mp4") is None
    assert await stream.list_of("captions", Directives(19)) == before
    assert 'captions/list.m3u8",LAST-MSN=19\n' in await listed(stream)
    index = stream.all_renditions(lambda rendition, file: f"{rendition}/{file}")
    assert 'TYPE=SUBTITLES,GROUP-ID="captions"' in index
    assert 'AUDIO="sound",SUBTITLES="captions"\nv720/list.m3u8' in index
    assert "captions" not in stream.description(1e9, lambda rendition, file: f"{rendition}/{file}", "time")


async def test_what_is_listed_can_be_loaded_and_memory_is_bounded() -> None:
    stream = show()
    feed(stream, range(8 * 60 + 3))
    text = await listed(stream)
    for segment in read(text).segments:
        names = [part.attributes["URI"] for part in segment.parts]
        assert all([await stream.piece_of("v720", name) for name in [*names, *filter(None, [segment.uri])]])
    assert await stream.piece_of("v720", "59.m4s") == b"".join(b"v720 %d;" % each for each in range(472, 480))
    assert await stream.piece_of("v720", "60.2.m4s") == b"v720 482;"
    assert await stream.piece_of("sound", "init.mp4") == b"sound"
    present = [number for number in range(61) if await stream.piece_of("v720", f"{number}.0.m4s") is not None]
    assert present == list(range(61 - KEPT, 61))
    assert KEPT >= 2 * LISTED + 1


@pytest.mark.parametrize(
    "name", ["60.m4s", "1.m4s", "60.4.m4s", "61.0.m4s", "x.m4s", "../init.mp4", "", "9" * 13 + ".m4s"]
)
async def test_what_is_not_there_is_not_waited_for(name: str) -> None:
    stream = show()
    feed(stream, range(8 * 60 + 3))
    assert await stream.piece_of("v720", name) is None
    assert await stream.piece_of("v1080", "init.mp4") is None
    assert await stream.list_of("v1080", NOTHING) is None


async def answered(wait: Callable[[], object], stream: Show) -> object:
    """What somebody is told who waits while the parts up to the end of the next segment come."""
    found: list[object] = []

    async def ask() -> None:
        found.append(await wait())  # type: ignore[misc]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert found == []
        feed(stream, range(11, 17))
    return found[0]


@pytest.mark.spec("playlist/blocking-part", "playlist/blocking-segment")
async def test_requests_wait_for_what_comes_next() -> None:
    for wanted in (Directives(1, 3), Directives(1)):
        stream = show()
        feed(stream, range(11))
        text = await answered(lambda: stream.list_of("v720", wanted), stream)  # noqa: B023
        assert "1.3.m4s" in str(text)


@pytest.mark.spec("playlist/preload-hint")
async def test_the_part_that_was_hinted_at_is_waited_for() -> None:
    stream = show()
    feed(stream, range(11))
    assert 'PRELOAD-HINT:TYPE=PART,URI="1.3.m4s"' in await listed(stream)
    assert await answered(lambda: stream.piece_of("v720", "1.3.m4s"), stream) == b"v720 11;"


async def test_nobody_waits_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    stream = show()
    feed(stream, range(11))
    with pytest.raises(TooLate):
        await stream.list_of("v720", Directives(1, 3))
    with pytest.raises(TooLate):
        await stream.piece_of("v720", "1.3.m4s")
    assert trio.current_time() >= 18
    with pytest.raises(BadRequest):
        await stream.list_of("v720", Directives(9))


@pytest.mark.spec("playlist/end", "playlist/ended-answers")
async def test_the_end_is_told_to_who_waits() -> None:
    stream = show()
    feed(stream, range(11))
    async with trio.open_nursery() as nursery:
        found: list[str] = []

        async def ask() -> None:
            found.append(await listed(stream, wanted=Directives(2)))

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        stream.end()
    assert "ENDLIST" in found[0]
    assert faults(found[0]) == []


@pytest.mark.spec("playlist/discontinuity", "playlist/discontinuity-sequence", "playlist/part-beyond-segment")
async def test_another_encoder_goes_on_with_a_gap_and_changes_nothing() -> None:
    stream = show()
    before, pieces, sequences = "", dict[str, bytes](), list[str]()
    for moment in range(8 * 40):
        feed(stream, range(moment, moment + 1))
        if moment in (10, 23, 26):  # amid a segment, at its end, and with another break in the list
            asked = Directives(stream.renditions["v720"].edge[0], 7)
            stream.pause()
            assert faults(await listed(stream)) == []
            assert stream.can_go_on([PICTURE, SOUND])
            stream.go_on(stream.parts + 7)
            feed(stream, range(8 * 100, 8 * 100 + 8))
            assert "EXT-X-DISCONTINUITY\n" in await listed(stream, wanted=asked)
        text = await listed(stream)
        assert faults(text) == []
        assert not before or change_faults(before, text) == []
        before = text
        sequences.append(read(text).heads.get("EXT-X-DISCONTINUITY-SEQUENCE", ""))
        for number in range(60):
            for name in (f"{number}.m4s", f"{number}.0.m4s", f"{number}.7.m4s"):
                octets = stream.renditions["v720"].piece(name)
                assert octets is None or pieces.setdefault(name, octets) == octets
    assert list(dict.fromkeys(sequences)) == ["", "0", "1", "2", "3"]
    assert not stream.can_go_on([replace(PICTURE, initialization=b"another"), SOUND])


@pytest.mark.spec("playlist/dash-timeline")
async def test_the_gap_is_in_the_description_too() -> None:
    stream = show()
    feed(stream, range(20))
    stream.pause()
    stream.go_on(30)
    feed(stream, range(24, 32))
    described = stream.description(1e9 + 60, lambda rendition, file: f"{rendition}/{file}", "time")
    lasts = 4 * PICTURE.part
    for line in (f'<S t="{2 * PICTURE.segment}" d="{lasts}"/>', f'<S t="{30 * PICTURE.part}" d="{PICTURE.segment}"/>'):
        assert line in described
    assert f'<S t="{30 * SOUND.part}" d="{SOUND.segment}"/>' in described


@pytest.mark.spec("playlist/rendition-report")
async def test_reports_tell_of_the_others() -> None:
    stream = show()
    feed(stream, range(11))
    stream.renditions["sound"].add(b"", SOUND.part, is_independent=True, ends_segment=False)
    reports = [about for name, about in read(await listed(stream)).tails if name == "EXT-X-RENDITION-REPORT"]
    assert reports == [{"URI": "../sound/list.m3u8", "LAST-MSN": "1", "LAST-PART": "3"}]


async def test_all_renditions_and_their_description() -> None:
    stream = show()
    feed(stream, range(7))
    assert not stream.has_whole_segment
    feed(stream, range(7, 8 * 20 + 1))
    assert stream.has_whole_segment

    def address(name: str, file: str) -> str:
        return f"secret/{name}/{file}"

    text = stream.all_renditions(address)
    assert 'CODECS="avc1.42c01f,mp4a.40.2"' in text
    assert "secret/v720/list.m3u8" in text.splitlines()
    described = stream.description(1e9 + 60, address, "time")
    assert described.count("<S ") == 2 * LISTED
    first = 20 - LISTED
    assert f'startNumber="{first}"' in described
    assert f'<S t="{first * 230_400}" d="230400"/>' in described
