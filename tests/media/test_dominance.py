"""Who leads the conversation: one scene after the other, and anything that may be heard."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import dominance, speech
from meetref.media.dominance import Dominance

LOUD, SOFT, NOISE = 20, 55, 100


class Room:
    """Packets come every 20 ms at the levels that are set; who has none is not heard."""

    def __init__(self, *people: str, silence_after: float = 3.0) -> None:
        self.machine: Dominance[str] = Dominance(silence_after=silence_after)
        self.levels: dict[str, int | None] = dict.fromkeys(people, NOISE)
        self.step = 0
        self.changes: list[str | None] = []

    def run(self, seconds: float, **levels: int | None) -> str | None:
        for person in self.levels:
            self.levels[person] = levels.get(person, NOISE)
        for _ in range(round(seconds * 50)):
            self.step += 1
            now = self.step / 50
            for person, level in self.levels.items():
                if level is not None:
                    self.machine.hear(person, level, now)
            if self.machine.next_timeout() <= now and self.machine.handle_timeout(now):
                self.changes.append(self.machine.dominant)
        return self.machine.dominant


@pytest.mark.spec("speaker/three-spans", "speaker/decision-interval")
def test_who_speaks_leads_and_who_answers_does_next() -> None:
    room = Room("anna", "ben", "cleo")
    assert room.run(1) is None
    assert room.run(3, ben=LOUD) == "ben"
    assert room.run(3, cleo=LOUD) == "cleo"
    assert room.changes == ["ben", "cleo"]


@pytest.mark.spec("speaker/three-spans")
def test_a_cough_a_tap_and_a_murmur_change_nothing() -> None:
    room = Room("anna", "ben")
    room.run(1)
    room.run(3, anna=LOUD)
    for seconds, level in ((0.1, 0), (0.04, 0), (3, SOFT)):
        room.run(seconds, ben=level)
        assert room.run(0.7, anna=LOUD) == "anna"
    assert room.changes == ["anna"]


@pytest.mark.spec("speaker/three-spans")
def test_who_speaks_on_is_not_talked_down() -> None:
    room = Room("anna", "ben")
    room.run(1)
    room.run(3, anna=LOUD)
    assert room.run(5, anna=LOUD + 10, ben=LOUD - 10) == "anna"
    assert room.run(1.5, ben=LOUD) == "ben"


@pytest.mark.spec("speaker/noise-floor")
def test_a_fan_is_not_speech_and_a_soft_voice_in_a_quiet_place_is() -> None:
    room = Room("fan", "voice")
    assert room.run(5, fan=40, voice=NOISE) is None
    assert room.run(3, fan=40, voice=44) == "voice"


@pytest.mark.spec("speaker/silence", "speaker/recent")
def test_after_three_seconds_of_silence_nobody_leads_and_recent_remembers() -> None:
    room = Room("anna", "ben")
    room.run(1)
    room.run(3, anna=LOUD)
    assert room.run(2.5) == "anna"
    assert room.run(2) is None
    assert room.machine.recent == ["anna"]
    room.run(3, ben=LOUD)
    assert room.machine.recent == ["ben", "anna"]
    assert room.changes == ["anna", None, "ben"]


@pytest.mark.spec("speaker/nothing-is-silence")
def test_who_mutes_is_silent() -> None:
    room = Room("anna", "ben")
    room.run(1)
    room.run(3, anna=LOUD)
    assert room.run(6, anna=None) is None


@pytest.mark.spec("speaker/long-packets")
@pytest.mark.parametrize("milliseconds", [20, 40, 60, 120])
def test_how_long_packets_are_makes_no_difference(milliseconds: int) -> None:
    person, other = speech.Speech(0.0), speech.Speech(0.0)
    for at in range(20, 6001, 20):
        level = LOUD if at > 3000 else NOISE
        person.hear(level, at / 1000)
        if at % milliseconds == 0:
            other.hear(level, at / 1000)
    assert (other.immediate, other.medium, other.long) == (person.immediate, person.medium, person.long)
    assert person.long == speech.LONG[10]


@pytest.mark.spec("speaker/somebody-leads")
def test_without_silence_somebody_always_leads() -> None:
    room = Room("anna", "ben", silence_after=math.inf)
    assert room.run(1) == "anna"
    room.machine.leave("anna")
    del room.levels["anna"]
    assert room.run(1) == "ben"


@pytest.mark.spec("speaker/recent")
def test_who_leaves_is_forgotten() -> None:
    room = Room("anna", "ben")
    room.run(1)
    room.run(3, anna=LOUD)
    room.run(3, ben=LOUD)
    room.machine.leave("ben")
    room.machine.leave("nobody")
    assert (room.machine.dominant, room.machine.recent) == (None, ["anna"])
    room.machine.leave("anna")
    assert room.machine.next_timeout() == math.inf


@pytest.mark.spec("speaker/recent")
def test_ten_are_remembered() -> None:
    people = [f"p{number}" for number in range(14)]
    room = Room(*people)
    room.run(1)
    for person in people:
        room.run(2, **{person: LOUD})
    assert room.machine.recent == people[:-11:-1]


@pytest.mark.spec("speaker/people-bounded")
def test_people_are_bounded() -> None:
    machine: Dominance[int] = Dominance(maximum_people=10)
    for who in range(20):
        machine.hear(who, LOUD, 0.0)
    assert machine.turned_away == 10


def test_scores_grow_with_activity() -> None:
    """Over the newest 20 ms only up to nine steps of thirteen: nobody's voice is louder for long."""
    for scores in (speech.IMMEDIATE[:10], speech.MEDIUM, speech.LONG):
        assert scores[0] == speech.LEAST
        assert list(scores) == sorted(scores)


@given(
    st.sampled_from([0.5, 3.0, math.inf]),
    st.lists(st.tuples(st.integers(0, 6), st.integers(-10, 300), st.floats(0, 2), st.booleans()), max_size=120),
)
def test_time_moves_on_and_only_who_is_there_leads(
    silence_after: float, heard: list[tuple[int, int, float, bool]]
) -> None:
    machine: Dominance[int] = Dominance(silence_after=silence_after)
    present: set[int] = set()
    now = 0.0
    for who, level, wait, leaves in heard:
        now += wait
        if leaves:
            machine.leave(who)
            present.discard(who)
        else:
            machine.hear(who, level, now)
            present.add(who)
        before = machine.dominant
        assert machine.handle_timeout(now) == (machine.dominant != before)
        assert machine.next_timeout() > now
        assert machine.dominant is None or machine.dominant == machine.recent[0]
        assert len(set(machine.recent)) == len(machine.recent) <= dominance.RECENT
        assert set(machine.recent) <= present
