"""Fifty people come within a second: each needs a keyframe to begin with, and the publisher makes few."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from meetref.app.sender import Sender
from meetref.media.keyframes import SHORTEST_GAP
from meetref.net.virtuallink import Impairments
from meetref.wire import rtcpfeedback
from tests.stories.people import meeting
from tests.stories.test_meeting import until

CROWD, WITHIN = 50, 1.0
FAR = Impairments(delay=0.04, jitter=0.005)


@pytest.mark.spec("rtcp/keyframe-requests-paced")
@pytest.mark.soak(ci=1, full=20)
@pytest.mark.slow
async def test_a_keyframe_storm_reaches_the_publisher_at_the_gate_s_pace(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    asked: list[float] = []
    handle = Sender.on_control

    def note(sender: Sender, packet: object, now: float) -> None:
        if sender.kind == "video" and isinstance(packet, rtcpfeedback.PictureLoss):
            asked.append(now)
        handle(sender, packet, now)

    monkeypatch.setattr(Sender, "on_control", note)
    async with meeting(seed) as scene:
        publisher = await scene.join("alice", way=Impairments(delay=0.04))
        assert publisher.identity is not None
        identity = publisher.identity.participant
        await trio.sleep(3)
        asked.clear()
        came = trio.current_time()

        async def come(number: int) -> None:
            await trio.sleep(number * WITHIN / CROWD)
            await scene.join(f"viewer-{number}", sends=False, way=FAR)

        async with trio.open_nursery() as nursery:
            for number in range(CROWD):
                nursery.start_soon(come, number)

        def all_see() -> bool:
            viewers = [client for name, client in scene.people.items() if name != "alice"]
            seen = [client.seen(identity) for client in viewers]
            return len(seen) == CROWD and all(one is not None and one.frames > 5 for one in seen)

        await until(all_see, 10)
    gaps = [later - sooner for sooner, later in pairwise(asked)]
    print(
        f"\n{CROWD} people within {WITHIN} s: all see after {trio.current_time() - came:.1f} s, {len(asked)} keyframes"
    )
    assert 1 <= len(asked) < CROWD / 5
    assert min(gaps, default=SHORTEST_GAP) >= SHORTEST_GAP - 0.01, gaps
