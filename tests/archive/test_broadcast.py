"""archive/broadcast: a real studio in a process of its own, and processes that die or take nothing."""

from __future__ import annotations

import os
import re
import signal
import sys
from dataclasses import asdict, replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
import trio

from meetref.archive import broadcast as module
from meetref.archive import cue
from meetref.archive.broadcast import DIED, MAXIMUM_WAITING_SIZE, Broadcast, CannotBroadcast, open_broadcast
from meetref.archive.reload import Directives
from meetref.archive.studio import Studio
from meetref.archive.window import Show
from meetref.media.codec.live import Rung
from meetref.wire import mp4
from tests.archive.playlistrules import change_faults, faults
from tests.archive.studiosource import opened
from tests.archive.test_window import show

PATIENCE = 30.0
SILENT = (sys.executable, "-c", "import sys; sys.stdin.buffer.read()")
DYING = (sys.executable, "-c", "")
RUNGS = (Rung("large", 320, 180, 200_000), Rung("small", 160, 90, 100_000))
HANGING = (sys.executable, "-c", "import time; time.sleep(60)")


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
    assert not any(rendition.has_ended for rendition in show.renditions.values()), "that says whoever opened it"


async def grows(show: Show, parts: int) -> None:
    """Wait until each rendition of picture and sound has so many more parts."""
    until = show.parts + parts
    for rendition in [each for each in show.renditions.values() if each.form.part]:
        while rendition.parts < until:
            await rendition.changed.wait()


def pieces(show: Show) -> dict[tuple[str, str], bytes]:
    """All that can be loaded of a show."""
    found = {}
    for name, rendition in show.renditions.items():
        whole, growing = range(40), [f"{number}.{place}" for number in range(40) for place in range(8)]
        for piece in ["init.mp4", *(f"{each}.{rendition.form.suffix}" for each in (*whole, *growing))]:
            octets = rendition.piece(piece)
            if octets is not None:
                found[name, piece] = octets
    return found


@pytest.mark.spec("playlist/discontinuity", "playlist/discontinuity-sequence", "playlist/media-sequence")
async def test_another_studio_goes_on_with_the_show_of_one_that_was_killed() -> None:
    shows: list[Show] = []

    async def lists() -> list[str]:
        return [str(await shows[0].list_of(name, Directives())) for name in shows[0].renditions]

    async def on_air(name: str, parts: int) -> Broadcast:
        began = trio.Event()

        def begun(show: Show) -> None:
            shows.append(show)
            began.set()

        before = shows[0] if shows else None
        async with open_broadcast(name, begun, before=before) as broadcast, trio.open_nursery() as nursery:
            nursery.start_soon(broadcast.run, nothing)
            await began.wait()
            await grows(shows[0], parts)
            os.kill(broadcast._process.pid, signal.SIGKILL)
        return broadcast

    with trio.fail_after(2 * PATIENCE):
        first = await on_air("secret", 11)
        before, texts = pieces(shows[0]), await lists()
        second = await on_air("another", 3)
    assert (first.trouble, second.trouble) == (DIED, DIED)
    assert shows[0] is shows[1]
    after = pieces(shows[0])
    assert len(after) > len(before)
    assert {key: after[key] for key in before} == before, "what was made stays as it is"
    for old, new in zip(texts, await lists(), strict=True):
        assert [*faults(new), *change_faults(old, new)] == []
        is_captions = ".vtt" in old
        assert new.count("#EXT-X-DISCONTINUITY\n") == (not is_captions)
    for name in ("v720", "v360", "v180", "sound"):
        form, kept = shows[0].renditions[name].form, [each for each in after if each[0] == name]
        parts = [mp4.parse_fragment(after[each]).decode_at for each in kept if each[1].count(".") == 2]
        assert parts == sorted(parts)
        assert [at % form.part for at in parts] == [0] * len(parts)
        assert max(later - earlier for earlier, later in pairwise(parts)) > form.part, "time has passed"


@pytest.mark.spec("playlist/discontinuity", "playlist/rendition-report")
async def test_a_studio_may_be_killed_at_any_octet() -> None:
    def said(part: int) -> bytes:
        studio = Studio(1e9, RUNGS, part=part)
        return b"".join(cue.packed(cue.Made(list(studio.frame(0.0)))) for _ in range(90))

    def hear(octets: bytes, before: Show | None) -> Show | None:
        process: Any = None
        broadcast = Broadcast("secret", process, lambda show: None, before)
        for made in cue.Unpacking(cue.Made).feed(octets):
            for message in made.messages:
                broadcast._hear(message)
        return broadcast.show

    first, second, dice = said(0), said(40), Random(1)
    for cut in sorted(dice.sample(range(len(first)), 30)):
        show = hear(first[:cut], None)
        if show is None:
            continue
        show.pause()
        before = [str(await show.list_of(name, Directives())) for name in show.renditions]
        assert hear(second, show) is show
        for old, name in zip(before, show.renditions, strict=True):
            new = str(await show.list_of(name, Directives()))
            assert [*faults(new), *change_faults(old, new)] == [], cut
        large, small = [str(await show.list_of(rung.name, Directives())) for rung in RUNGS]
        cut_at = [re.findall(r"\d+\.\d+\.m4s|TIME:.*|DISCONTINUITY", text) for text in (large, small)]
        assert cut_at[0] == cut_at[1], "one goes over from one size to another anywhere"


async def test_a_studio_that_makes_something_else_begins_another_show() -> None:
    before, shows = show(), list[Show]()
    async with open_broadcast("another", shows.append, SILENT, before) as broadcast:
        forms = [asdict(replace(rendition.form, codecs="avc1.another")) for rendition in before.renditions.values()]
        Broadcast._hear(broadcast, cue.Began(2e9, forms))
    assert [each.name for each in shows] == ["another"]
    assert all(rendition.has_ended for rendition in before.renditions.values())


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


async def test_a_process_that_hangs_ends_the_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENT_FOR", 0.2)
    with trio.fail_after(PATIENCE):
        async with open_broadcast("secret", lambda show: None, HANGING) as broadcast:
            await broadcast.run(nothing)
    assert broadcast.trouble == DIED
