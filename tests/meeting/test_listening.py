"""Who leads, who led before, and that who is gone or silent leads no more."""

from __future__ import annotations

from meetref.media.dominance import RECENT, SILENCE_AFTER
from meetref.meeting.listening import Listening
from meetref.meeting.seating import Content
from meetref.wire.signaling import MAXIMUM_RECENT, Speaker

LOUD, BREATH, QUIET = 20, 70, 127
"""Levels. Without a breath now and then a voice is a noise, and leads nobody."""


class Talk:
    """A room in which the clock runs and people say something."""

    def __init__(self) -> None:
        self.listening = Listening(5)
        self.now = 10.0
        self.changes = 0

    def go_on(self, seconds: float, *talking: str, silent: tuple[str, ...] = ()) -> None:
        for step in range(round(seconds / 0.02)):
            self.now += 0.02
            spoken = BREATH if step % 25 == 24 else LOUD
            for who, level in [*((who, spoken) for who in talking), *((who, QUIET) for who in silent)]:
                self.listening.hear(Content(who, "camera"), level, self.now)
            if step % 15 == 14:
                self.changes += self.listening.decide(self.now)


def test_who_speaks_leads_and_then_has_led() -> None:
    talk = Talk()
    talk.go_on(2, "ann", silent=("ben",))
    assert talk.listening.message() == Speaker("ann", ())
    talk.go_on(3, "ben", silent=("ann",))
    assert talk.listening.message() == Speaker("ben", ("ann",))
    talk.go_on(3, "ann", silent=("ben",))
    assert talk.listening.message() == Speaker("ann", ("ben",)), "nobody is in both"


def test_a_pause_is_not_the_end_and_silence_is() -> None:
    talk = Talk()
    talk.go_on(2, "ann")
    changes = talk.changes
    talk.go_on(SILENCE_AFTER - 1, silent=("ann",))
    assert talk.listening.speaker == "ann"
    assert talk.changes == changes
    talk.go_on(5, silent=("ann",))
    assert talk.listening.message() == Speaker(None, ("ann",))
    talk.go_on(2, "ann")
    assert talk.listening.message() == Speaker("ann", ())


def test_who_goes_or_mutes_is_forgotten() -> None:
    talk = Talk()
    talk.go_on(2, "ann", silent=("ben",))
    talk.go_on(3, "ben", silent=("ann",))
    talk.listening.leave("ann")
    assert talk.listening.message() == Speaker("ben", ())
    talk.listening.leave("ben")
    talk.listening.leave("nobody")
    assert talk.listening.message() == Speaker(None, ())
    assert talk.listening.loudest == []
    talk.go_on(2, "cat")
    talk.listening.mute(Content("cat", "camera"))
    assert talk.listening.loudest == []
    assert talk.listening.loudness(Content("cat", "camera")) == 0
    talk.go_on(5)
    assert talk.listening.message() == Speaker(None, ("cat",)), "muted, but here"


def test_the_sound_of_a_screen_is_heard_and_leads_nobody() -> None:
    talk = Talk()
    for step in range(100):
        talk.listening.hear(Content("ann", "screen"), LOUD, talk.now + step * 0.02)
    assert talk.listening.decide(talk.now + 2)
    assert talk.listening.loudest == [Content("ann", "screen")]
    assert talk.listening.speaker is None


def test_those_who_led_are_bounded() -> None:
    talk = Talk()
    for number in range(MAXIMUM_RECENT + 5):
        talk.go_on(4, f"p{number}")
    assert len(talk.listening.recent) == RECENT - 1
    assert talk.listening.recent[0] == f"p{MAXIMUM_RECENT + 3}"
    assert RECENT <= MAXIMUM_RECENT
