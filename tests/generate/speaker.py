"""Writes vectors/speaker: audio levels of whole conversations, and who leads them when.

Levels are made by chance from a seed: everybody has a noise floor, speech with syllables and pauses, and takes turns,
agrees, coughs or talks over others. The changes are those that `media/dominance` gives; tests/confirm/speaker.py asks
Jitsi and mediasoup.
Read next: tests/vectors/test_speaker.py, which replays them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from meetref.media.dominance import Dominance
from tests.generate.mediacases import Cases

PERIOD = 20  # milliseconds between two packets
SECOND = 1000 // PERIOD
NOTHING = 0xFF  # in a trace: no packet
QUIET = 127
NOTES = {
    "Overlap": ("Several speak at the same time", "who has the most active tenth of a second is first to lead"),
    "Pauses": ("Some packets are not sent", "what does not come counts as silence"),
}
Levels = dict[str, list[int]]


class Talk:
    """A conversation being written: `levels` by person, an entry for every 20 ms."""

    def __init__(self, people: str, seed: int) -> None:
        self._dice = random.Random(seed)
        self.levels: Levels = {person: [] for person in people}
        self._noise = {person: self._dice.randint(88, 104) for person in people}
        self._voice = {person: self._dice.randint(24, 36) for person in people}

    def run(self, seconds: float, *speaking: str, how: Callable[[str, int], int] | None = None) -> Talk:
        """So long these people speak, and the others only make their noise."""
        steps = round(seconds * SECOND)
        pauses = {person: self._pauses(steps) for person in speaking}
        for step in range(steps):
            for person, levels in self.levels.items():
                if person not in speaking:
                    levels.append(self._clip(self._dice.gauss(self._noise[person], 2)))
                elif how is not None:
                    levels.append(how(person, step))
                else:
                    levels.append(self._speech(person, step, step in pauses[person]))
        return self

    def _pauses(self, steps: int) -> frozenset[int]:
        """Between words and sentences: one to two seconds of talk, then 0.1 to 0.4 of nothing."""
        silent: set[int] = set()
        at = self._dice.randint(SECOND, 2 * SECOND)
        while at < steps:
            length = self._dice.randint(5, 20)
            silent.update(range(at, at + length))
            at += length + self._dice.randint(SECOND, 2 * SECOND)
        return frozenset(silent)

    def _speech(self, person: str, step: int, pauses: bool) -> int:
        if pauses:
            return self._clip(self._dice.gauss(self._noise[person] - 4, 3))
        syllable = 5 * abs(math.sin(step * PERIOD / 1000 * math.pi * 4))
        return self._clip(self._dice.gauss(self._voice[person] - syllable + 4, 3))

    def cough(self, person: str, seconds: float = 0.12) -> Talk:
        """One person is very loud for a moment, the others are not heard."""
        return self.run(seconds, person, how=lambda *_: 8)

    def unsent(self, person: str, first: float, end: float) -> Talk:
        """Take the packets of a person away, from one second to another."""
        levels = self.levels[person]
        span = slice(round(first * SECOND), round(end * SECOND))
        levels[span] = [NOTHING] * len(levels[span])
        return self

    @staticmethod
    def _clip(level: float) -> int:
        return min(max(round(level), 0), QUIET)


def conversation(people: str, seed: int, turns: int) -> Talk:
    """Turns of 0.3 to 9 seconds, with agreement, interruption, coughs and silence in between."""
    dice = random.Random(seed + 1000)
    talk = Talk(people, seed).run(1)
    for _ in range(turns):
        first, second = dice.sample(people, 2)
        talk.run(dice.uniform(0.3, 9), first)
        what = dice.choice(("nothing", "agreement", "over", "cough", "silence"))
        if what == "agreement":
            talk.run(dice.uniform(0.2, 0.6), first, second)
        elif what == "over":
            talk.run(dice.uniform(0.5, 3), first, second)
        elif what == "cough":
            talk.cough(second)
        elif what == "silence":
            talk.run(dice.uniform(0.5, 6))
    return talk


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {"speaker/dominant": _dominant()}


def _dominant() -> dict[str, Any]:
    cases = Cases("speaker-dominant", NOTES)
    source = "Volfin and Cohen 2013; Jitsi's and mediasoup's parameters"
    cases.group("without-silence", source)
    for comment, reqs, talk, flags in _always():
        _add(cases, comment, reqs, talk, None, flags)
    cases.group("with-silence", source)
    for comment, reqs, talk in _silent():
        _add(cases, comment, reqs, talk, 3000, [])
    cases.group("with-pauses", source)
    for comment, reqs, talk in _pausing():
        _add(cases, comment, reqs, talk, None, ["Pauses"])
    return cases.finish()


def _always() -> list[tuple[str, str, Talk, list[str]]]:
    spans = "three-spans decision-interval"
    written = [
        ("one person, silent", "somebody-leads", Talk("a", 1).run(3), []),
        ("two take turns", spans, Talk("ab", 2).run(1).run(5, "a").run(5, "b").run(5, "a"), []),
        ("a cough changes nothing", spans, Talk("ab", 3).run(1).run(5, "a").cough("b").run(3, "a"), []),
        ("a cough into silence", spans, Talk("ab", 4).run(2).run(3, "a").run(2).cough("b").run(2), []),
        ("agreeing changes nothing", spans, Talk("abc", 5).run(1).run(4, "b").run(0.4, "b", "c").run(4, "b"), []),
        (
            "talked over",
            "three-spans middle-decides",
            Talk("abc", 6).run(1).run(3, "a").run(4, "a", "b", "c"),
            ["Overlap"],
        ),
        ("two begin at once", "middle-decides", Talk("abc", 7).run(2).run(4, "b", "c").run(2), ["Overlap"]),
        ("the floor falls at once", "noise-floor", _softer(Talk("ab", 8).run(2), "b", 4), []),
        ("the floor rises after 15 s", "noise-floor", _louder_noise(), []),
    ]
    for seed in range(20, 26):
        people = "abcdefghijkl"[: 3 + seed % 5 * 2]
        written.append((f"conversation of {len(people)}", spans, conversation(people, seed, 12), ["Overlap"]))
    return written


def _softer(talk: Talk, person: str, seconds: float) -> Talk:
    """Somebody whose first sound is loud, and who is only later heard silent."""
    talk.run(seconds, person, how=lambda *_: 40)
    return talk.run(0.5).run(seconds, person)


def _louder_noise() -> Talk:
    talk = Talk("ab", 9).run(2).run(2, "a")
    talk.run(20, "b", how=lambda _, step: 40 + step % 3)  # a fan beside b's microphone
    return talk.run(3, "a").run(3, "b")


def _silent() -> list[tuple[str, str, Talk]]:
    return [
        ("nobody has spoken yet", "silence", Talk("ab", 30).run(5)),
        ("one person speaks and stops", "silence", Talk("a", 31).run(1).run(4, "a").run(6)),
        (
            "silence between two speakers",
            "silence recent",
            Talk("abc", 32).run(1).run(4, "b").run(6).run(4, "c").run(5),
        ),
        ("a pause of two seconds is none", "silence", Talk("ab", 33).run(1).run(4, "a").run(2).run(4, "a")),
        ("a cough ends no silence", "silence", Talk("ab", 34).run(1).run(3, "a").run(5).cough("b").run(2)),
    ]


def _pausing() -> list[tuple[str, str, Talk]]:
    muted = Talk("ab", 40).run(1).run(4, "a").run(5, "b").unsent("a", 5, 10)
    return [
        ("muted while leading", "nothing-is-silence", muted),
        ("muted and back", "nothing-is-silence", _back()),
        ("packets of 60 ms", "long-packets", _long_packets()),
    ]


def _back() -> Talk:
    talk = Talk("abc", 41).run(1).run(3, "a").run(3, "b").run(4, "a", "c").run(3, "c")
    return talk.unsent("b", 7, 14).unsent("a", 4, 7)


def _long_packets() -> Talk:
    talk = Talk("ab", 42).run(1).run(4, "a").run(4, "b").run(4, "a")
    levels = talk.levels["b"]
    talk.levels["b"] = [level if step % 3 == 0 else NOTHING for step, level in enumerate(levels)]
    return talk


def _add(cases: Cases, comment: str, reqs: str, talk: Talk, silence_ms: int | None, flags: list[str]) -> None:
    cases.valid(
        comment,
        reqs,
        {"silence_after_ms": silence_ms, "levels": {who: bytes(levels).hex() for who, levels in talk.levels.items()}},
        {"changes": changes(talk.levels, silence_ms)},
        flags,
    )


def changes(levels: Levels, silence_ms: int | None) -> list[list[Any]]:
    """When whom `media/dominance` names: milliseconds and a person, or null for silence."""
    room: Dominance[str] = Dominance(silence_after=math.inf if silence_ms is None else silence_ms / 1000)
    told = []
    for step in range(len(next(iter(levels.values())))):
        now = step * PERIOD / 1000
        for who, heard in levels.items():
            if heard[step] != NOTHING:
                room.hear(who, heard[step], now)
        due = room.next_timeout()
        # 1 us: the times of a trace are whole milliseconds, and 0.3 + 0.3 + 0.3 is not 0.9
        if due <= now + 1e-6 and room.handle_timeout(max(due, now)):
            told.append([step * PERIOD, room.dominant])
    return told
