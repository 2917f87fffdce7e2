"""Who is loudest, without flapping."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import speaker
from meetref.media.speaker import Loudest

LOUD, SPOKEN, SOFT, SILENT = 20, 40, 60, 127


class Talk:
    """A room in which packets come every 20 ms at the levels that are set."""

    def __init__(self, count: int) -> None:
        self.loudest: Loudest[str] = Loudest(count)
        self.levels: dict[str, int] = {}
        self.now = 0.0
        self.changes = 0

    def run(self, seconds: float) -> list[str]:
        for _ in range(round(seconds / 0.02)):
            self.now += 0.02
            for who, level in self.levels.items():
                self.loudest.hear(who, level, self.now)
            if self.loudest.next_timeout() <= self.now:
                change = self.loudest.handle_timeout(self.now)
                self.changes += len(change.joined)
                assert len(change.joined) >= len(change.left)
        return self.loudest.loudest


def test_free_places_go_to_whoever_there_is_loudest_first() -> None:
    talk = Talk(2)
    talk.levels = {"anna": SILENT, "ben": LOUD, "cleo": SOFT}
    assert talk.run(0.3) == ["ben", "cleo"]


@pytest.mark.spec("speaker/loudest-stay")
def test_a_speaker_gets_the_place_of_somebody_silent() -> None:
    talk = Talk(2)
    talk.levels = {"anna": LOUD, "ben": SILENT}
    talk.run(3)
    talk.levels["cleo"] = LOUD
    assert talk.run(1) == ["anna", "cleo"]


@pytest.mark.spec("speaker/silent-place-free")
def test_the_place_of_somebody_silent_is_had_at_once() -> None:
    talk = Talk(3)
    talk.levels = {"anna": LOUD, "ben": SILENT, "cleo": LOUD}
    talk.run(3)
    talk.levels |= {"cleo": SILENT, "anna": SILENT}
    talk.run(3)
    talk.levels |= {"anna": SPOKEN, "dora": SPOKEN}
    assert talk.run(speaker.INTERVAL + 0.02) == ["anna", "cleo", "dora"], "ben has been silent for longest"
    talk.levels["emil"] = SPOKEN
    assert talk.run(speaker.INTERVAL + 0.02) == ["anna", "dora", "emil"]
    talk.levels["fritz"] = LOUD
    assert "fritz" not in talk.run(speaker.INTERVAL + 0.02), "who speaks is not pushed aside at the first word"


@pytest.mark.spec("speaker/loudest-margin")
def test_a_cough_changes_nothing() -> None:
    talk = Talk(1)
    talk.levels = {"anna": SOFT, "ben": SILENT}
    talk.run(3)
    talk.levels["ben"] = LOUD
    talk.run(0.1)
    talk.levels["ben"] = SILENT
    assert talk.run(1) == ["anna"]
    assert talk.changes == 1


@pytest.mark.spec("speaker/loudest-margin")
def test_two_equally_loud_do_not_take_turns() -> None:
    talk = Talk(1)
    talk.levels = {"anna": 30, "ben": 28}
    for _ in range(20):
        talk.levels = {"anna": talk.levels["ben"], "ben": talk.levels["anna"]}
        talk.run(0.5)
    assert talk.changes == 1


@pytest.mark.spec("speaker/loudest-margin")
def test_who_pauses_between_sentences_keeps_the_place() -> None:
    talk = Talk(1)
    talk.levels = {"anna": LOUD, "ben": SILENT}
    for _ in range(10):
        talk.levels["anna"] = LOUD
        talk.run(1.5)
        talk.levels["anna"] = SILENT
        talk.run(0.5)
    assert talk.loudest.loudest == ["anna"]


@pytest.mark.spec("speaker/loudest-speaking")
def test_who_stops_sending_falls_silent() -> None:
    talk = Talk(1)
    talk.levels = {"anna": LOUD, "ben": SOFT}
    talk.run(1)
    assert talk.loudest.is_speaking("anna")
    assert not talk.loudest.is_speaking("ben")
    del talk.levels["anna"]
    talk.run(2)
    assert not talk.loudest.is_speaking("anna")
    assert talk.loudest.loudest == ["ben"]


def test_who_leaves_frees_the_place_at_once() -> None:
    talk = Talk(1)
    talk.levels = {"anna": LOUD, "ben": SOFT}
    talk.run(1)
    del talk.levels["anna"]
    talk.loudest.leave("anna")
    talk.loudest.leave("nobody")
    assert talk.loudest.loudest == []
    assert talk.run(0.2) == ["ben"]
    talk.loudest.leave("ben")
    assert talk.loudest.next_timeout() == math.inf
    assert talk.loudest.loudness("ben") == 0


@pytest.mark.spec("speaker/people-bounded")
def test_people_are_bounded() -> None:
    loudest: Loudest[int] = Loudest(3, maximum_people=10)
    for who in range(20):
        loudest.hear(who, LOUD, 0.0)
    assert loudest.turned_away == 10


@given(
    st.integers(0, 4),
    st.lists(st.tuples(st.integers(0, 6), st.integers(-10, 300), st.floats(0, 2), st.booleans()), max_size=120),
)
def test_time_moves_on_and_the_places_are_kept(count: int, heard: list[tuple[int, int, float, bool]]) -> None:
    loudest: Loudest[int] = Loudest(count)
    present: set[int] = set()
    now = 0.0
    for who, level, wait, leaves in heard:
        now += wait
        if leaves:
            loudest.leave(who)
            present.discard(who)
        else:
            loudest.hear(who, level, now)
            present.add(who)
        before = list(loudest.loudest)
        change = loudest.handle_timeout(now)
        assert loudest.next_timeout() > now
        assert len(loudest.loudest) == len(set(loudest.loudest)) <= count
        assert set(loudest.loudest) <= present
        assert sorted(loudest.loudest) == sorted((set(before) - set(change.left)) | set(change.joined))
        assert all(0 <= loudest.loudness(one) <= speaker.SILENCE for one in present)
