"""Cues there and back, whatever the words are; and files of others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire.reader import Malformed
from meetref.wire.webvtt import Cue, parse, serialize

LINE = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=30)
WORDS = LINE.map(lambda line: " ".join(line.split())).filter(bool)
TIMES = st.integers(0, 10**7).map(lambda milliseconds: milliseconds / 1000)


def test_a_file_as_players_read_it() -> None:
    cues = [Cue(3661.5, 3665, "a < b & c", "Ada <L>"), Cue(0.25, 1, "first\nsecond")]
    assert serialize(cues) == (
        "WEBVTT\n\n00:00:00.250 --> 00:00:01.000\nfirst\nsecond\n\n"
        "01:01:01.500 --> 01:01:05.000\n<v Ada &lt;L&gt;>a &lt; b &amp; c\n"
    )


@given(st.lists(st.builds(Cue, TIMES, st.just(0.0), WORDS, st.none() | WORDS), max_size=5))
def test_there_and_back(cues: list[Cue]) -> None:
    cues = [Cue(cue.begins, cue.begins + 1.5, cue.text, cue.voice) for cue in sorted(cues, key=lambda cue: cue.begins)]
    read = parse(serialize(cues))
    assert [(cue.text, cue.voice) for cue in read] == [(cue.text, cue.voice) for cue in cues]
    for one, other in zip(read, cues, strict=True):
        assert one.begins == pytest.approx(other.begins, abs=0.0006)
        assert one.ends == pytest.approx(other.ends, abs=0.0006)


@given(st.text(), st.text())
def test_no_words_break_out_of_their_cue(text: str, voice: str) -> None:
    made = serialize([Cue(1, 2, text, voice), Cue(3, 4, "second")])
    assert made.count("-->") == 2
    assert parse(made)[-1] == Cue(3, 4, "second")


def test_what_others_write_is_read() -> None:
    text = (
        "\ufeffWEBVTT - a title\r\n\r\nNOTE nothing\r\n\r\nSTYLE\r\n::cue {}\r\n\r\n"
        "one\r\n00:01.000 --> 00:02.500 line:0\r\n<v.loud Emmy>Good <i>morning</i>\r\n\r\n"
        "00:05.000 --> 00:04.000\r\nbackwards\r\n\r\nwrong --> 00:04.000\r\nno time\r\n"
    )
    assert parse(text) == [Cue(1.0, 2.5, "Good morning", "Emmy")]


@pytest.mark.parametrize("text", ["", "WEBVTTX\n", "1\n00:00.000 --> 00:01.000\nx\n"])
def test_what_is_no_webvtt(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text)


@given(st.text())
def test_any_text_is_cues_or_malformed(text: str) -> None:
    for each in (text, "WEBVTT\n\n" + text):
        try:
            assert all(cue.begins < cue.ends for cue in parse(each))
        except Malformed:
            assert not each.startswith("WEBVTT\n")
