"""meeting/captions: a line is told to everybody at once, with who wrote it, and kept."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from meetref.meeting.captions import MOST_LINES, MOST_WITHIN
from meetref.wire import signaling
from meetref.wire.reader import Malformed
from tests.meeting.rooms import MINUTES, Line, Lobby, lobby


def told(line: Line) -> list[str]:
    return [message.text for message in line.of(signaling.Caption)]


async def writes(line: Line, text: str, person: str | None = None) -> None:
    line.says(signaling.WriteCaption(text=text, person=person))
    await wait_all_tasks_blocked()


async def kept(place: Lobby) -> list[Any]:
    return [entry.body for entry in await place.log.read(MINUTES, kind="caption")]


@pytest.mark.spec("captions/told-to-all", "captions/whose", "captions/logged")
async def test_everybody_reads_a_line_and_the_log_keeps_it(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob")
        one, other = (line.identity.participant for line in (alice, bob))
        await writes(bob, "good morning", one)
        await writes(bob, "nobody's words")
        await writes(bob, "of somebody who is not here", "0123456789abcdef")
        lines = [
            signaling.Caption(by=other, text="good morning", person=one, name="alice"),
            signaling.Caption(by=other, text="nobody's words"),
            signaling.Caption(by=other, text="of somebody who is not here"),
        ]
        assert alice.of(signaling.Caption) == bob.of(signaling.Caption) == lines
        cora = await place.joined("cora")
        assert told(cora) == []
        assert (await kept(place))[0] == {"by": other, "person": one, "name": "alice", "text": "good morning"}
        assert len(await kept(place)) == 3


@pytest.mark.spec("captions/one-line")
async def test_a_caption_is_one_line_of_words(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice = await place.joined("alice")
        await writes(alice, "  two\nlines\t and \x1c more  ")
        await writes(alice, " \n ")
        assert told(alice) == ["two lines and more"]
        assert alice.codes == ["malformed"]
        assert alice.of(signaling.Error)[0].about == "write-caption"
    longest = signaling.MAXIMUM_CAPTION_LENGTH
    for text in ("", "x" * (longest + 1)):
        with pytest.raises(Malformed):
            signaling.parse_client(signaling.serialize(signaling.WriteCaption(text=text)))
    assert signaling.parse_client(signaling.serialize(signaling.WriteCaption(text="x" * longest)))


@pytest.mark.spec("captions/rate-bounded")
async def test_who_writes_faster_than_anybody_speaks_is_not_told_on(autojump_clock: MockClock) -> None:
    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob")
        for number in range(MOST_LINES + 3):
            await writes(alice, f"line {number}")
        await writes(bob, "another one may")
        assert told(bob) == [*(f"line {number}" for number in range(MOST_LINES)), "another one may"]
        assert (alice.codes, bob.codes) == (["too-fast"] * 3, [])
        await trio.sleep(MOST_WITHIN)
        await writes(alice, "again")
        assert told(bob)[-1] == "again"
        assert len(await kept(place)) == MOST_LINES + 2


async def test_who_has_left_is_forgotten(autojump_clock: MockClock) -> None:
    """What is known of the writers is known of people who are here."""
    async with lobby() as place:
        alice, bob = await place.joined("alice"), await place.joined("bob")
        await writes(alice, "hello")
        await writes(bob, "hello")
        captions = place.rooms.rooms["algebra"].captions
        assert len(captions._written) == 2
        alice.says(signaling.Leave())
        await trio.sleep(1)
        assert list(captions._written) == [bob.identity.participant]
