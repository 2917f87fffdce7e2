"""archive/playlist: whatever segments there are, the text keeps the draft's rules, from one version to the next."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.archive.playlist import Part, Playlist, Report, Segment, Variant, media_playlist, multivariant_playlist
from tests.archive.playlistrules import attributes, change_faults, faults, read

PART, SEGMENT = 28_800, 230_400


def segment(number: int, parts: int = 8) -> Segment:
    listed = tuple(Part(f"{number}.{place}.m4s", PART, place == 0) for place in range(parts))
    return Segment(number, f"{number}.m4s", SEGMENT if parts == 8 else None, 1e9 + number * 2.56, listed)


def playlist_at(moment: int, window: int = 12) -> Playlist:
    """After so many parts; at most `window` segments are whole."""
    whole, growing = divmod(moment, 8)
    segments = [segment(number) for number in range(max(0, whole - window), whole)]
    if growing:
        segments.append(segment(whole, growing))
    report = Report("../sound/list.m3u8", whole, growing)
    return Playlist(
        90_000, 3, 0.32, 0.96, "init.mp4", tuple(segments), hint=f"{whole}.{growing}.m4s", reports=(report,)
    )


@given(st.integers(1, 200), st.integers(0, 20), st.booleans())
def test_a_stream_keeps_the_rules_at_every_part(moment: int, later: int, skip: bool) -> None:
    text = media_playlist(playlist_at(moment), skip=skip)
    assert faults(text) == []
    before, after = media_playlist(playlist_at(moment)), media_playlist(playlist_at(moment + later))
    assert change_faults(before, after) == []


@pytest.mark.spec("playlist/delta-update", "playlist/skip-boundary")
@given(st.integers(1, 200))
def test_an_update_and_what_was_known_are_the_whole(moment: int) -> None:
    known = read(media_playlist(playlist_at(moment)))
    update, whole = (read(media_playlist(playlist_at(moment + 1), skip=skip)) for skip in (True, False))
    first = whole.segments[0].number
    taken = [each for each in known.segments if first <= each.number < first + update.skipped]
    together = [(each.number, each.uri) for each in [*taken, *update.segments]]
    assert together == [(each.number, each.uri) for each in whole.segments]
    assert sum(each.duration for each in update.segments) >= min(18, sum(each.duration for each in whole.segments))


@pytest.mark.spec("playlist/end", "playlist/ended-answers")
def test_what_has_ended_hints_at_nothing() -> None:
    ended = replace(playlist_at(16), has_ended=True)
    text = media_playlist(ended, skip=True)
    assert faults(text) == []
    assert "EXT-X-ENDLIST" in text
    assert "HINT" not in text
    with pytest.raises(ValueError, match="may grow"):
        replace(playlist_at(17), has_ended=True)


@pytest.mark.spec("playlist/media-sequence")
def test_only_the_last_segment_grows() -> None:
    with pytest.raises(ValueError, match="may grow"):
        replace(playlist_at(16), segments=(segment(0, 3), segment(1)))
    with pytest.raises(ValueError, match="has a part"):
        replace(playlist_at(16), segments=(segment(0), segment(1, 0)))


def test_the_validator_finds_what_is_wrong() -> None:
    text = media_playlist(playlist_at(50))
    for right, wrong in (
        ("VERSION:6", "VERSION:3"),
        ("HOLD-BACK=9", "HOLD-BACK=8"),
        ("PART-HOLD-BACK=0.96", "PART-HOLD-BACK=0.95"),
        ("DURATION=0.32000", "DURATION=0.33000"),
        ('#EXT-X-MAP:URI="init.mp4"\n', ""),
        ("#EXTINF:2.56000", "#EXTINF:2.66000"),
        ("#EXT-X-PRELOAD-HINT", "#EXT-X-NOTHING"),
        (".120Z", ".220Z"),
    ):
        assert faults(text.replace(right, wrong, 1)) != [], right
    assert change_faults(text, text.replace("TARGETDURATION:3", "TARGETDURATION:4")) != []
    assert change_faults(text, text.replace("2.m4s", "two.m4s")) != []


@pytest.mark.spec("playlist/variants", "playlist/codecs", "playlist/one-sound", "playlist/independent-segments")
def test_all_renditions_share_one_sound() -> None:
    variants = [Variant(f"{height}", 16, height, 25, "avc1.42c01f,mp4a.40.2", 3, 2) for height in (720, 360, 180)]
    lines = multivariant_playlist(variants, "sound").splitlines()
    streams = [attributes(line.partition(":")[2]) for line in lines if line.startswith("#EXT-X-STREAM-INF")]
    assert [each["AUDIO"] for each in streams] == ["sound"] * 3
    assert all("mp4a" in each["CODECS"] for each in streams)
