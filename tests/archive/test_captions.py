"""archive/captions: a line is shown as long as it takes to read it, and not beside the next one."""

from __future__ import annotations

import pytest

from meetref.archive.captions import CHARACTERS_A_SECOND, LEAST, SHORTEST, cue_of, one_by_one
from meetref.wire.webvtt import Cue


def shown(*lines: tuple[float, str]) -> list[tuple[float, float]]:
    cues = [cue_of(at, {"event": "caption", "text": text, "name": "Ada"}) for at, text in lines]
    return [(cue.begins, cue.ends) for cue in one_by_one(cues)]


@pytest.mark.spec("captions/reading-time")
def test_a_line_stays_until_it_is_read_or_the_next_one_comes() -> None:
    long = "x" * 20 * CHARACTERS_A_SECOND
    assert shown((1.0, "short")) == [(1.0, 1.0 + LEAST)]
    assert shown((1.0, long)) == [(1.0, 21.0)]
    assert shown((1.0, "first"), (3.0, "second")) == [(1.0, 3.0), (3.0, 3.0 + LEAST)]
    assert shown((1.0, "first"), (1.2, "second")) == [(1.0, 1.0 + SHORTEST), (1.2, 1.2 + LEAST)]
    assert shown((1.0, "first"), (60.0, "second"))[0] == (1.0, 1.0 + LEAST)
    assert shown() == []


def test_what_a_manifest_says_is_taken_as_words() -> None:
    """It may be anything that JSON can say."""
    assert cue_of(0.0, {"event": "caption"}) == Cue(0.0, LEAST, "", None)
    assert cue_of(0.0, {"text": 7, "name": ["x"]}) == Cue(0.0, LEAST, "7", "['x']")
