"""archive/broadcast: a real studio in a process of its own, and processes that die or take nothing."""

from __future__ import annotations

import sys

import pytest
import trio

from meetref.archive import cue
from meetref.archive.broadcast import DIED, MAXIMUM_WAITING_SIZE, Broadcast, CannotBroadcast, open_broadcast
from meetref.archive.window import Show
from tests.archive.studiosource import opened

PATIENCE = 30.0
SILENT = (sys.executable, "-c", "import sys; sys.stdin.buffer.read()")
DYING = (sys.executable, "-c", "")


def nothing() -> None:
    """Nobody is told."""


async def test_a_studio_makes_a_show_and_ends_with_its_pipe() -> None:
    began = trio.Event()
    shows: list[Show] = []

    def begun(show: Show) -> None:
        shows.append(show)
        began.set()

    with trio.fail_after(PATIENCE):
        async with open_broadcast("secret", begun) as broadcast, trio.open_nursery() as nursery:
            nursery.start_soon(broadcast.run, nothing)
            about = opened(1, "a", "camera").about
            stream = broadcast.open_stream("a-camera-1", about)
            assert stream is not None
            broadcast.note({"event": "joined", "person": "a", "name": "Ada", "devices": {}}, 0.0)
            stream.take(b"\x80" + bytes(20), 0.0)
            await began.wait()
            (show,) = shows
            assert list(show.renditions) == ["v720", "v360", "v180", "sound", "captions"]
            part = await show.piece_of("v180", "0.0.m4s")
            assert part is not None
            assert part[4:8] == b"moof"
            stream.close()
            broadcast.finish()
        assert broadcast.trouble is None
    assert all(rendition.has_ended for rendition in show.renditions.values())


async def test_a_process_that_dies_ends_the_show() -> None:
    with trio.fail_after(PATIENCE):
        async with open_broadcast("secret", lambda show: None, DYING) as broadcast:
            told: list[str | None] = []
            await broadcast.run(lambda: told.append(broadcast.trouble))
    assert told == [DIED]
    assert broadcast.open_stream("x", {}) is None


async def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(CannotBroadcast, match="No such file"):
        async with open_broadcast("secret", lambda show: None, ["/nowhere/studio"]):
            pass


async def test_what_waits_for_the_pipe_is_bounded() -> None:
    with trio.fail_after(PATIENCE):
        async with open_broadcast("secret", lambda show: None, SILENT) as broadcast:
            stream = broadcast.open_stream("a", {})
            assert stream is not None
            for _ in range(MAXIMUM_WAITING_SIZE // 60_000 + 10):
                stream.take(bytes(60_000), 0.0)
            assert broadcast.lost >= 9
            assert broadcast._waiting_size <= MAXIMUM_WAITING_SIZE


async def test_a_wish_for_a_keyframe_is_passed_on_while_the_stream_is_there() -> None:
    wanted = []
    async with open_broadcast("secret", lambda show: None, SILENT) as broadcast:
        broadcast.keyframe_wanted = wanted.append
        stream = broadcast.open_stream("a", {})
        assert stream is not None
        for number in (stream.number, 99):
            Broadcast._hear(broadcast, cue.Wanted(number))
        stream.close()
        Broadcast._hear(broadcast, cue.Wanted(stream.number))
    assert wanted == [stream]
