"""Makes vectors/journal/sample: a whole recording, as a server leaves it of a meeting on the virtual network.

Alice records, Bob comes later over a line that loses six packets in a hundred, Alice mutes herself for a while, and Bob
goes before the end. `tests/vectors/test_journal_sample.py` makes it again and compares.
Read next: tests/stories/people.py (the server of a story), docs/recording.md (what is in such a folder).
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import trio
from trio.testing import MockClock

from meetref.app import deflate, server
from meetref.net.virtuallink import Impairments
from meetref.protocol.negotiation import VP8
from meetref.wire import signaling
from tests.stories.people import meeting

SEED = 12
NEAR, LOSSY = Impairments(delay=0.015), Impairments(delay=0.025, loss=0.06)


async def tell(root: Path) -> None:
    """The meeting; its only recording is below `root` afterwards."""
    async with meeting(SEED, recordings=root) as scene:
        alice = await scene.join("alice", way=NEAR)
        await trio.sleep(1)
        alice.say(signaling.Record(on=True))
        await trio.sleep(1)
        await scene.join("bob", way=LOSSY)
        await trio.sleep(2)
        microphone, alice.senders["microphone"].link = alice.senders["microphone"].link, None
        alice.say(signaling.Devices(microphone="muted", camera="on"))
        await trio.sleep(1.5)
        alice.senders["microphone"].link = microphone
        alice.say(signaling.Devices(microphone="on", camera="on"))
        await trio.sleep(1)
        scene.leave("bob")
        await trio.sleep(1)
        alice.say(signaling.Record(on=False))
        await trio.sleep(0.5)


@cache
def files() -> dict[str, bytes]:
    """The recording's files, below `journal/sample`. Pictures are VP8 alone, and signaling is not compressed."""
    alone, plain = patch.object(server, "rank", lambda wanted: (VP8,)), patch.object(deflate, "WORTH_IT", math.inf)
    with TemporaryDirectory() as folder, alone, plain:
        trio.run(tell, Path(folder), clock=MockClock(autojump_threshold=0))
        return {f"journal/sample/{path.name}": path.read_bytes() for path in sorted(Path(folder).glob("*/*.mrj"))}
